"""One training forward: what every term of the objective reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from emoloom.model.forward import packed_states
from emoloom.model.packing import pack
from emoloom.train.collate import Example


@dataclass(frozen=True)
class BatchOutput:
    """B examples after one packed forward, their R reply tokens one after the other.

    Attributes:
        examples: the B examples.
        logits: (R, V) float32; row r predicts reply token r.
        targets: (R,) the reply tokens.
        starts: for each example, the row of its first reply token.
        states: (R, H) the hidden states that the logits are made from.
    """

    examples: Sequence[Example]
    logits: torch.Tensor
    targets: torch.Tensor
    starts: tuple[int, ...]
    states: torch.Tensor


def run_batch(model: Any, prefix: Sequence[int], examples: Sequence[Example]) -> BatchOutput:
    """Runs the examples behind one copy of ``prefix``, with logits at the positions that predict a reply token and nowhere
    else.

    Args:
        model: causal language model with the packed attention.
        prefix: token ids that all prompts share.
        examples: at least one.
    """
    # The last token of a reply predicts nothing.
    sequences = [[*example.prompt, *example.reply[:-1]] for example in examples]
    packed = pack(prefix, sequences, next(model.parameters()).device)
    rows: list[int] = []
    starts: list[int] = []
    for example, offset in zip(examples, packed.offsets, strict=True):
        starts.append(len(rows))
        first = offset + len(example.prompt) - 1
        rows.extend(range(first, first + len(example.reply)))
    logits, states = packed_states(model, packed, rows)
    targets = torch.tensor([token for example in examples for token in example.reply], device=logits.device)
    return BatchOutput(examples, logits.float(), targets, tuple(starts), states)
