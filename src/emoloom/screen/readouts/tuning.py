"""What the ``scored`` readout owes to held-out records: a threshold for each label, tuned for F1 and shrunk where examples are
few, and the spread of VAD."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import precision_recall_curve

from emoloom.evaluate.metrics import Bools, Floats

SHRINKAGE = 5.0
"""How many positive examples the threshold shared by all labels is worth against a label's own."""
_STILL = 1e-6
"""A spread that is rounding."""
FLOOR = -3.0
"""Log-odds below which no threshold is sought: a label that is absent from a fold's training records has none."""


def tune_thresholds(log_odds: Floats, gold: Bools) -> Floats:
    """Thresholds (k,) on log-odds (n, k) for labels ``gold`` (n, k); infinite for a label without positives.

    A label's own threshold is the one of highest F1. Few positives make that a lottery, so it is drawn towards the mean of
    all own thresholds, weighted by support, as if by :data:`SHRINKAGE` more positives.
    """
    support = gold.sum(axis=0)
    own = np.zeros(len(support))
    for i in np.flatnonzero(gold.any(axis=0) & ~gold.all(axis=0)):
        own[i] = _best_threshold(log_odds[:, i], gold[:, i])
    shared = np.average(own, weights=support)
    shrunk = (support * own + SHRINKAGE * shared) / (support + SHRINKAGE)
    return np.where(support > 0, shrunk, np.inf)


def _best_threshold(log_odds: Floats, gold: Bools) -> float:
    """The threshold of highest F1 (of equals the lowest), half-way to the next lower score; some ``gold`` is true."""
    precision, recall, cuts = precision_recall_curve(gold, np.maximum(log_odds, FLOOR))
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(np.float64).tiny)
    best = int(f1[:-1].argmax())
    return float((cuts[best] + cuts[max(best - 1, 0)]) / 2)


def choose(log_odds: Floats, thresholds: Floats) -> Bools:
    """Which labels (n, k) reach their thresholds (k,); the one of highest log-odds (n, k) where none does."""
    chosen = log_odds >= thresholds
    chosen[np.arange(len(chosen)), log_odds.argmax(axis=1)] |= ~chosen.any(axis=1)
    return chosen


def tune_spread(predicted: Floats, gold: Floats) -> tuple[Floats, Floats]:
    r"""Scale and shift, (k,) each, after which predictions (n, k) have the mean and the standard deviation of ``gold`` (n, k).

    Regression predicts the less spread the less it knows. Agreement, :math:`\mathrm{CCC} = \frac{2 r s_p s_g}{s_p^2 + s_g^2 +
    (\bar p - \bar g)^2}` (Lin 1989), is highest for a given r at equal means and spreads. Predictions that do not vary keep
    their scale.
    """
    spread = predicted.std(axis=0)
    scale = np.divide(gold.std(axis=0), spread, out=np.ones_like(spread), where=spread > _STILL)
    return scale, gold.mean(axis=0) - scale * predicted.mean(axis=0)
