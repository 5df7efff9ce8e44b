"""Attention over a :class:`~emoloom.model.packing.Pack`, registered with transformers under :data:`NAME`.

Every own token attends to the prefix and to its own sequence only. The sums are arranged so that what a token sees decides
every bit of its result, whoever its neighbours are: the prefix is one block of keys, own keys are summed in blocks of
:data:`KEY_BLOCK`, and masked keys contribute exact zeros at the end of a block.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from emoloom.model.packing import Grid, Pack

NAME = "emoloom_packed"
# Up to this many keys the matrix kernels make one pass; beyond, how they split the sum depends on the number of keys
# (measured: docs/decisions/003-canonical-numerics.md).
KEY_BLOCK = 128

# What else transformers' attention may be given that changes what it computes.
_LACKING = "softcap", "s_aux", "position_bias"

active_pack: ContextVar[Pack] = ContextVar("active_pack")


def packed_attention(
    _module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Softmax attention of the active pack.

    Args:
        query: (1, H, N, D); key and value: (1, K, N, D) with H a multiple of K (grouped-query attention).

    Returns:
        (1, N, H, D), and no attention weights.
    """
    extras = {"a mask of its own": attention_mask} | {name: others.get(name) for name in _LACKING}
    for name, extra in extras.items():
        if extra is not None:
            raise ValueError(f"its attention has {name}")
    pack = active_pack.get()
    heads, _n, size = query.shape[1:]
    groups = key.shape[1]
    scale = size**-0.5 if scaling is None else scaling
    # (K, G, N, D): query heads beside the key head they share.
    q = (query[0] * scale).reshape(groups, heads // groups, -1, size)
    k, v = key[0], value[0]
    prefix_mask, own_masks = pack.masks(sliding_window)
    shared = pack.prefix
    out = [_prefix_attention(q[:, :, :shared], k[:, :shared], v[:, :shared], prefix_mask)] if shared else []
    attend = _fused_attention if _fuses(query) else _own_attention
    own = [attend(q, k, v, shared, *one) for one in zip(pack.grids, own_masks, strict=True)]
    out.append(torch.cat(own, dim=1)[:, pack.unslot])
    return torch.cat(out, dim=1).transpose(0, 1)[None], None


def _prefix_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Causal attention among the prefix's tokens: q (K, G, P, D), k and v (K, P, D) -> (H, P, D)."""
    scores = q @ k[:, None].transpose(-1, -2) + mask
    return (scores.softmax(dim=-1).to(v.dtype) @ v[:, None]).flatten(0, 1)


def _own_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, shared: int, grid: Grid, mask: torch.Tensor
) -> torch.Tensor:
    """Attention of a grid's tokens to the prefix of ``shared`` tokens and their sequence: q (K, G, N, D), k and v (K, N, D) ->
    (H, B * T, D)."""
    rows, width = grid.slots.shape
    groups, per_group, _n, size = q.shape
    # (K, B, G*T, D), so that the prefix is multiplied with all queries at once and never copied per sequence.
    own_q = q[:, :, grid.slots].transpose(1, 2).reshape(groups, rows, per_group * width, size)
    own_k, own_v = k[:, grid.slots], v[:, grid.slots]
    scores = own_q @ own_k.transpose(-1, -2)
    if shared:
        to_prefix = own_q.flatten(1, 2) @ k[:, :shared].transpose(-1, -2)
        scores = torch.cat([to_prefix.reshape(groups, rows, per_group * width, shared), scores], dim=-1)
    scores = scores.reshape(groups, rows, per_group, width, shared + width).add_(mask)
    # The mask is in float32, and so is the softmax.
    weights = scores.softmax(dim=-1).to(v.dtype).flatten(2, 3)
    out = torch.zeros_like(own_q)
    if shared:
        to_prefix = weights[..., :shared].flatten(1, 2)
        out = (to_prefix @ v[:, :shared]).reshape(own_q.shape)
    for start in range(0, width, KEY_BLOCK):
        stop = min(start + KEY_BLOCK, width)
        out = out + weights[..., shared + start : shared + stop] @ own_v[:, :, start:stop]
    by_head = out.reshape(groups, rows, per_group, width, size).transpose(1, 2)
    return by_head.reshape(groups * per_group, rows * width, size)


def _fuses(query: torch.Tensor) -> bool:
    """Whether to attend by torch's fused kernel: on a GPU alone, where neighbours change last bits either way and a guard decides
    near-ties; and not in training, because its gradients differ from run to run."""
    return query.is_cuda and not torch.is_grad_enabled()


def _fused_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, shared: int, grid: Grid, mask: torch.Tensor
) -> torch.Tensor:
    """What :func:`_own_attention` computes, in one kernel that never writes the scores down."""
    rows, width = grid.slots.shape
    groups, per_group, _n, size = q.shape

    def seen(x: torch.Tensor) -> torch.Tensor:
        """(K, N, D) -> (B, H, P + T, D): what each sequence attends to, once for each query head."""
        own = torch.cat([x[:, None, :shared].expand(groups, rows, shared, size), x[:, grid.slots]], dim=2)
        return own.transpose(0, 1).repeat_interleave(per_group, dim=1)

    own_q = q.flatten(0, 1)[:, grid.slots].transpose(0, 1)
    out = functional.scaled_dot_product_attention(own_q, seen(k), seen(v), attn_mask=mask.to(q.dtype), scale=1.0)
    return out.transpose(0, 1).reshape(groups * per_group, rows * width, size)


AttentionInterface.register(NAME, packed_attention)
# The pack carries its own masks.
AttentionMaskInterface.register(NAME, lambda *_args, **_kwargs: None)
