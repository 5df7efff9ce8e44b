"""At which layers fitted heads may read, and forwards that end there (docs/decisions/015-depth-of-heads.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from emoloom.model.attention import active_pack
from emoloom.model.forward import is_packed, packed_layers
from emoloom.model.packing import Pack

_SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Of a model's layers, where heads may read: below, little is known of the answer yet."""


def head_depths(model: Any) -> list[int]:
    """The layers at which heads may read, counted from 1, the lowest first."""
    layers = layer_count(model)
    return sorted({max(round(share * layers), 1) for share in _SHARES})


def last_states(model: Any, pack: Pack) -> torch.Tensor:
    """What each of A :func:`head_depths` makes of each sequence's last token, (B, A, hidden size) in float32."""
    layers = packed_layers(model, pack)
    last = [end - 1 for _, end in pack.spans]
    return torch.stack([layers[depth][last].float() for depth in head_depths(model)], dim=1)


class _Reached(Exception):  # noqa: N818 (no error: nothing is wrong)
    """Ends a forward at the layer whose ``states`` (1, N, H) are wanted."""

    def __init__(self, states: torch.Tensor) -> None:
        super().__init__()
        self.states = states


def depth_states(model: Any, pack: Pack, depth: int, rows: Sequence[int]) -> torch.Tensor:
    """What leaves one layer at the tokens at ``rows`` of ``pack.tokens``; the layers above it are not computed.

    Args:
        depth: which layer, counted from 1; what leaves the last is normalised, as the output layer gets it.

    Returns:
        (len(rows), hidden size).
    """
    layers = _layers(model)
    if not is_packed(model) or layers is None:
        return packed_layers(model, pack)[depth][list(rows)]

    def stop(_module: Any, _inputs: Any, output: Any) -> None:
        raise _Reached(output[0] if isinstance(output, tuple) else output)

    # Behind the last layer comes the norm.
    hooks = [layers[depth - 1].register_forward_hook(stop)] if depth < len(layers) else []
    token = active_pack.set(pack)
    try:
        states = model.base_model(
            input_ids=pack.tokens[None], position_ids=pack.positions[None], use_cache=False
        ).last_hidden_state
    except _Reached as reached:
        states = reached.states
    finally:
        for hook in hooks:
            hook.remove()
        active_pack.reset(token)
    found: torch.Tensor = states[0, list(rows)]
    return found


def _layers(model: Any) -> torch.nn.ModuleList | None:
    """The model's layers, if they are a list as in every decoder of transformers."""
    count = layer_count(model)
    lists = (module for module in model.modules() if isinstance(module, torch.nn.ModuleList) and len(module) == count)
    return next(lists, None)


def layer_count(model: Any) -> int:
    """How many layers the model has."""
    return int(model.config.get_text_config().num_hidden_layers)
