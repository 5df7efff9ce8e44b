"""``L_app``: the appraisal profile that the model's labels imply against an external verifier's reading of the text."""

from __future__ import annotations

import torch


def implied_profile(probabilities: torch.Tensor, profiles: torch.Tensor) -> torch.Tensor:
    """The mean profile of the labels under the model's label distribution: (B, L) summing to 1, (L, 4) -> (B, 4)."""
    return probabilities @ profiles


def appraisal_loss(
    probabilities: torch.Tensor, profiles: torch.Tensor, atoms: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    r"""Sum over examples of :math:`w_b\,\tfrac14\lVert \mathbf q_b P - \mathbf a_b \rVert_2^2`, a scalar.

    Args:
        probabilities: (B, L) the model's distribution over labels, rows summing to 1.
        profiles: (L, 4) goal attainment, controllability, certainty and fairness of each label, in [0, 1].
        atoms: (B, 4) the verifier's probabilities for the text, in [0, 1].
        weight: (B,) 1 where the verifier has read the text, 0 where not.
    """
    gap = (implied_profile(probabilities, profiles) - atoms).square().mean(dim=-1)
    return (weight * gap).sum()
