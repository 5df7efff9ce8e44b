"""``L_app``: the appraisal profile that the model's labels imply against an external verifier's reading of the text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

# A verifier that hardly tells texts apart is not to be followed into what it cannot tell.
_LEAST_SPREAD = 0.02


def implied_profile(probabilities: torch.Tensor, profiles: torch.Tensor) -> torch.Tensor:
    """The mean profile of the labels under the model's label distribution: (B, L) summing to 1, (L, 4) -> (B, 4)."""
    return probabilities @ profiles


def appraisal_loss(
    probabilities: torch.Tensor,
    profiles: torch.Tensor,
    spread: torch.Tensor,
    atoms: torch.Tensor,
    weight: torch.Tensor,
) -> torch.Tensor:
    r"""Sum over examples of :math:`w_b\,\tfrac14\sum_k \left( (\mathbf q_b P - \mathbf a_b)_k / s_k \right)^2`, a scalar.

    In units of what the verifier's values vary by: 1 an example where the labels tell nothing of its reading, whatever its scale.

    Args:
        probabilities: (B, L) the model's distribution over labels, rows summing to 1.
        profiles: (L, 4) goal attainment, controllability, certainty and fairness of each label, on the verifier's scale.
        spread: (4,) s, of the verifier's values over the training texts (:func:`atom_spread`).
        atoms: (B, 4) the verifier's probabilities for the text, in [0, 1].
        weight: (B,) 1 where the verifier has read the text, 0 where not.
    """
    gap = ((implied_profile(probabilities, profiles) - atoms) / spread).square().mean(dim=-1)
    return (weight * gap).sum()


def atom_spread(atoms: Sequence[Sequence[float]]) -> list[float]:
    """Standard deviation of each atom over (n, 4) ``atoms``, at least :data:`_LEAST_SPREAD`; 1 where none was read."""
    if not atoms:
        return [1.0] * 4
    return [max(float(s), _LEAST_SPREAD) for s in np.std(np.array(atoms, dtype=np.float64), axis=0)]


def calibrated_profiles(
    profiles: Sequence[Sequence[float]], labels: Sequence[Sequence[int]], atoms: Sequence[Sequence[float]]
) -> npt.NDArray[np.float64]:
    """The label profiles on the scale of a verifier's atoms.

    A verifier of texts is less sure than a table of labels, and what one corpus calls half certain another does not. So each
    atom of the table is mapped by the straight line that best predicts the atoms of the training texts from their labels'
    mean profiles; a line that would fall is laid flat, and the atom then pulls at nothing. Profiles stay
    within the range of what was read.

    Args:
        profiles: (L, 4), the table.
        labels: label indices of the n texts that were read.
        atoms: (n, 4), the verifier's values for them.

    Returns:
        (L, 4); the table itself where no text was read.
    """
    table = np.array(profiles, dtype=np.float64)
    if not labels:
        return table
    implied = np.array([table[list(each)].mean(axis=0) for each in labels])
    read = np.array(atoms, dtype=np.float64)
    centred = implied - implied.mean(axis=0)
    spread = (centred**2).sum(axis=0)
    slope = np.maximum((centred * (read - read.mean(axis=0))).sum(axis=0), 0) / np.where(spread > 0, spread, 1.0)
    calibrated: npt.NDArray[np.float64] = read.mean(axis=0) + slope * (table - implied.mean(axis=0))
    return np.clip(calibrated, read.min(axis=0), read.max(axis=0))
