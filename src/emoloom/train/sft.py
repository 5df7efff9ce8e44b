"""The supervised loss: cross-entropy on the reply, the prompt masked."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from emoloom.train.batch import BatchOutput


def sft_loss(out: BatchOutput) -> torch.Tensor:
    r"""Sum over the reply tokens of :math:`-\log p(r_t \mid \text{prompt}, r_{<t})`, a scalar.

    It is a sum so that micro-batches add up to a batch; the caller divides by the batch's tokens. No token is masked by its
    id: where padding and end-of-sequence share one, the end would never be learned.
    """
    return cross_entropy(out.logits, out.targets, reduction="sum")
