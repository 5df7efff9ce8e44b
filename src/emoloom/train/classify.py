"""``L_cls``: what the label head says against the record's labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

# Square root of the odds against a label: full balance lets a label with three examples outweigh all others.
_BALANCE = 0.5


def classification_loss(logits: torch.Tensor, labels: torch.Tensor, balance: torch.Tensor) -> torch.Tensor:
    r"""Sum over examples of :math:`\frac1L\sum_l \mathrm{BCE}_{w_l}(z_{bl} + \log w_l,\, y_{bl})`, a scalar.

    Positive examples that weigh w times as much raise the best log-odds by log w. That is added here, so that the head's own stay
    those of the labels as common as they are, and rare labels weigh more without being predicted more often (logit
    adjustment, Menon et al. 2021).

    Args:
        logits: (B, L) log-odds z of the label head.
        labels: (B, L) multi-hot, 0 or 1.
        balance: (L,) w, how much heavier a label's positive examples weigh.
    """
    raised = logits + balance.log()
    each = binary_cross_entropy_with_logits(raised, labels, pos_weight=balance, reduction="none")
    return each.mean(dim=-1).sum()


def label_counts(labels: Sequence[Sequence[int]], size: int) -> list[int]:
    """How many examples have each of ``size`` labels, given the label indices of every example."""
    return [
        int(n)
        for n in np.bincount(np.array([label for each in labels for label in each], dtype=np.int64), minlength=size)
    ]


def label_balance(counts: Sequence[int], examples: int) -> list[float]:
    r"""For each label :math:`\sqrt{n_-/n_+}`, at least 1; 1 for a label without examples.

    Args:
        counts: of the label among so many ``examples``.
    """
    positive = np.array(counts)
    odds = (examples - positive) / np.maximum(positive, 1)
    return [float(x) for x in np.where(positive > 0, np.maximum(odds**_BALANCE, 1.0), 1.0)]
