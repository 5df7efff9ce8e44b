"""The `scored` readout: one forward a pack gives every text's label log-odds and VAD, without writing a reply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from emoloom.model.forward import MIN_ROWS, packed_states
from emoloom.model.heads import Heads
from emoloom.model.labelling import FirstLabel
from emoloom.model.packing import pack, packfuls


@torch.inference_mode()
def read_heads(
    model: Any,
    heads: Heads,
    first: FirstLabel,
    prefix: Sequence[int],
    prompts: Sequence[Sequence[int]],
    *,
    alone: bool,
) -> Iterator[tuple[int, list[float], list[float]]]:
    """Yields (index, log-odds of each label, VAD) of every prompt, pack by pack.

    Args:
        heads: trained with the model.
        first: reads the model's own label distribution; its opening is appended to every prompt.
        prefix: token ids shared by all prompts, a multiple of 16 of them.
        prompts: each prompt's own tokens.
        alone: one prompt a forward; needed where packing changes bits (:func:`~emoloom.decode.fast.self_test`).
    """
    sequences = [[*prompt, *first.opening] for prompt in prompts]
    for members in packfuls(sequences, alone=alone):
        packed = pack(prefix, [sequences[i] for i in members], next(model.parameters()).device)
        last = [end - 1 for _, end in packed.spans]
        # The heads, too, compute in other last bits where there are few rows.
        written, states = packed_states(model, packed, [*last, *[last[-1]] * (MIN_ROWS - len(last))])
        logits, vad = heads(states, first.log_probabilities(written))
        yield from zip(members, logits[: len(last)].tolist(), vad[: len(last)].tolist(), strict=True)
