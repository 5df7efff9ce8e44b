"""One forward over a pack, or one a sequence where the model cannot be packed: logits only where they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from emoloom.model.attention import NAME, active_pack
from emoloom.model.packing import Pack
from emoloom.model.separate import separate_layers, separate_states

# With fewer rows the matrix kernels take other paths whose last bits differ.
MIN_ROWS = 16


def is_packed(model: Any) -> bool:
    """Whether the model attends by packs; else its sequences are taken one by one."""
    return bool(model.config.get_text_config()._attn_implementation == NAME)


def packed_logits(model: Any, pack: Pack, rows: Sequence[int]) -> torch.Tensor:
    """Next-token logits after the tokens at ``rows`` of ``pack.tokens``.

    Args:
        model: a causal language model as :func:`~emoloom.model.load.load_candidate` gives it.
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
    if not is_packed(model):
        return separate_states(model, pack, rows)
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
    if not is_packed(model):
        return separate_layers(model, pack)
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
