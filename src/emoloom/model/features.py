"""Frozen features of texts: what several layers make of them, from one forward."""

from __future__ import annotations

from typing import Any

import torch

from emoloom.model.forward import packed_layers
from emoloom.model.packing import Pack

DEPTHS = 8
"""How many layers are looked at: evenly spaced, the last among them."""


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
