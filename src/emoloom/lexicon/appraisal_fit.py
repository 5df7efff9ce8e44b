"""Fits the appraisal verifier: many ridge regressions on n-grams, stacked by one logistic regression per atom.

The first level predicts everything that people said about an event (*heads*: emotion, cause, morality, ...), because an
answer that is hard to read off a text directly is easier to read off what goes with it. The first level is linear in
the features, so that all of its weights but those of the emotions fold into one vector per atom.
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

from emoloom.lexicon.appraisal import Floats, Halves, Verifier, dense_features, features

Values = npt.NDArray[np.float64]
Folds = npt.NDArray[np.intp]

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
        emotions: shape (n, m), which of m emotions each was written for.
        answers: shape (n, k), everything else, one column a question or code.
    """

    texts: Sequence[str]
    emotions: Floats
    answers: Floats

    @property
    def targets(self) -> Floats:
        """Emotions and answers less their means: (n, m + k)."""
        columns = np.hstack([self.emotions, self.answers])
        return np.asarray(columns - columns.mean(axis=0), dtype=np.float32)


@dataclass(frozen=True)
class Fitted:
    """A verifier and how it does on texts that it has not seen.

    Attributes:
        verifier: fitted on all texts.
        held_out: shape (n, 4), the atoms of each main text by a verifier fitted without any text of its fold.
    """

    verifier: Verifier
    held_out: Floats


def fit(
    main: Heads, atoms: Values, bounds: Sequence[tuple[float, float]], folds: Folds, others: Sequence[Heads]
) -> Fitted:
    """Fits a verifier; single-threaded, so that the same data give the same bytes on one machine.

    Args:
        main: the texts whose atoms are known.
        atoms: shape (n, 4), the values to predict in [0, 1]; NaN where nothing is known.
        bounds: for each atom the values (low, high) up to and from which texts are to be told apart.
        folds: shape (n,), the fold 0..f-1 of each main text. What must not be shared between fitting and judging (a
            person, a text) has to lie in one fold.
        others: further corpora, whose heads help; they must not contain a main text.
    """
    m = main.emotions.shape[1]
    with threadpool_limits(limits=1, user_api="blas"):
        x, targets = features(main.texts), main.targets
        inverse = _regularised_inverse(x)
        seen = LeftOut.of(inverse, targets, folds)
        other = np.vstack([np.zeros((0, x.shape[1]), np.float32), *map(_other_heads, others)])
        extra = np.asarray(x @ other.T, dtype=np.float32)

        def inputs(scores: Floats) -> Floats:
            return np.hstack([scores, extra, dense_features(scores[:, :m], main.texts)])

        held_out = np.empty_like(atoms)
        for fold, mine in enumerate(seen.members):
            level_inputs, rest = inputs(seen.without(fold)), folds != fold
            for i, (known, bound) in enumerate(zip(atoms.T, bounds, strict=True)):
                held_out[mine, i] = _second_level(level_inputs[rest], known[rest], bound).values(level_inputs[mine])
        final = inputs(seen.own)
        levels = [_second_level(final, known, bound) for known, bound in zip(atoms.T, bounds, strict=True)]
        weights = np.array([level.weights for level in levels], dtype=np.float32)
        duals = inverse @ targets
        ends = np.cumsum([targets.shape[1], len(other)])
        first, second, dense = np.split(weights, ends, axis=1)
        atom_weights = (x.T @ (duals @ first.T)).T + second @ other
        emotions = (x.T @ duals[:, :m]).T
    intercepts = np.array([level.intercept for level in levels], dtype=np.float32)
    verifier = Verifier(_halves(emotions), _halves(atom_weights), np.ascontiguousarray(dense), intercepts)
    return Fitted(verifier, held_out.astype(np.float32))


def _halves(weights: Floats) -> Halves:
    return np.ascontiguousarray(weights, dtype=np.float16)


@dataclass(frozen=True)
class LeftOut:
    """First-level scores of main texts by models that have not seen them.

    With A = (K + RIDGE I)^-1 for the kernel K = X X' and duals a = A Y, leaving out the rows B changes the predictions on B to
    Y_B - A_BB^-1 a_B, exactly; so one inverse serves every fold and every pair of folds.
    """

    members: list[npt.NDArray[np.intp]]
    own: Floats
    pairs: dict[tuple[int, int], Floats]

    @classmethod
    def of(cls, inverse: Floats, targets: Floats, folds: npt.NDArray[np.intp]) -> LeftOut:
        duals = inverse @ targets
        members = [np.flatnonzero(folds == fold) for fold in range(int(folds.max()) + 1)]
        own, pairs = np.empty_like(targets), {}
        for i, mine in enumerate(members):
            own[mine] = _left_out(inverse, duals, targets, mine)
            for j in range(i):
                both = np.concatenate([mine, members[j]])
                scores = _left_out(inverse, duals, targets, both)
                pairs[i, j], pairs[j, i] = scores[len(mine) :], scores[: len(mine)]
        return cls(members, own, pairs)

    def without(self, fold: int) -> Floats:
        """(n, k): each text's scores by a model without its own fold and without ``fold``."""
        scores = self.own.copy()
        for other, rows in enumerate(self.members):
            if other != fold:
                scores[rows] = self.pairs[fold, other]
        return scores


@dataclass(frozen=True)
class _Level:
    """A logistic regression on heads as they come: weights (k,) and intercept."""

    weights: Values
    intercept: float

    def values(self, scores: Floats) -> npt.NDArray[np.float64]:
        return np.asarray(1 / (1 + np.exp(-(scores @ self.weights + self.intercept))))


def _second_level(scores: Floats, values: Values, bound: tuple[float, float]) -> _Level:
    """A logistic regression that tells an atom's high from its low values, then brought onto the scale of the values.

    The first maximises what the verifier is judged by. The second, with one slope and one intercept, sees all values, of
    which 0.3 counts as 0.3 of a yes and 0.7 of a no, so that what comes out is the expected value.
    """
    low, high = bound
    told = (values <= low) | (values >= high)
    mean, spread = scores[told].mean(axis=0, dtype=np.float64), scores[told].std(axis=0, dtype=np.float64)
    spread[spread == 0] = 1.0
    ranking = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000)
    ranking.fit((scores[told] - mean) / spread, values[told] >= high)
    weights = ranking.coef_[0] / spread
    known = np.isfinite(values)
    line, shares = (scores[known] @ weights)[:, None], values[known]
    # Lightly penalised, so that nothing saturates where the two sides separate perfectly.
    scale = LogisticRegression(C=1.0, max_iter=1000)
    scale.fit(
        np.vstack([line, line]), np.repeat([1, 0], len(shares)), sample_weight=np.concatenate([shares, 1 - shares])
    )
    return _Level(weights * scale.coef_[0, 0], float(scale.intercept_[0]))


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
    model = Ridge(alpha=OTHER_RIDGE, solver="sparse_cg", fit_intercept=False, tol=1e-2)
    model.fit(features(heads.texts), heads.targets)
    return np.asarray(model.coef_, dtype=np.float32)
