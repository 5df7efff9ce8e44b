"""Ridge regression from a lexicon reading to the scale on which readers rate sentences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources

import numpy as np
import numpy.typing as npt

from emoloom.errors import EmoLoomError
from emoloom.lexicon.norms import Lexicon, Vad
from emoloom.lexicon.reading import FEATURES, Reading

RIDGE = 100.0
"""Penalty on the squared coefficients of the standardised features."""

_REFIT = "Fit it again with fit_calibration(readings, targets, lexicon=..., fitted_on=...)."


@dataclass(frozen=True)
class Calibration:
    """A linear map from :attr:`Reading.features` to (v, a, d).

    Attributes:
        lexicon: name of the lexicon of the readings.
        lexicon_sha256: hex digest of that lexicon's file.
        fitted_on: the corpus and split of the readings.
        n: number of readings.
        intercept: one number per axis.
        coefficients: feature name to its weight on each axis, for features as they stand in the reading.
    """

    lexicon: str
    lexicon_sha256: str
    fitted_on: str
    n: int
    intercept: Vad
    coefficients: dict[str, Vad]

    def apply(self, reading: Reading) -> Vad:
        """The calibrated (v, a, d), each clipped to [0, 1]; on EmoBank's scale x of 1..5 that is (x - 1) / 4."""
        weights = self.coefficients.values()
        v, a, d = (
            min(1.0, max(0.0, start + sum(x * w[axis] for x, w in zip(reading.features, weights, strict=True))))
            for axis, start in enumerate(self.intercept)
        )
        return v, a, d

    def to_json(self) -> str:
        """One JSON object with the attributes as keys."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, *, where: str = "calibration") -> Calibration:
        """Reads what :meth:`to_json` wrote.

        Raises:
            EmoLoomError: `text` is no such object, or its features are not those of this version's readings.
        """
        try:
            fields = json.loads(text)
            coefficients = {str(name): _vad(weights) for name, weights in fields["coefficients"].items()}
            name, digest, fitted_on = (str(fields[key]) for key in ("lexicon", "lexicon_sha256", "fitted_on"))
            calibration = cls(name, digest, fitted_on, int(fields["n"]), _vad(fields["intercept"]), coefficients)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise EmoLoomError(f"not a calibration: {error!r}", where=where, remedy=_REFIT) from error
        if tuple(coefficients) != FEATURES:
            raise EmoLoomError("the calibration is for other features", where=where, remedy=_REFIT)
        return calibration


def fit_calibration(
    readings: Sequence[Reading], targets: npt.ArrayLike, *, lexicon: Lexicon, fitted_on: str
) -> Calibration:
    """Fits one ridge regression per axis; the intercept is not penalised.

    Args:
        readings: n readings of the training texts.
        targets: their ratings, shape (n, 3), in [0, 1].
        lexicon: what the texts were read with.
        fitted_on: the corpus and split, for the record.

    Raises:
        EmoLoomError: there are no readings, or the targets have another shape or leave [0, 1].
    """
    y = np.asarray(targets, dtype=np.float64)
    if not readings or y.shape != (len(readings), 3):
        raise EmoLoomError(f"targets of shape {y.shape} for {len(readings)} readings", remedy="Give (n, 3) with n > 0.")
    if not ((y >= 0) & (y <= 1)).all():
        raise EmoLoomError("targets outside [0, 1]", remedy="Scale EmoBank's ratings with (x - 1) / 4.")
    weights, intercept = _ridge(np.array([reading.features for reading in readings]), y)
    coefficients = {name: _vad(row) for name, row in zip(FEATURES, weights.tolist(), strict=True)}
    return Calibration(lexicon.name, lexicon.sha256, fitted_on, len(readings), _vad(intercept.tolist()), coefficients)


def shipped_calibration(lexicon: Lexicon) -> Calibration | None:
    """The calibration that comes with EmoLoom, when it was fitted for exactly this lexicon file."""
    text = resources.files("emoloom.lexicon").joinpath("warriner_calibration.json").read_text(encoding="utf-8")
    calibration = Calibration.from_json(text)
    return calibration if calibration.lexicon_sha256 == lexicon.sha256 else None


def _ridge(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weights (features, 3) and intercept (3,) for x (n, features) and y (n, 3); features are standardised to fit."""
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread == 0] = 1.0
    z = (x - mean) / spread
    gram = z.T @ z + RIDGE * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, z.T @ (y - y.mean(axis=0))) / spread[:, None]
    return weights, y.mean(axis=0) - mean @ weights


def _vad(values: Sequence[float]) -> Vad:
    v, a, d = (float(value) for value in values)
    return v, a, d
