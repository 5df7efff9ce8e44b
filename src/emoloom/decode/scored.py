"""The `scored` readout: one forward a pack gives every text's label log-odds and VAD, without writing a reply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from emoloom.model.depth import depth_states
from emoloom.model.forward import MIN_ROWS
from emoloom.model.heads import LinearHeads
from emoloom.model.packing import pack, packfuls


@torch.inference_mode()
def read_heads(
    model: Any,
    heads: LinearHeads,
    depth: int,
    opening: Sequence[int],
    prefix: Sequence[int],
    prompts: Sequence[Sequence[int]],
    *,
    alone: bool,
) -> Iterator[tuple[int, list[float], list[float]]]:
    """Yields (index, log-odds of each label, VAD) of every prompt, pack by pack.

    Args:
        heads: fitted to the model.
        depth: the layer that they read, counted from 1.
        opening: tokens with which every reply begins, up to its first label; appended to every prompt.
        prefix: token ids shared by all prompts.
        prompts: each prompt's own tokens.
        alone: one prompt a forward; needed where packing changes bits (:meth:`~emoloom.screen.readouts.readout.Scored.tested`).
    """
    sequences = [[*prompt, *opening] for prompt in prompts]
    for members in packfuls(sequences, alone=alone):
        packed = pack(prefix, [sequences[i] for i in members], next(model.parameters()).device)
        last = [end - 1 for _, end in packed.spans]
        # The heads, too, compute in other last bits where there are few rows.
        log_odds, vad = heads(depth_states(model, packed, depth, [*last, *[last[-1]] * (MIN_ROWS - len(last))]))
        yield from zip(members, log_odds[: len(last)].tolist(), vad[: len(last)].tolist(), strict=True)
