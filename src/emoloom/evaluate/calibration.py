"""How far label probabilities are from the frequencies they claim."""

from __future__ import annotations

import numpy as np

from emoloom.evaluate.metrics import Bools, Floats

BINS = 15
"""Bins of equal width over [0, 1]."""


def expected_calibration_error(probabilities: Floats, gold: Bools, weights: Floats) -> Floats:
    r"""Expected calibration error over all label decisions of a sample, for each row of weights.

    .. math:: \mathrm{ECE} = \sum_b \frac{|B_b|}{nk}\,\bigl|\overline{p}_b - \overline{y}_b\bigr|

    over bins b of the n times k probabilities by their value (Naeini et al. 2015, binary form).

    Args:
        probabilities: (n, k) in [0, 1].
        gold: (n, k) which labels each record has.
        weights: (R, n) how often each record counts.

    Returns:
        (R,) in [0, 1].
    """
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    gaps = np.zeros((len(gold), BINS))
    for number in range(BINS):
        gaps[:, number] = np.where(bins == number, probabilities - gold, 0.0).sum(axis=1)
    total: Floats = np.abs(weights @ gaps).sum(axis=1) / (weights.sum(axis=1) * gold.shape[1])
    return total
