"""Paired differences: pairing is used, and tie groups follow the interval against their leader."""

from __future__ import annotations

import numpy as np
import pytest

from emoloom.evaluate.bootstrap import Estimate, resample_weights
from emoloom.evaluate.paired import difference, probability_of_best, tie_groups


def mean_estimate(values: np.ndarray) -> Estimate:
    """The mean of ``values`` (n,) with its bootstrap: a figure whose paired difference is a mean itself."""
    weights = np.concatenate(list(resample_weights(len(values), 1000, seed=0)))
    return Estimate(float(values.mean()), weights @ values / len(values))


def test_the_difference_is_that_of_the_record_by_record_differences() -> None:
    rng = np.random.default_rng(0)
    shared = rng.random(200)
    a, b = shared + 0.02 + 0.01 * rng.normal(size=200), shared
    gap, expected = difference(mean_estimate(a), mean_estimate(b)), mean_estimate(a - b)
    assert gap is not None
    assert expected.interval is not None
    assert (gap.value, gap.low, gap.high) == pytest.approx((expected.value, *expected.interval), abs=1e-12)
    assert gap.separates
    # Unpaired intervals of the two overlap by far: only pairing separates them.
    low_a, high_b = mean_estimate(a).interval, mean_estimate(b).interval
    assert low_a is not None
    assert high_b is not None
    assert low_a[0] < high_b[1]


def test_a_candidate_does_not_beat_itself() -> None:
    estimate = mean_estimate(np.random.default_rng(1).random(30))
    gap = difference(estimate, estimate)
    assert gap is not None
    assert (gap.value, gap.low, gap.high, gap.separates) == (0.0, 0.0, 0.0, False)


def test_the_difference_is_antisymmetric() -> None:
    rng = np.random.default_rng(2)
    a, b = (mean_estimate(rng.random(40)) for _ in range(2))
    forth, back = difference(a, b), difference(b, a)
    assert forth is not None
    assert back is not None
    assert (forth.value, forth.low, forth.high) == pytest.approx((-back.value, -back.high, -back.low))


def test_resamples_in_which_one_side_is_undefined_are_left_out() -> None:
    gap = difference(Estimate(0.6, np.array([0.5, np.nan, 0.7])), Estimate(0.5, np.array([0.4, 0.9, np.nan])))
    assert gap is not None
    assert (gap.low, gap.high) == pytest.approx((0.1, 0.1))


def test_an_undefined_figure_has_no_difference() -> None:
    defined, undefined = Estimate(0.5, np.array([0.5])), Estimate(None, np.array([np.nan]))
    assert difference(defined, undefined) is None
    assert difference(undefined, defined) is None


def test_tie_groups_compare_with_the_leader_of_the_group() -> None:
    samples = np.linspace(-0.1, 0.1, 101)
    flat = np.zeros(101)
    groups = tie_groups(
        {
            "last": Estimate(None, np.full(101, np.nan)),
            "third": Estimate(0.80, 0.80 + flat),
            "noisy": Estimate(
                0.78, 0.78 + 3 * samples
            ),  # behind `second` and `third`, yet not separable from the first
            "second": Estimate(0.85, 0.85 + flat),
            "first": Estimate(0.90, 0.90 + flat),
        }
    )
    assert groups == [["first", "noisy"], ["second"], ["third"], ["last"]]


def test_equal_candidates_tie_in_the_order_of_their_names() -> None:
    estimate = Estimate(0.5, np.array([0.4, 0.6]))
    assert tie_groups({"b": estimate, "a": estimate}) == [["a", "b"]]
    assert tie_groups({}) == []


def test_the_probability_of_being_best_counts_resamples() -> None:
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 4, size=(3, 200)).astype(float)
    samples[0, :10] = np.nan
    found = probability_of_best({name: Estimate(0.0, row) for name, row in zip("abc", samples, strict=True)})
    expected = dict.fromkeys("abc", 0.0)
    for column in samples.T:
        best = [name for name, value in zip("abc", column, strict=True) if value == np.nanmax(column)]
        for name in best:
            expected[name] += 1 / len(best) / 200
    assert found == pytest.approx(expected)
