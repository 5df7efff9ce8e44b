"""The supervised loss: cross-entropy on the reply's tokens, the prompt masked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy

from emoloom.model.forward import packed_logits
from emoloom.model.packing import pack
from emoloom.train.collate import Example


def sft_loss(model: torch.nn.Module, prefix: Sequence[int], examples: Sequence[Example]) -> torch.Tensor:
    r"""Sum over the reply tokens of :math:`-\log p(r_t \mid \text{prompt}, r_{<t})`, a scalar.

    It is a sum so that micro-batches add up to a batch; the caller divides by the batch's reply tokens. Logits are computed
    at the positions that predict a reply token and nowhere else, and no token is masked by its id: where padding and
    end-of-sequence share one, the end would never be learned.

    Args:
        model: causal language model with the packed attention.
        prefix: token ids that all prompts share, a multiple of 16 of them.
        examples: at least one.
    """
    # The last token of a reply predicts nothing.
    sequences = [[*example.prompt, *example.reply[:-1]] for example in examples]
    packed = pack(prefix, sequences, next(model.parameters()).device)
    rows = [
        offset + len(example.prompt) - 1 + step
        for example, offset in zip(examples, packed.offsets, strict=True)
        for step in range(len(example.reply))
    ]
    targets = torch.tensor([token for example in examples for token in example.reply], device=packed.tokens.device)
    return cross_entropy(packed_logits(model, packed, rows).float(), targets, reduction="sum")
