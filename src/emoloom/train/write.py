"""``L_write``: the first label that the model is about to write against the record's labels."""

from __future__ import annotations

import torch


def writing_loss(log_probabilities: torch.Tensor, labels: torch.Tensor, balance: torch.Tensor) -> torch.Tensor:
    r"""Sum over examples of :math:`-\sum_l \frac{y_{bl}}{\sum_k y_{bk}} \frac{w_l}{\bar w} \log p_{bl}`, a scalar.

    Cross-entropy of the first label, over the whole vocabulary, against all labels of the record and not only the one that is
    written first.

    Args:
        log_probabilities: (B, L) log p of the tokens that begin the labels.
        labels: (B, L) multi-hot, at least one each.
        balance: (L,) w divided by its mean over the labels of the training examples.
    """
    shares = labels / labels.sum(dim=-1, keepdim=True)
    return -(shares * balance * log_probabilities).sum()
