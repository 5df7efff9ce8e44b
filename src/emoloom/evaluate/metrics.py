"""Label and VAD metrics over many weightings of the same records at once.

``weights`` (R, n) says how often each of the n records counts in each of R resamples (all ones: the sample itself), so that
a whole bootstrap is a few matrix products. What is undefined is NaN here; :mod:`emoloom.evaluate.score` turns it into None.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int_]

ROUNDING = 1e-12
"""A variance of values in [0, 1] that is no larger counts as zero."""


def multi_hot(sets: Sequence[Collection[str]], labels: Sequence[str]) -> Bools:
    """(n, k): which of the k ``labels`` each of n sets has."""
    return np.array([[label in chosen for label in labels] for chosen in sets], dtype=np.bool_).reshape(
        len(sets), len(labels)
    )


@dataclass(frozen=True)
class LabelCounts:
    """Per resample and label, (R, k): true positives, gold positives and predicted positives; ``n`` (R,) records."""

    hits: Floats
    gold: Floats
    predicted: Floats
    n: Floats

    @property
    def precision(self) -> Floats:
        """(R, k); 0 for a label that was never predicted."""
        return _ratio(self.hits, self.predicted, 0.0)

    @property
    def recall(self) -> Floats:
        """(R, k); 0 for a label without gold support."""
        return _ratio(self.hits, self.gold, 0.0)

    @property
    def f1(self) -> Floats:
        """(R, k); 0 for a label that is neither in gold nor predicted."""
        return _ratio(2 * self.hits, self.gold + self.predicted, 0.0)

    @property
    def macro_f1(self) -> Floats:
        """Mean F1 over the labels with gold support, (R,); NaN where none has any.

        A resample averages over the labels that it holds: counting a rare one that was not drawn as 0 would lower all
        resamples against the sample, down to intervals that lie below their own figure.
        """
        return self._macro(self.f1)

    @property
    def macro_recall(self) -> Floats:
        """Mean recall over the labels with gold support, (R,); NaN where none has any."""
        return self._macro(self.recall)

    def micro_f1(self, scored: Bools) -> Floats:
        """F1 of all decisions on the labels that ``scored`` (k,) selects, (R,); NaN without records."""
        hits, total = self.hits[:, scored].sum(axis=1), (self.gold + self.predicted)[:, scored].sum(axis=1)
        return np.where(self.n > 0, _ratio(2 * hits, total, 0.0), np.nan)

    def _macro(self, values: Floats) -> Floats:
        supported = self.gold > 0
        return _ratio((values * supported).sum(axis=1), supported.sum(axis=1), np.nan)


def label_counts(gold: Bools, predicted: Bools, weights: Floats) -> LabelCounts:
    """Counts for ``gold`` and ``predicted`` (n, k) under ``weights`` (R, n)."""
    columns = np.hstack([gold & predicted, gold, predicted]).astype(np.float64)
    hits, golds, predictions = np.split(weights @ columns, 3, axis=1)
    return LabelCounts(hits, golds, predictions, weights.sum(axis=1))


@dataclass(frozen=True)
class VadMoments:
    """Population moments per resample and axis, (R, 3); the error is NaN, the others 0, in a resample without records."""

    squared_error: Floats
    gold_variance: Floats
    predicted_variance: Floats
    covariance: Floats

    @property
    def one_minus_rmse(self) -> Floats:
        """1 - RMSE per axis, (R, 3)."""
        return 1 - np.sqrt(self.squared_error)

    @property
    def pooled_one_minus_rmse(self) -> Floats:
        """1 - RMSE over the values of all three axes, (R,)."""
        return 1 - np.sqrt(_mean(self.squared_error))

    @property
    def skill(self) -> Floats:
        """1 - RMSE / RMSE of the best constant, which is the mean of gold, per axis, (R, 3); NaN where gold is constant."""
        return _skill(self.squared_error, self.gold_variance)

    @property
    def pooled_skill(self) -> Floats:
        """:attr:`skill` with both errors taken over the values of all three axes, (R,)."""
        return _skill(_mean(self.squared_error), _mean(self.gold_variance))

    @property
    def pearson(self) -> Floats:
        """Pearson's r per axis, (R, 3); NaN where gold or the predictions are constant."""
        scale = np.sqrt(self.gold_variance * self.predicted_variance)
        return np.clip(_ratio(self.covariance, scale, np.nan), -1.0, 1.0)

    @property
    def ccc(self) -> Floats:
        """Lin's (1989) concordance per axis, (R, 3); 0 where one side is constant, NaN where both are."""
        # The textbook's denominator: E(x-y)^2 = var x + var y + (mean x - mean y)^2 - 2 cov.
        denominator = self.squared_error + 2 * self.covariance
        varies = self.gold_variance + self.predicted_variance > 0
        return _ratio(2 * self.covariance, np.where(varies, denominator, 0.0), np.nan)

    @property
    def floored_ccc(self) -> Floats:
        """Mean over the axes of :attr:`ccc`, each at least 0, (R,); NaN where that of an axis is."""
        return _mean(np.maximum(self.ccc, 0.0))


def vad_moments(gold: Floats, predicted: Floats, weights: Floats) -> VadMoments:
    """Moments of ``gold`` and ``predicted`` (n, 3), with n > 0 and values in [0, 1], under ``weights`` (R, n)."""
    # Centred on the whole sample, the squares of the means that are taken off below are small: nothing cancels.
    x, y = gold - gold.mean(axis=0), predicted - predicted.mean(axis=0)
    columns = np.hstack([(gold - predicted) ** 2, x, y, x * x, y * y, x * y])
    means = _ratio(weights @ columns, weights.sum(axis=1, keepdims=True), np.nan)
    squared_error, mean_x, mean_y, xx, yy, xy = np.split(means, 6, axis=1)
    var_x, var_y = xx - mean_x**2, yy - mean_y**2
    x_varies, y_varies = var_x > ROUNDING, var_y > ROUNDING
    return VadMoments(
        squared_error,
        np.where(x_varies, var_x, 0.0),
        np.where(y_varies, var_y, 0.0),
        np.where(x_varies & y_varies, xy - mean_x * mean_y, 0.0),
    )


def _skill(squared_error: Floats, variance: Floats) -> Floats:
    return 1 - np.sqrt(_ratio(squared_error, variance, np.nan))


def _mean(values: Floats) -> Floats:
    """Mean over the axes, (R,), of values (R, 3)."""
    mean: Floats = values.mean(axis=1)
    return mean


def _ratio(numerator: Floats, denominator: Floats, otherwise: float) -> Floats:
    """The quotient, and ``otherwise`` where the denominator is not above zero."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    quotient: Floats = np.divide(numerator, denominator, out=np.full(shape, otherwise), where=denominator > 0)
    return quotient
