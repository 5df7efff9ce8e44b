"""Heads in closed form, against formulas written out, left-out refits and what can be known of the data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from emoloom.evaluate.metrics import Floats
from emoloom.model.heads import LinearHeads
from emoloom.screen.readouts.refit import fit_heads

RNG = np.random.default_rng(0)
N, SIZE, LABELS = 240, 12, 4
TRUTH = RNG.normal(size=(SIZE, LABELS + 3))


def draw(n: int) -> tuple[Floats, Floats, Floats]:
    """States of some arbitrary scale and mean, labels and VAD that hang on them."""
    states = RNG.normal(size=(n, SIZE))
    signal = states @ TRUTH
    labels = (signal[:, :LABELS] + RNG.normal(size=(n, LABELS)) > 2.0).astype(np.float64)
    return 40.0 * states + 9.0, labels, 1 / (1 + np.exp(-0.2 * signal[:, LABELS:]))


STATES, HOT, VAD = draw(N)
TRUST = np.ones(N)


def fit(states: Floats, labels: Floats, vad: Floats, weight: Floats) -> LinearHeads:
    """Heads on the states of a single layer."""
    return fit_heads(states[:, None], labels, vad, weight)[1]


def read(heads: LinearHeads, states: Floats) -> tuple[Floats, Floats]:
    logits, vad = heads(torch.from_numpy(states).float())
    return logits.detach().double().numpy(), vad.detach().double().numpy()


def normal(states: Floats) -> Floats:
    centred = states - states.mean(axis=1, keepdims=True)
    found: Floats = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True))
    return found


def ridge(features: Floats, targets: Floats, penalty: float, asked: Floats) -> Floats:
    """The penalised normal equations, with the intercept left alone."""
    mean = features.mean(axis=0)
    centred = features - mean
    slope = np.linalg.solve(centred.T @ centred + penalty * np.eye(SIZE), centred.T @ (targets - targets.mean(axis=0)))
    found: Floats = (asked - mean) @ slope + targets.mean(axis=0)
    return found


def test_log_odds_are_the_scaled_ridge_prediction() -> None:
    features = normal(STATES)
    penalty = 100 * float(features.var(axis=0).mean())
    fresh, *_ = draw(50)
    left_out = np.array(
        [ridge(np.delete(features, i, 0), np.delete(HOT, i, 0), penalty, features[i : i + 1])[0] for i in range(N)]
    )
    platt = LogisticRegression().fit(left_out.reshape(-1, 1), HOT.ravel())
    expected = ridge(features, HOT, penalty, normal(fresh)) * platt.coef_[0, 0] + platt.intercept_[0]
    found, _ = read(fit(STATES, HOT, VAD, TRUST), fresh)
    # A record left out moves the mean that the shortcut keeps: a little more than rounding.
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_they_find_what_is_there_and_call_it_as_often_as_it_is() -> None:
    heads = fit(STATES, HOT, VAD, TRUST)
    states, labels, vad = draw(2000)
    log_odds, predicted = read(heads, states)
    probabilities = 1 / (1 + np.exp(-log_odds))
    assert min(roc_auc_score(labels[:, k], log_odds[:, k]) for k in range(LABELS)) > 0.85
    assert probabilities.mean() == pytest.approx(labels.mean(), abs=0.03)
    assert min(np.corrcoef(vad[:, k], predicted[:, k])[0, 1] for k in range(3)) > 0.8
    assert vad.mean(axis=0) == pytest.approx(predicted.mean(axis=0), abs=0.02)


def test_what_is_not_trusted_does_not_count() -> None:
    trust = np.repeat([1.0, 0.0], N // 2)
    wild = VAD.copy()
    wild[N // 2 :] = 1 - wild[N // 2 :]
    once, *_ = draw(1)
    _, with_wild = read(fit(STATES, HOT, wild, trust), once)
    _, without = read(fit(STATES, HOT, VAD, trust), once)
    np.testing.assert_array_equal(with_wild, without)
    _, nothing = read(fit(STATES, HOT, VAD, np.zeros(N)), once)
    np.testing.assert_array_equal(nothing, 0.5)


@pytest.mark.parametrize(
    "labels", [np.zeros((3, LABELS)), np.ones((3, LABELS)), np.eye(LABELS)[:3], np.eye(LABELS)[[1, 1, 1]]]
)
def test_few_alike_and_one_record_are_no_error(labels: Floats) -> None:
    for n in (1, 2, 3):
        for states in (STATES[:n], np.repeat(STATES[:1], n, axis=0)):
            logits, vad = read(fit(states, labels[:n], VAD[:n], TRUST[:n]), STATES)
            assert np.isfinite(logits).all()
            assert np.isfinite(vad).all()
            assert ((vad >= 0) & (vad <= 1)).all()


def test_the_ends_of_the_range_are_finite() -> None:
    _, vad = read(fit(STATES, HOT, (VAD > 0.5).astype(np.float64), TRUST), STATES)
    assert 0.5 < vad.max() < 1


def test_the_lowest_of_the_layers_that_are_as_good_as_the_best_is_read() -> None:
    noise = RNG.normal(size=STATES.shape) * STATES.std()
    drowned, blurred = STATES + 3 * noise, STATES + noise / 50
    for layers, expected in (([drowned, blurred, STATES], 1), ([drowned, STATES, blurred], 1), ([STATES, drowned], 0)):
        chosen, heads = fit_heads(np.stack(layers, axis=1), HOT, VAD, TRUST)
        assert chosen == expected
        alone = fit(layers[expected], HOT, VAD, TRUST)
        assert all(torch.equal(a, b) for a, b in zip(heads.parameters(), alone.parameters(), strict=True))
