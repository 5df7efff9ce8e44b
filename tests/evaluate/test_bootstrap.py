"""Resampling by counts: the same draws as plain index resampling, in blocks, from the seed alone."""

from __future__ import annotations

import numpy as np
import pytest

from emoloom.evaluate.bootstrap import Estimate, percentile_interval, resample_weights


@pytest.mark.parametrize(("n", "resamples"), [(1, 1), (7, 99), (7, 100), (30, 250)])
def test_weights_count_the_draws_of_one_plain_index_resampling(n: int, resamples: int) -> None:
    weights = np.concatenate(list(resample_weights(n, resamples, seed=3)))
    indices = np.random.Generator(np.random.PCG64(3)).integers(n, size=(resamples, n))
    expected = [np.bincount(row, minlength=n) for row in indices]
    np.testing.assert_array_equal(weights, expected)


def test_the_seed_decides_the_draws() -> None:
    first, again, other = (np.concatenate(list(resample_weights(50, 10, seed))) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_interval_is_the_central_95_percent_of_what_is_defined() -> None:
    samples = np.append(np.random.default_rng(0).permutation(np.linspace(0, 1, 1001)), [np.nan] * 10)
    assert percentile_interval(samples) == pytest.approx((0.025, 0.975))
    assert percentile_interval(np.full(5, np.nan)) is None


def test_an_undefined_estimate_has_no_interval() -> None:
    assert Estimate(None, np.array([0.1, 0.2])).interval is None
