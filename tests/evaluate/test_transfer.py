"""Scores of frozen features against their definitions, written out with other tools."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from emoloom.evaluate.metrics import Floats
from emoloom.evaluate.transfer import _PENALTIES, evidence_gains, factors, h_scores, ridge_loo

SHAPES = [(40, 5), (40, 39), (40, 40), (25, 90), (6, 30), (30, 1)]


def features_of(n: int, d: int, seed: int = 0) -> Floats:
    """Correlated columns of very different scale and mean."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    features: Floats = mixed * 10.0 ** rng.integers(-3, 4, size=d) + rng.normal(size=d)
    return features


def labels_of(features: Floats, seed: int = 0) -> Floats:
    """Three labels: one that the features tell, one that they hint at, and noise; both values of each occur."""
    rng = np.random.default_rng(seed)
    standard = StandardScaler().fit_transform(features)
    told = standard @ rng.normal(size=standard.shape[1]) / math.sqrt(standard.shape[1])
    scores = np.column_stack([told, told + rng.normal(size=len(told)), rng.normal(size=len(told))])
    labels: Floats = (scores > np.quantile(scores, 0.6, axis=0)).astype(np.float64)
    return labels


def vad_of(features: Floats) -> Floats:
    rng = np.random.default_rng(1)
    vad: Floats = 0.5 + 0.1 * labels_of(features) + rng.normal(0, 0.1, (len(features), 3))
    return vad.clip(0, 1)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_the_shrinkage_is_that_of_ledoit_and_wolf(n: int, d: int) -> None:
    features = features_of(n, d)
    standard = StandardScaler().fit_transform(features)
    assert factors(features).shrinkage == pytest.approx(LedoitWolf().fit(standard).shrinkage_, abs=1e-9)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_the_h_score_is_its_definition(n: int, d: int) -> None:
    features = features_of(n, d)
    labels = labels_of(features)
    standard = StandardScaler().fit_transform(features)
    fitted = LedoitWolf().fit(standard)
    for label, found in zip(labels.T, h_scores(factors(features), labels), strict=True):
        conditional = np.empty_like(standard)
        for value in (0, 1):
            conditional[label == value] = standard[label == value].mean(axis=0)
        between = np.cov(conditional, rowvar=False, bias=True).reshape(d, d)
        expected = (1 - fitted.shrinkage_) * np.trace(np.linalg.solve(fitted.covariance_, between))
        assert found == pytest.approx(expected, rel=1e-6)


def log_evidence(standard: Floats, target: Floats, alpha: float, beta: float) -> float:
    """Density of the target's part orthogonal to the constant, per direction."""
    others = scipy.linalg.null_space(np.ones((1, len(target))))
    x, y = others.T @ standard, others.T @ target
    covariance = np.eye(len(y)) / beta + x @ x.T / alpha
    return float(scipy.stats.multivariate_normal(cov=covariance, allow_singular=False).logpdf(y)) / len(y)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_the_evidence_is_the_largest_that_any_precisions_reach(n: int, d: int) -> None:
    features = features_of(n, d)
    labels = labels_of(features)
    standard = StandardScaler().fit_transform(features)
    for label, found in zip(labels.T, evidence_gains(factors(features), labels), strict=True):
        constant = -0.5 * (1 + math.log(2 * math.pi * ((label - label.mean()) ** 2).sum() / (n - 1)))

        def lost(logs: Floats, label: Floats = label) -> float:
            return -log_evidence(standard, label, *np.exp(logs))

        # Beyond these the covariance is singular to working precision.
        bounds = [(-9.0, 20.0), (-5.0, 12.0)]
        starts = [(a, b) for a in (-2.0, 2.0, 6.0) for b in (1.0, 4.0)]
        best = min(scipy.optimize.minimize(lost, start, bounds=bounds).fun for start in starts)
        assert found == pytest.approx(-best - constant, abs=2e-3)
        assert found >= 0


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_the_left_out_predictions_are_those_of_ridge_without_the_record(n: int, d: int) -> None:
    features = features_of(n, d)
    vad = vad_of(features)
    of = factors(features)
    standard = StandardScaler().fit_transform(features)
    # Every fifth penalty, each tried in a loop over the records.
    chosen = list(range(0, len(_PENALTIES), 5))
    looped = np.empty((len(chosen), n, 3))
    for row, at in enumerate(chosen):
        model = Ridge(alpha=_PENALTIES[at] * of.squares.max(), solver="svd")
        for i in range(n):
            rest = np.arange(n) != i
            looped[row, i] = model.fit(standard[rest], vad[rest]).predict(standard[i : i + 1])[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emoloom.evaluate.transfer._PENALTIES", _PENALTIES[chosen])
        found = ridge_loo(of, vad)
    errors = ((looped - vad) ** 2).sum(axis=1)
    for axis in range(3):
        np.testing.assert_allclose(found[:, axis], looped[errors[:, axis].argmin(), :, axis], atol=1e-6)


def test_more_penalties_never_predict_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    features = features_of(40, 30)
    vad = vad_of(features)
    whole = ((ridge_loo(factors(features), vad) - vad) ** 2).sum(axis=0)
    monkeypatch.setattr("emoloom.evaluate.transfer._PENALTIES", _PENALTIES[::10])
    assert (whole <= ((ridge_loo(factors(features), vad) - vad) ** 2).sum(axis=0) + 1e-12).all()


@given(st.integers(2, 12), st.integers(1, 15), st.integers(0, 10**6))
def test_scores_are_bounded_and_know_nothing_of_scale(n: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = features_of(n, d, seed)
    targets = rng.integers(0, 2, size=(n, 4)).astype(float)
    scale = 10.0 ** rng.uniform(-3, 3, size=d)
    plain, moved = factors(features), factors((features + rng.normal(size=d)) * scale)
    for score in (h_scores, evidence_gains):
        found = score(plain, targets)
        assert np.isfinite(found).all()
        assert (found >= 0).all()
        np.testing.assert_allclose(score(moved, targets), found, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(score(plain, 1 - targets), found, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(score(plain, 0.1 * targets + 0.3), found, rtol=1e-6, atol=1e-9)
        assert (found[targets.std(axis=0) == 0] == 0).all()
    assert (h_scores(plain, targets) <= 1 + 1e-9).all()
    assert np.isfinite(ridge_loo(plain, targets)).all()


def test_a_planted_direction_is_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 50))
    targets = np.column_stack([features[:, 0] > 0.5, rng.random(400) < 0.3]).astype(float)
    of = factors(features)
    assert evidence_gains(of, targets)[0] > 0.2
    assert evidence_gains(of, targets)[1] < 0.005


def test_noise_has_an_h_score_and_no_evidence_where_columns_are_many() -> None:
    features = features_of(60, 50)
    noise = np.random.default_rng(5).integers(0, 2, size=(60, 20)).astype(float)
    assert h_scores(factors(features), noise).mean() > 0.2
    assert evidence_gains(factors(features), noise).mean() < 0.02


def test_evidence_falls_when_the_features_are_blurred() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 40))
    target = (features[:, :2].sum(axis=1, keepdims=True) > 0).astype(float)
    noise = rng.normal(size=features.shape)
    found = [evidence_gains(factors(features + level * noise), target)[0] for level in (0, 0.5, 1, 2)]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 4


@pytest.mark.parametrize("value", [0.0, 1.0, 1e8, -3e-9])
def test_constant_columns_say_nothing(value: float) -> None:
    features = features_of(20, 6)
    labels = labels_of(features)
    padded = np.column_stack([np.full(20, value), features, np.full((20, 3), value)]).astype(np.float32)
    plain, wider = factors(features.astype(np.float32)), factors(padded)
    assert wider.width == plain.width == 6
    np.testing.assert_allclose(h_scores(wider, labels), h_scores(plain, labels))
    np.testing.assert_allclose(evidence_gains(wider, labels), evidence_gains(plain, labels))
    nothing = factors(np.full((20, 4), value, dtype=np.float32))
    assert (nothing.width, nothing.squares.shape, nothing.shrinkage) == (0, (0,), 1.0)
    assert h_scores(nothing, labels).tolist() == [0, 0, 0]
    assert evidence_gains(nothing, labels).tolist() == [0, 0, 0]
    for i in range(20):
        np.testing.assert_allclose(ridge_loo(nothing, labels)[i], np.delete(labels, i, axis=0).mean(axis=0))


def test_a_target_that_the_features_determine_has_a_finite_score() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(30, 3))
    targets = np.column_stack([features[:, 0], features @ [1.0, 2.0, 3.0], np.zeros(30)])
    gains = evidence_gains(factors(features), targets)
    assert np.isfinite(gains).all()
    assert gains[0] > 3
    assert gains[2] == 0
    np.testing.assert_allclose(ridge_loo(factors(features), targets), targets, atol=1e-4)


def test_repeated_columns_and_records_are_no_trouble() -> None:
    features = features_of(12, 4)
    doubled = np.vstack([np.hstack([features, features])] * 2)
    labels = np.vstack([labels_of(features)] * 2)
    of = factors(doubled)
    assert len(of.squares) == 4
    for found in (h_scores(of, labels), evidence_gains(of, labels), ridge_loo(of, labels)):
        assert np.isfinite(found).all()


def test_two_records_are_enough() -> None:
    of = factors(np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 1.0]]))
    targets = np.array([[0.0, 1.0], [1.0, 1.0]])
    for found in (h_scores(of, targets), evidence_gains(of, targets), ridge_loo(of, targets)):
        assert np.isfinite(found).all()
