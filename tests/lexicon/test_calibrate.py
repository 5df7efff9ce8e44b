"""The ridge fit against scikit-learn, the JSON round trip, and the shipped Warriner calibration on EmoBank."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from emoloom.assets.lexicons import lexicon_path
from emoloom.errors import EmoLoomError
from emoloom.lexicon.calibrate import RIDGE, Calibration, fit_calibration, shipped_calibration
from emoloom.lexicon.norms import Lexicon
from emoloom.lexicon.reading import FEATURES, Reading, read_text

Array = npt.NDArray[np.float64]

DATA = Path(os.environ.get("EMOLOOM_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
EMOBANK = DATA / "emobank" / "emobank.csv"
WARRINER = lexicon_path("warriner")
LEXICON = Lexicon("small", {"good": (0.9, 0.5, 0.7), "bad": (0.1, 0.6, 0.3)}, 1, "f" * 64)

needs_warriner = pytest.mark.skipif(
    not EMOBANK.is_file() or WARRINER is None,
    reason="needs EmoBank in $EMOLOOM_DATA/emobank, and `emoloom fetch lexicon:warriner`",
)


def random_readings(n: int, constant: int = 9) -> tuple[list[Reading], Array]:
    """Readings with random features, one of them constant, and targets (n, 3) that depend on them."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(n, len(FEATURES))) * rng.uniform(0.1, 5.0, len(FEATURES))
    x[:, constant] = 1.0
    y = 0.5 + 0.4 * np.tanh(x @ rng.normal(size=(len(FEATURES), 3)) * 0.1 + rng.normal(size=(n, 3)) * 0.1)
    return [Reading((0.5, 0.5, 0.5), 1.0, (), tuple(row)) for row in x.tolist()], y


def fit(n: int = 200) -> Calibration:
    readings, targets = random_readings(n)
    return fit_calibration(readings, targets, lexicon=LEXICON, fitted_on="random train")


def test_equals_scikit_learn_ridge() -> None:
    readings, targets = random_readings(200)
    scaler = StandardScaler()
    x = scaler.fit_transform([reading.features for reading in readings])
    oracle = Ridge(alpha=RIDGE).fit(x, targets)
    fresh, _ = random_readings(300)
    expected = oracle.predict(scaler.transform([reading.features for reading in fresh])).clip(0, 1)
    np.testing.assert_allclose([fit().apply(reading) for reading in fresh], expected, atol=1e-12)


def test_constant_feature_has_no_weight() -> None:
    assert fit().coefficients[FEATURES[9]] == pytest.approx((0, 0, 0))


def test_result_is_clipped() -> None:
    weights = dict.fromkeys(FEATURES, (0.0, 0.0, 0.0)) | {FEATURES[0]: (10.0, -10.0, 0.5)}
    calibration = Calibration("small", "f" * 64, "train", 1, (0.5, 0.5, 0.25), weights)
    reading = Reading((0.5, 0.5, 0.5), 1.0, (), (1.0, *(0.0 for _ in FEATURES[1:])))
    assert calibration.apply(reading) == (1.0, 0.0, 0.75)


def test_records_its_origin() -> None:
    calibration = fit(50)
    assert (calibration.lexicon, calibration.lexicon_sha256) == ("small", "f" * 64)
    assert (calibration.fitted_on, calibration.n) == ("random train", 50)


def test_json_round_trip() -> None:
    assert Calibration.from_json(fit().to_json()) == fit()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"coefficients": {"valence": [1, 2]}}', "nonsense"])
def test_no_calibration(text: str) -> None:
    with pytest.raises(EmoLoomError, match=r"weights\.json: not a calibration") as caught:
        Calibration.from_json(text, where="weights.json")
    assert "fit_calibration" in caught.value.remedy


def test_calibration_for_other_features() -> None:
    fields = json.loads(fit().to_json())
    fields["coefficients"]["colour"] = fields["coefficients"].pop("coverage")
    with pytest.raises(EmoLoomError, match="other features"):
        Calibration.from_json(json.dumps(fields))


@pytest.mark.parametrize(
    ("targets", "problem"),
    [
        (np.zeros((2, 2)), r"targets of shape \(2, 2\) for 2 readings"),
        (np.zeros((3, 3)), r"targets of shape \(3, 3\) for 2 readings"),
        (np.full((2, 3), 3.0), r"outside \[0, 1\]"),
        (np.full((2, 3), np.nan), r"outside \[0, 1\]"),
    ],
)
def test_wrong_targets(targets: Array, problem: str) -> None:
    readings, _ = random_readings(2)
    with pytest.raises(EmoLoomError, match=problem):
        fit_calibration(readings, targets, lexicon=LEXICON, fitted_on="train")


def test_no_readings() -> None:
    with pytest.raises(EmoLoomError, match="for 0 readings"):
        fit_calibration([], np.zeros((0, 3)), lexicon=LEXICON, fitted_on="train")


def test_shipped_calibration_is_for_its_lexicon_only() -> None:
    assert shipped_calibration(LEXICON) is None


def emobank() -> tuple[list[str], list[str], Array]:
    """Texts, splits, and ratings (n, 3) scaled to [0, 1]."""
    with EMOBANK.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ratings = np.array([[(float(row[axis]) - 1) / 4 for axis in "VAD"] for row in rows])
    return [row["text"] for row in rows], [row["split"] for row in rows], ratings


def correlations(estimates: Array, ratings: Array) -> list[float]:
    return [float(np.corrcoef(estimates[:, axis], ratings[:, axis])[0, 1]) for axis in range(3)]


@pytest.mark.skipif(not EMOBANK.is_file(), reason="needs EmoBank in $EMOLOOM_DATA/emobank")
def test_a_two_word_lexicon_says_something_about_emobank() -> None:
    texts, splits, ratings = emobank()
    train, test = (np.array([s == name for s in splits]) for name in ("train", "test"))
    readings = [read_text(text, LEXICON) for text in texts]
    chosen = [reading for reading, used in zip(readings, train, strict=True) if used]
    calibration = fit_calibration(chosen, ratings[train], lexicon=LEXICON, fitted_on="emobank train")
    estimates = np.array([calibration.apply(reading) for reading in readings])
    assert all(r > 0.1 for r in correlations(estimates[test], ratings[test]))


@needs_warriner
def test_warriner_on_emobank() -> None:
    assert WARRINER is not None
    lexicon = Lexicon.read(WARRINER, name="warriner")
    texts, splits, ratings = emobank()
    readings = [read_text(text, lexicon) for text in texts]
    shipped = shipped_calibration(lexicon)
    assert shipped is not None
    estimates = np.array([shipped.apply(reading) for reading in readings])
    v, a, d = correlations(estimates, ratings)
    assert (v > 0.59, a > 0.47, d > 0.28) == (True, True, True)

    train = [i for i, split in enumerate(splits) if split == "train"]
    chosen = [readings[i] for i in train]
    fitted = fit_calibration(chosen, ratings[train], lexicon=lexicon, fitted_on="emobank train")
    assert (fitted.n, fitted.fitted_on) == (shipped.n, shipped.fitted_on)
    np.testing.assert_allclose(
        list(fitted.coefficients.values()), list(shipped.coefficients.values()), rtol=1e-6, atol=1e-9
    )
