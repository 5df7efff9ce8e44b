"""What an appraisal verifier is worth: held-out figures beside two plain alternatives, and its calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from emoloom.contract.affect import ATOMS
from emoloom.data.load_appraised import AppraisedCorpus
from emoloom.data.questionnaire import Appraised

Values = npt.NDArray[np.float64]
Folds = npt.NDArray[np.intp]

BINS = 10


class Contrast(NamedTuple):
    """Which values of an atom are told apart: those up to ``low`` from those from ``high`` on; between them, none."""

    low: float
    high: float
    meaning: str


CONTRASTS = {
    "isear": (
        Contrast(0.0, 1.0, "PLAN 1 (helped) against 3 (hindered)"),
        Contrast(0.0, 0.75, "COPING 4-5 (could act, or need not) against 1 (powerless)"),
        Contrast(0.0, 0.5, "EXPC 2-3 (expected) against 1 (not at all)"),
        Contrast(0.0, 1.0, "FAIR 1 (not unfair) against 3 (very unfair)"),
    ),
    "starter": (Contrast(0.4, 0.6, "at least 0.6 against at most 0.4"),) * len(ATOMS),
}
"""By main corpus, in the order of ATOMS."""


def make_card(
    main: AppraisedCorpus,
    others: Sequence[AppraisedCorpus],
    atoms: Values,
    folds: Folds,
    held_out: npt.NDArray[np.float32],
    version: str,
) -> dict[str, Any]:
    """The card, ready for JSON.

    Args:
        atoms, held_out: shape (n, 4), what the writers of the main corpus's texts said (NaN: nothing) and what the
            verifier says of them without having seen their fold.
        folds: shape (n,).
        version: the key under which the verifier is cached.

    Returns:
        ``held_out_auc`` by atom and their mean, on the pooled predictions of all folds; ``comparison`` with TF-IDF and
        logistic regression, and with knowing the emotion that the text was written for, on the same folds;
        ``calibration`` by atom; and what it was made from.
    """
    contrasts = CONTRASTS[main.name]
    auc = _aucs(contrasts, atoms, held_out.astype(np.float64))
    alternatives = {"tfidf": _tfidf(main.rows, folds), "gold_emotion": _emotions(main.rows, folds)}
    comparison = {
        name: _aucs(contrasts, atoms, _plain(features, contrasts, atoms, folds))
        for name, features in alternatives.items()
    }
    return {
        "version": version,
        "fitted_on": main.name,
        "held_out": f"{int(folds.max()) + 1} folds of {main.name}; a person or a text is in one fold only",
        "held_out_auc": auc,
        "mean_auc": _mean(auc),
        "comparison": {name: {**aucs, "mean": _mean(aucs)} for name, aucs in comparison.items()},
        "contrasts": _by_atom(
            [{"meaning": c.meaning, "texts": int(_told(c, atoms[:, i])[1].size)} for i, c in enumerate(contrasts)]
        ),
        "calibration": _by_atom([_calibration(atoms[:, i], held_out[:, i]) for i in range(len(ATOMS))]),
        "sources": [
            {
                "corpus": corpus.name,
                "sha256": corpus.report.sha256,
                "rows": corpus.report.rows_kept,
                "rows_read": corpus.report.rows_read,
                "dropped": dict(corpus.report.dropped),
                "licence": corpus.licence,
            }
            for corpus in (main, *others)
        ],
        "licence_note": "Built on this machine from the sources above and bound to their terms; not for redistribution."
        if main.name != "starter" or others
        else "Built from the starter corpus alone, whose appraisals are one writer's: a demonstration, not evidence.",
    }


def _plain(features: Sequence[tuple[Any, Any]], contrasts: Sequence[Contrast], atoms: Values, folds: Folds) -> Values:
    """(n, 4): log-odds of logistic regressions on ``features``: for each fold, those of the other texts and its own."""
    log_odds = np.empty_like(atoms)
    for fold, (rest, mine) in enumerate(features):
        for i, contrast in enumerate(contrasts):
            answers, rows = _told(contrast, atoms[folds != fold, i])
            model = LogisticRegression(solver="liblinear", random_state=0).fit(rest[rows], answers)
            log_odds[folds == fold, i] = model.decision_function(mine)
    return log_odds


def _tfidf(rows: Sequence[Appraised], folds: Folds) -> list[tuple[Any, Any]]:
    """TF-IDF of words (1-2), fitted anew without each fold."""
    texts, features = np.array([row.text for row in rows], dtype=object), []
    for fold in range(int(folds.max()) + 1):
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
        features.append((vectorizer.fit_transform(texts[folds != fold]), vectorizer.transform(texts[folds == fold])))
    return features


def _emotions(rows: Sequence[Appraised], folds: Folds) -> list[tuple[Any, Any]]:
    """Which emotion each text was written for, as indicators."""
    names = sorted({row.emotion for row in rows})
    indicators = np.array([[row.emotion == name for name in names] for row in rows], dtype=np.float64)
    return [(indicators[folds != fold], indicators[folds == fold]) for fold in range(int(folds.max()) + 1)]


def _told(contrast: Contrast, values: Values) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
    """Of the values that the contrast tells apart: which are high, and where they stand."""
    rows = np.flatnonzero((values <= contrast.low) | (values >= contrast.high))
    return values[rows] >= contrast.high, rows


def _aucs(contrasts: Sequence[Contrast], atoms: Values, scores: Values) -> dict[str, float]:
    aucs = []
    for i, contrast in enumerate(contrasts):
        answers, rows = _told(contrast, atoms[:, i])
        aucs.append(float(roc_auc_score(answers, scores[rows, i])))
    return _by_atom(aucs)


def _calibration(values: Values, predicted: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Held-out predictions in ten bins of equal size: their mean beside the mean of what the writers said.

    ``ece`` is the mean over the texts of the absolute difference in their bin, on the scale [0, 1] of the atom.
    """
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(predicted[known], kind="stable")]
    bins = [
        {"n": rows.size, "predicted": float(predicted[rows].mean(dtype=np.float64)), "said": float(values[rows].mean())}
        for rows in np.array_split(order, BINS)
        if rows.size
    ]
    ece = sum(b["n"] * abs(b["predicted"] - b["said"]) for b in bins) / known.size
    return {"ece": ece, "bins": bins}


def _by_atom(values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(ATOMS, values, strict=True))


def _mean(aucs: dict[str, float]) -> float:
    return sum(aucs.values()) / len(aucs)
