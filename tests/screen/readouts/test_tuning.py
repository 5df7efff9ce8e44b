"""The spread of VAD."""

from __future__ import annotations

import numpy as np
import pytest

from emoloom.evaluate.metrics import Floats
from emoloom.screen.readouts.tuning import tune_spread

RNG = np.random.default_rng(0)
GOLD = 0.5 + RNG.normal(scale=(0.09, 0.07, 0.05), size=(400, 3))
PREDICTED = 0.45 + 0.2 * (GOLD - 0.5) + RNG.normal(scale=0.02, size=GOLD.shape)


def ccc(x: Floats, y: Floats) -> float:
    """Lin's formula, written out."""
    return float(2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))


def test_predictions_get_the_mean_and_spread_of_gold() -> None:
    scale, shift = tune_spread(PREDICTED, GOLD)
    stretched = PREDICTED * scale + shift
    assert stretched.mean(axis=0) == pytest.approx(GOLD.mean(axis=0))
    assert stretched.std(axis=0) == pytest.approx(GOLD.std(axis=0))


def test_no_other_line_agrees_better() -> None:
    scale, shift = tune_spread(PREDICTED, GOLD)
    for axis in range(3):
        best = ccc(PREDICTED[:, axis] * scale[axis] + shift[axis], GOLD[:, axis])
        for factor in np.linspace(0.2, 3, 57):
            other = PREDICTED[:, axis] * scale[axis] * factor
            assert ccc(other - other.mean() + GOLD[:, axis].mean(), GOLD[:, axis]) <= best + 1e-9


def test_what_does_not_vary_keeps_its_scale() -> None:
    scale, shift = tune_spread(np.full((9, 3), 0.4), GOLD[:9])
    assert scale.tolist() == [1, 1, 1]
    assert shift == pytest.approx(GOLD[:9].mean(axis=0) - 0.4)
