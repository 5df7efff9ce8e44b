"""One forward over a pack: logits where they are asked for, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from emoloom.model.attention import active_pack
from emoloom.model.packing import Pack

# With fewer rows the matrix kernels take other paths whose last bits differ.
MIN_ROWS = 16


def packed_logits(model: Any, pack: Pack, rows: Sequence[int]) -> torch.Tensor:
    """Next-token logits after the tokens at ``rows`` of ``pack.tokens``.

    Args:
        model: a causal language model loaded with the packed attention (:func:`emoloom.model.load.load_model`).
        pack: N tokens; for bit-stable results N is at least :data:`MIN_ROWS` (a prefix of 16 or more tokens is enough).
        rows: indices into ``pack.tokens``, any number of them.

    Returns:
        (len(rows), vocabulary) in the model's dtype.
    """
    return packed_states(model, pack, rows)[0]


def packed_states(model: Any, pack: Pack, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits of :func:`packed_logits` and the hidden states they are made from.

    Returns:
        (len(rows), vocabulary) and (len(rows), hidden size): what the output layer gives and what it is given.
    """
    wanted = torch.tensor([*rows, *[rows[-1]] * max(0, MIN_ROWS - len(rows))], device=pack.tokens.device)
    states: list[torch.Tensor] = []
    token = active_pack.set(pack)
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: states.append(inputs[0]))
    try:
        out = model(
            input_ids=pack.tokens[None], position_ids=pack.positions[None], logits_to_keep=wanted, use_cache=False
        )
    finally:
        hook.remove()
        active_pack.reset(token)
    return out.logits[0, : len(rows)], states[0][0, : len(rows)]


def packed_layers(model: Any, pack: Pack) -> tuple[torch.Tensor, ...]:
    """What enters the first layer and what leaves each layer, (N, hidden size) each, for all N tokens of the pack; the last
    one normalised, as the output layer gets it."""
    token = active_pack.set(pack)
    try:
        out = model.base_model(
            input_ids=pack.tokens[None],
            position_ids=pack.positions[None],
            output_hidden_states=True,
            use_cache=False,
        )
    finally:
        active_pack.reset(token)
    return tuple(states[0] for states in out.hidden_states)
