"""The calibration error against a loop over bins and records."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoloom.contract.parse import Failure
from emoloom.contract.record import Record
from emoloom.evaluate.calibration import BINS, expected_calibration_error
from emoloom.evaluate.score import score


def looped(probabilities: list[list[float]], gold: list[list[bool]], weights: list[float]) -> float:
    """Record by record and label by label."""
    total = 0.0
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        claimed = happened = 0.0
        for row, truth, weight in zip(probabilities, gold, weights, strict=True):
            for p, y in zip(row, truth, strict=True):
                if low <= p < high or (p == 1.0 and number == BINS - 1):
                    claimed, happened = claimed + weight * p, happened + weight * y
        total += abs(claimed - happened)
    return total / (sum(weights) * len(gold[0]))


@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 5))
def test_it_is_the_loop(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    # Sixteenths lie on no edge of a bin but 0 and 1, where rounding could decide.
    probabilities, gold = rng.integers(0, 17, (n, k)) / 16, rng.random((n, k)) < 0.4
    weights = rng.integers(0, 4, (3, n)).astype(float)
    weights[:, 0] += 1
    found = expected_calibration_error(probabilities, gold, weights)
    expected = [looped(probabilities.tolist(), gold.tolist(), row.tolist()) for row in weights]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_frequencies_that_are_claimed_are_no_error() -> None:
    gold = np.array([[True], [False], [False], [False]])
    ones = np.ones((1, 4))
    assert expected_calibration_error(np.full((4, 1), 0.25), gold, ones).tolist() == [0.0]
    assert expected_calibration_error(np.full((4, 1), 0.75), gold, ones).tolist() == [0.5]


def test_only_records_of_the_label_space_count() -> None:
    def record(n: int, taxonomy: str, label: str) -> Record:
        return Record(id=str(n), text="x", labels=(label,), taxonomy=taxonomy, corpus="c", split="test")

    outcomes = [Failure("no_json")] * 2
    probabilities = np.zeros((2, 28))
    known = [record(0, "goemotions", "joy"), record(1, "goemotions", "anger")]
    found = score(outcomes, known, constant=(0.5, 0.5, 0.5), probabilities=probabilities, resamples=10)
    assert found.metrics["ece"] == pytest.approx(1 / 28)
    other = [record(0, "dailydialog", "anger"), record(1, "dailydialog", "fear")]
    found = score(outcomes, other, constant=(0.5, 0.5, 0.5), probabilities=probabilities, resamples=10)
    assert "ece" not in found.metrics
    assert "ece" not in score(outcomes, known, constant=(0.5, 0.5, 0.5), resamples=10).metrics
