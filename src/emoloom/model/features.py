"""What several layers make of texts, from one forward: whole texts for the probe, the place of the first label for heads."""

from __future__ import annotations

from typing import Any

import torch

from emoloom.model.forward import layer_count, packed_layers
from emoloom.model.packing import Pack

DEPTHS = 8
"""How many layers are looked at: evenly spaced, the last among them."""


HEADS_READ = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Of a model's layers, where heads may read: below, little is known of the answer yet."""


def head_depths(model: Any) -> list[int]:
    """The layers at which heads may read, counted from 1, the lowest first."""
    layers = layer_count(model)
    return sorted({max(round(share * layers), 1) for share in HEADS_READ})


def last_states(model: Any, pack: Pack) -> torch.Tensor:
    """What each of A :func:`head_depths` makes of each sequence's last token, (B, A, hidden size) in float32."""
    layers = packed_layers(model, pack)
    last = [end - 1 for _, end in pack.spans]
    return torch.stack([layers[depth][last].float() for depth in head_depths(model)], dim=1)


def depths(layers: int) -> list[int]:
    """Which of ``layers`` layers are looked at, counted from 1."""
    seen = min(layers, DEPTHS)
    return [round((step + 1) * layers / seen) for step in range(seen)]


def pooled_layers(model: Any, pack: Pack) -> torch.Tensor:
    """Each sequence's hidden states at each of A :func:`depths`, side by side: the mean over its own tokens, and the last.

    Returns:
        (B, 2 * A * hidden size) in float32, one row a sequence.
    """
    layers = packed_layers(model, pack)
    chosen = [layers[depth].float() for depth in depths(len(layers) - 1)]
    own = [torch.cat([_pooled(states[start:end]) for states in chosen]) for start, end in pack.spans]
    return torch.stack(own)


def _pooled(states: torch.Tensor) -> torch.Tensor:
    """Mean and last of states (T, H), (2 H,)."""
    return torch.cat([states.mean(dim=0), states[-1]])
