"""Label metrics against scikit-learn, VAD metrics against scipy and the textbook, on weighted random and degenerate data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import f1_score, precision_recall_fscore_support, r2_score, recall_score, root_mean_squared_error

from emoloom.evaluate.metrics import Bools, Floats, label_counts, vad_moments

Columns = npt.NDArray[np.float64]


@st.composite
def label_cases(draw: st.DrawFn) -> tuple[Bools, Bools, npt.NDArray[np.int64]]:
    n, k = draw(st.integers(1, 20)), draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    gold, predicted = rng.random((2, n, k)) < draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    return gold, predicted & (rng.random((n, k)) < 0.8), rng.integers(0, 4, n) + np.eye(n, dtype=int)[0]


@given(label_cases())
@settings(deadline=None)
def test_label_metrics_equal_scikit_learn_on_the_repeated_records(
    case: tuple[Bools, Bools, npt.NDArray[np.int64]],
) -> None:
    gold, predicted, weights = case
    counts = label_counts(gold, predicted, weights[None].astype(float))
    y, p = np.repeat(gold, weights, axis=0), np.repeat(predicted, weights, axis=0)
    precision, recall, f1, support = precision_recall_fscore_support(y, p, zero_division=0)

    np.testing.assert_array_equal(counts.gold[0], support)
    np.testing.assert_allclose(counts.precision[0], precision, atol=1e-12)
    np.testing.assert_allclose(counts.recall[0], recall, atol=1e-12)
    np.testing.assert_allclose(counts.f1[0], f1, atol=1e-12)
    micro = f1_score(y, p, average="micro", zero_division=0)
    np.testing.assert_allclose(counts.micro_f1(np.ones(gold.shape[1], dtype=np.bool_)), micro, atol=1e-12)
    if support.any():
        options = {"labels": np.flatnonzero(support), "average": "macro", "zero_division": 0}
        expected_f1, expected_recall = float(f1_score(y, p, **options)), float(recall_score(y, p, **options))
        assert counts.macro_f1[0] == pytest.approx(expected_f1, abs=1e-12)
        assert counts.macro_recall[0] == pytest.approx(expected_recall, abs=1e-12)
    else:
        assert np.isnan(counts.macro_f1).all()


def test_a_resample_without_records_has_no_label_metrics() -> None:
    gold = np.array([[True, False]])
    counts = label_counts(gold, gold, np.array([[0.0], [2.0]]))
    for values in (counts.macro_f1, counts.macro_recall, counts.micro_f1(gold[0])):
        np.testing.assert_array_equal(values, [np.nan, 1.0])


def textbook_ccc(x: Columns, y: Columns) -> float:
    """Lin (1989), with population moments."""
    covariance = ((x - x.mean()) * (y - y.mean())).mean()
    return float(2 * covariance / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))


@pytest.mark.parametrize("seed", range(20))
def test_vad_metrics_equal_scipy_and_the_textbook_on_the_repeated_records(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 200))
    gold = rng.random((n, 3))
    predicted = np.clip(0.6 * gold + 0.4 * rng.random((n, 3)), 0, 1).round(2)
    weights = rng.integers(0, 4, (5, n)) + (np.arange(n) < 3)
    moments = vad_moments(gold, predicted, weights.astype(float))
    for row, weight in enumerate(weights):
        x, y = np.repeat(gold, weight, axis=0), np.repeat(predicted, weight, axis=0)
        for axis in range(3):
            a, b = x[:, axis], y[:, axis]
            expected = {
                "one_minus_rmse": 1 - root_mean_squared_error(a, b),
                "skill": 1 - np.sqrt(1 - r2_score(a, b)),
                "pearson": pearsonr(a, b).statistic,
                "ccc": textbook_ccc(a, b),
            }
            for name, value in expected.items():
                assert getattr(moments, name)[row, axis] == pytest.approx(value, abs=1e-12), name
        error = root_mean_squared_error(x.ravel(), y.ravel())
        constant = np.broadcast_to(x.mean(axis=0), x.shape)
        assert moments.pooled_one_minus_rmse[row] == pytest.approx(1 - error, abs=1e-12)
        skill = 1 - error / root_mean_squared_error(x.ravel(), constant.ravel())
        assert moments.pooled_skill[row] == pytest.approx(skill, abs=1e-12)
        mean = np.mean([max(0.0, textbook_ccc(x[:, i], y[:, i])) for i in range(3)])
        assert moments.floored_ccc[row] == pytest.approx(mean, abs=1e-12)


GRID = st.integers(0, 20).map(lambda i: i / 20)


@given(st.lists(st.tuples(GRID, GRID), min_size=1, max_size=12), st.lists(st.integers(1, 3), min_size=12, max_size=12))
@settings(deadline=None)
def test_vad_metrics_are_right_or_undefined_on_any_small_sample(
    pairs: list[tuple[float, float]], repeats: list[int]
) -> None:
    x, y = np.array(pairs).T
    weights = np.array(repeats[: len(x)])
    gold, predicted = (np.repeat(column[:, None], 3, axis=1) for column in (x, y))
    moments = vad_moments(gold, predicted, weights[None].astype(float))
    x, y = np.repeat(x, weights), np.repeat(y, weights)
    x_varies, y_varies = np.ptp(x) > 0, np.ptp(y) > 0
    expected_r = pearsonr(x, y).statistic if x_varies and y_varies else np.nan
    expected_ccc = textbook_ccc(x, y) if x_varies and y_varies else 0.0 if x_varies or y_varies else np.nan
    expected_skill = 1 - np.sqrt(((x - y) ** 2).mean()) / x.std() if x_varies else np.nan
    np.testing.assert_allclose(moments.pearson[0], expected_r, atol=1e-10)
    np.testing.assert_allclose(moments.ccc[0], expected_ccc, atol=1e-10)
    np.testing.assert_allclose(moments.skill[0], expected_skill, atol=1e-10)
    np.testing.assert_allclose(moments.pooled_skill[0], expected_skill, atol=1e-10)


def test_constant_predictions_have_no_skill_a_ccc_of_exactly_zero_and_no_r() -> None:
    gold = np.random.default_rng(0).random((50, 3))
    constant = np.broadcast_to(gold.mean(axis=0), gold.shape)
    moments = vad_moments(gold, constant, np.ones((1, 50)))
    np.testing.assert_allclose(moments.skill, 0.0, atol=1e-12)
    np.testing.assert_array_equal(moments.ccc, 0.0)
    assert np.isnan(moments.pearson).all()


def test_a_resample_without_records_has_no_vad_metrics() -> None:
    gold: Floats = np.array([[0.1, 0.2, 0.3], [0.4, 0.1, 0.9]])
    moments = vad_moments(gold, gold, np.array([[0.0, 0.0], [1.0, 1.0]]))
    for name in ("pooled_one_minus_rmse", "pooled_skill", "floored_ccc"):
        np.testing.assert_allclose(getattr(moments, name), [np.nan, 1.0], err_msg=name)
    assert np.isnan(moments.pearson[0]).all()
