"""Activation checkpointing: a layer keeps its input alone for the backward, and computes the rest once more (Chen et al. 2016,
*Training Deep Nets with Sublinear Memory Cost*, arXiv 1604.06174)."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from emoloom.model.attention import active_pack


def recompute_layers(model: Any) -> bool:
    """Lets every layer of ``model`` compute its activations twice rather than keep them, from now on; no bit of a gradient
    changes.

    Returns:
        Whether that changed anything: not where they do so already, nor where transformers does not know the model's layers.
    """
    # transformers' own switch asks for training mode, and with it for dropout; nor would it find the pack again in the backward.
    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer) and "forward" not in vars(m)]
    for layer in layers:
        layer.forward = _twice(layer.forward)
    return bool(layers)


def _twice(forward: Any) -> Any:
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        pack = active_pack.get(None)

        def compute(*args: Any, **kwargs: Any) -> Any:
            # A backward comes after the pack has been put down, on a GPU in another thread.
            token = active_pack.set(pack) if pack else None
            try:
                return forward(*args, **kwargs)
            finally:
                if token:
                    active_pack.reset(token)

        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(compute, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)

    return checkpointed
