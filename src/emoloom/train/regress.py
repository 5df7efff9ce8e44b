"""``L_reg``: the VAD head against the record's VAD."""

from __future__ import annotations

import torch

# Inside the root, so that the gradient of a distance of zero is zero and not undefined.
_TINY = 1e-8


def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Euclidean distance along the last axis: (B, 3) and (B, 3) -> (B,)."""
    return ((a - b).square().sum(dim=-1) + _TINY).sqrt()


def regression_loss(predicted: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    r"""Sum over examples of :math:`w_b\,\lVert \hat{\mathbf v}_b - \mathbf v_b \rVert_2`, a scalar.

    Args:
        predicted: (B, 3) valence, arousal, dominance of the VAD head, in [0, 1].
        target: (B, 3) of the records, in [0, 1].
        weight: (B,) how far each target is to be trusted (``vad_weight``), in [0, 1].
    """
    return (weight * distance(predicted, target)).sum()
