"""Fits the appraisal verifier: many ridge regressions on n-grams, stacked by one logistic regression per atom.

The first level predicts everything that people said about an event (*heads*: emotion, cause, morality, ...), because an
answer that is hard to read off a text directly is easier to read off what goes with it. Both levels are linear in the
features, so the result is one weight vector per atom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from emoloom.lexicon.appraisal import Floats, Verifier, features

RIDGE = 5.0
"""Penalty of the main corpus's heads, whose features have squared length 2."""
OTHER_RIDGE = 3.0
"""Penalty of the heads of the other corpora."""
INVERSE_PENALTY = 0.001
"""`C` of the second level, on standardised heads."""
_BLOCK = 512


@dataclass(frozen=True)
class Heads:
    """Texts and what was said about each.

    Attributes:
        texts: n texts.
        targets: shape (n, k), one column a head.
    """

    texts: Sequence[str]
    targets: Floats


@dataclass(frozen=True)
class Fitted:
    """A verifier and how it does on texts that it has not seen.

    Attributes:
        verifier: fitted on all texts.
        held_out: shape (n, 4), the atoms of each main text by a verifier fitted without any text of its fold.
    """

    verifier: Verifier
    held_out: Floats


def fit(main: Heads, atoms: npt.NDArray[np.float64], folds: npt.NDArray[np.intp], others: Sequence[Heads]) -> Fitted:
    """Fits a verifier; single-threaded, so that the same data give the same bytes on one machine.

    Args:
        main: the texts whose atoms are known.
        atoms: shape (n, 4), the values to predict in [0, 1]; NaN where nothing is known.
        folds: shape (n,), the fold 0..f-1 of each main text. What must not be shared between fitting and judging (a
            person, a text) has to lie in one fold.
        others: further corpora, whose heads help; they must not contain a main text.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        x = features(main.texts)
        inverse = _regularised_inverse(x)
        seen = _Scores.of(inverse, main.targets, folds)
        other = (
            np.vstack([_other_heads(heads) for heads in others]) if others else np.zeros((0, x.shape[1]), np.float32)
        )
        extra = np.asarray(x @ other.T, dtype=np.float32)
        held_out = np.empty_like(atoms)
        for fold, mine in enumerate(seen.members):
            scores = np.hstack([seen.without(fold), extra])
            rest = folds != fold
            for atom in range(atoms.shape[1]):
                level = _second_level(scores[rest], atoms[rest, atom])
                held_out[mine, atom] = level.values(scores[mine])
        own = np.hstack([seen.own, extra])
        levels = [_second_level(own, atoms[:, atom]) for atom in range(atoms.shape[1])]
        weights = np.array([level.weights for level in levels])
        k = main.targets.shape[1]
        centred = main.targets - main.targets.mean(axis=0)
        first = x.T @ (inverse @ centred @ weights[:, :k].T)
        final = first.T + weights[:, k:] @ other
    intercepts = np.array([level.intercept for level in levels], dtype=np.float32)
    return Fitted(Verifier(final.astype(np.float16), intercepts), held_out.astype(np.float32))


@dataclass(frozen=True)
class _Scores:
    """First-level scores of main texts by models that have not seen them.

    With A = (K + RIDGE I)^-1 for the kernel K = X X' and duals a = A Y, leaving out the rows B changes the predictions on B to
    Y_B - A_BB^-1 a_B, exactly; so one inverse serves every fold and every pair of folds.
    """

    members: list[npt.NDArray[np.intp]]
    own: Floats
    _pairs: dict[tuple[int, int], Floats]

    @classmethod
    def of(cls, inverse: Floats, targets: Floats, folds: npt.NDArray[np.intp]) -> _Scores:
        y = targets - targets.mean(axis=0)
        duals = inverse @ y
        members = [np.flatnonzero(folds == fold) for fold in range(int(folds.max()) + 1)]
        own, pairs = np.empty_like(y), {}
        for i, mine in enumerate(members):
            own[mine] = _left_out(inverse, duals, y, mine)
            for j in range(i):
                both = np.concatenate([mine, members[j]])
                scores = _left_out(inverse, duals, y, both)
                pairs[i, j], pairs[j, i] = scores[len(mine) :], scores[: len(mine)]
        return cls(members, own, pairs)

    def without(self, fold: int) -> Floats:
        """(n, k): each text's scores by a model without its own fold and without ``fold``."""
        scores = self.own.copy()
        for other, rows in enumerate(self.members):
            if other != fold:
                scores[rows] = self._pairs[fold, other]
        return scores


@dataclass(frozen=True)
class _Level:
    """A logistic regression on heads as they come: weights (k,) and intercept."""

    weights: npt.NDArray[np.float64]
    intercept: float

    def values(self, scores: Floats) -> npt.NDArray[np.float64]:
        return np.asarray(1 / (1 + np.exp(-(scores @ self.weights + self.intercept))))


def _second_level(scores: Floats, values: npt.NDArray[np.float64]) -> _Level:
    """Logistic regression of an atom on heads; a value of 0.3 counts as 0.3 of a yes and 0.7 of a no."""
    known = np.isfinite(values)
    s, y = scores[known].astype(np.float64), values[known]
    mean, spread = s.mean(axis=0), s.std(axis=0)
    spread[spread == 0] = 1.0
    z = (s - mean) / spread
    answers = np.repeat([1, 0], len(y))
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000)
    model.fit(np.vstack([z, z]), answers, sample_weight=np.concatenate([y, 1 - y]))
    weights = model.coef_[0] / spread
    return _Level(weights, float(model.intercept_[0] - weights @ mean))


def _regularised_inverse(x: Any) -> Floats:
    """(X X' + RIDGE I)^-1 for sparse x (n, f): (n, n), by Cholesky."""
    n = x.shape[0]
    kernel = np.empty((n, n), dtype=np.float32, order="F")
    for start in range(0, n, _BLOCK):
        kernel[start : start + _BLOCK] = (x[start : start + _BLOCK] @ x.T).toarray()
    kernel[np.diag_indices(n)] += RIDGE
    factor, _ = lapack.spotrf(kernel, lower=1, overwrite_a=1)
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    lower = np.tril(inverse)
    return np.asarray(lower + np.tril(inverse, -1).T, dtype=np.float32)


def _left_out(inverse: Floats, duals: Floats, y: Floats, rows: npt.NDArray[np.intp]) -> Floats:
    return np.asarray(y[rows] - np.linalg.solve(inverse[np.ix_(rows, rows)], duals[rows]), dtype=np.float32)


def _other_heads(heads: Heads) -> Floats:
    """Ridge weights (k, f) of another corpus's heads."""
    model = Ridge(alpha=OTHER_RIDGE, solver="sparse_cg", fit_intercept=False, tol=1e-3)
    model.fit(features(heads.texts), heads.targets - heads.targets.mean(axis=0))
    return np.asarray(model.coef_, dtype=np.float32)
