"""The baselines that stand in every table: what an answer costs nothing, a word list, or a linear model to give.

All reply in the ``goemotions`` space and read a request's text alone, not its context. Fitting and predicting are
deterministic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import FeatureUnion
from threadpoolctl import threadpool_limits

from emoloom.contract.affect import AFFECT, VAD, anchor
from emoloom.contract.record import Record, Reply, Request, make_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import EmoLoomError
from emoloom.evaluate.metrics import Bools, Floats, multi_hot
from emoloom.screen.readouts.tuning import choose, tune_thresholds

SPACE = GOEMOTIONS
RIDGE = 1.0
"""Penalty of the VAD regression. Mean r / CCC on EmoBank's dev split after 8,062 records: .427 / .398 at 0.3, .441 / .387
at 1, .448 / .346 at 3."""
INVERSE_PENALTY = 3.0
"""`C` of the label regressions. At 10, GoEmotions test Macro-F1 is the same within .003 and fitting takes 1.4 times as long."""
FOLDS = 3
CERTAIN = 20.0
"""Log-odds that stand for a label that every training record has, and, negative, for one that none has."""
TELLING_WORDS = 3


class Baseline(Protocol):
    """Learns from training records, with labels in ``goemotions``, and answers requests as a candidate does."""

    def fit(self, records: Sequence[Record]) -> Self:
        """Learns labels from the records that have some, VAD from those that have it, as far as ``vad_weight`` trusts it.

        Raises:
            EmoLoomError: no record has labels, or none has a VAD of any weight.
        """
        ...

    def predict(self, requests: Sequence[Request]) -> list[Reply]:
        """One valid reply for each request."""
        ...


class Majority:
    """Always gives the most frequent label set of the training records and their mean VAD.

    Attributes:
        reply: that answer.
    """

    reply: Reply

    def fit(self, records: Sequence[Record]) -> Self:
        """See :class:`Baseline`; of equally frequent label sets, the first in the records wins."""
        labels, _ = Counter(record.labels for record in _labelled(records)).most_common(1)[0]
        targets, weights = _vad_targets(records)
        v, a, d = np.average(targets, axis=0, weights=weights).tolist()
        self.reply = make_reply(labels, (v, a, d), "most frequent label", SPACE)
        return self

    def predict(self, requests: Sequence[Request]) -> list[Reply]:
        """See :class:`Baseline`."""
        return [self.reply] * len(requests)


class Lexicon:
    """Gives a lexicon's VAD and the training label whose anchor lies nearest to it.

    Readings of texts crowd around the middle of the scale and anchors do not, so each side is first standardised, per axis:
    readings by the mean and standard deviation of the readings of the labelled training texts, anchors by those of the
    anchors of the same records' labels. The distance is Euclidean.

    Args:
        read_vad: the calibrated (v, a, d) in [0, 1] that the lexicon gives a text.
    """

    def __init__(self, read_vad: Callable[[str], VAD]) -> None:
        self._read_vad = read_vad

    def fit(self, records: Sequence[Record]) -> Self:
        """See :class:`Baseline`; needs no VAD in the records."""
        labelled = _labelled(records)
        self._labels = SPACE.ordered(label for record in labelled for label in record.labels)
        self._readings = _moments([self._read_vad(record.text) for record in labelled])
        mean, spread = _moments([anchor(record.labels) for record in labelled])
        self._anchors = (np.array([AFFECT[label].vad for label in self._labels]) - mean) / spread
        return self

    def predict(self, requests: Sequence[Request]) -> list[Reply]:
        """See :class:`Baseline`."""
        return [self._reply(self._read_vad(request.text)) for request in requests]

    def _reply(self, vad: VAD) -> Reply:
        mean, spread = self._readings
        distances = np.linalg.norm((np.array(vad) - mean) / spread - self._anchors, axis=1)
        label = self._labels[int(distances.argmin())]
        return make_reply([label], vad, f"words nearest to {label}", SPACE)


class Tfidf:
    """Linear models on TF-IDF of words (1-2) and of characters within words (2-5).

    Labels: one logistic regression each, the classes balanced, above a threshold that :func:`tune_thresholds` finds on
    out-of-fold log-odds; the label of the highest log-odds where none passes. A label without a training example is never
    given. VAD: ridge regression weighted by ``vad_weight``.
    """

    def fit(self, records: Sequence[Record]) -> Self:
        """See :class:`Baseline`; records with a blank text are left out.

        Raises:
            EmoLoomError: as in :class:`Baseline`, or all texts are blank.
        """
        records = [record for record in records if record.text.strip()]
        labelled = _labelled(records)
        targets, weights = _vad_targets(records)
        texts, gold = (
            [record.text for record in labelled],
            multi_hot([record.labels for record in labelled], SPACE.labels),
        )
        self._thresholds = tune_thresholds(_out_of_fold(texts, gold), gold)
        self._features = _features().fit([record.text for record in records])
        self._labels = _LabelModel(self._features.transform(texts), gold)
        with_vad = [record.text for record in records if _has_vad(record)]
        ridge = Ridge(alpha=RIDGE, solver="sparse_cg")
        self._vad = ridge.fit(self._features.transform(with_vad), targets, sample_weight=weights)
        return self

    def predict(self, requests: Sequence[Request]) -> list[Reply]:
        """See :class:`Baseline`. The rationale is the words that speak most for the likeliest label."""
        if not requests:
            return []
        x = self._features.transform([request.text for request in requests])
        log_odds = self._labels.log_odds(x)
        best = log_odds.argmax(axis=1)
        chosen = choose(log_odds, self._thresholds)
        vads = self._vad.predict(x).tolist()
        rationales = self._rationales(x, best)
        return [
            make_reply([SPACE.labels[i] for i in np.flatnonzero(row)], (v, a, d), rationale, SPACE)
            for row, (v, a, d), rationale in zip(chosen, vads, rationales, strict=True)
        ]

    def _rationales(self, x: Any, best: npt.NDArray[np.intp]) -> list[str]:
        (_, words), _ = self._features.transformer_list
        names = words.get_feature_names_out()
        x_words = x[:, : len(names)]
        return [
            _telling(names[row.indices], row.data * self._labels.weights[label, row.indices])
            for row, label in zip(x_words, best, strict=True)
        ]


def _out_of_fold(texts: list[str], gold: Bools) -> Floats:
    """Log-odds (n, k) of each text by a model that has not seen it; all 0 where there are too few texts for folds."""
    log_odds = np.zeros(gold.shape)
    if len(texts) < FOLDS:
        return log_odds
    for train, held_out in KFold(FOLDS, shuffle=True, random_state=0).split(texts):
        # Features are chosen anew: n-grams that only the held-out texts have would dilute their vectors, which does not
        # happen to the texts of a request, and thresholds would come out too low.
        features = _features()
        model = _LabelModel(features.fit_transform([texts[i] for i in train]), gold[train])
        log_odds[held_out] = model.log_odds(features.transform([texts[i] for i in held_out]))
    return log_odds


class _LabelModel:
    """Weights (k, f) and biases (k,) of one balanced logistic regression per label, for features x (n, f), gold (n, k)."""

    def __init__(self, x: Any, gold: Bools) -> None:
        self.weights = np.zeros((gold.shape[1], x.shape[1]))
        self.biases = np.where(gold.any(axis=0), CERTAIN, -CERTAIN)
        for i in np.flatnonzero(gold.any(axis=0) & ~gold.all(axis=0)):
            model = LogisticRegression(
                C=INVERSE_PENALTY, class_weight="balanced", solver="liblinear", max_iter=1000, random_state=0
            )
            # The solver makes so many short BLAS calls that sharing them between threads can take fifty times as long.
            with threadpool_limits(limits=1, user_api="blas"):
                model.fit(x, gold[:, i])
            self.weights[i], self.biases[i] = model.coef_[0], model.intercept_[0]

    def log_odds(self, x: Any) -> Floats:
        """(n, k)."""
        log_odds: Floats = x @ self.weights.T + self.biases
        return log_odds


def _features() -> FeatureUnion:
    # Punctuation marks and emoji count as words: they carry emotion.
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+|[^\w\s]")
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    return FeatureUnion([("words", words), ("characters", characters)])


def _telling(words: npt.NDArray[np.object_], weights: Floats) -> str:
    """The words with the highest positive weights, the strongest first."""
    order = np.argsort(-weights, kind="stable")[:TELLING_WORDS]
    return ", ".join(words[i] for i in order if weights[i] > 0) or "no telling word"


def _labelled(records: Sequence[Record]) -> list[Record]:
    labelled = [record for record in records if record.labels]
    if not labelled:
        raise EmoLoomError(
            "a baseline needs training records with labels", remedy="Add a training corpus that has labels."
        )
    return labelled


def _has_vad(record: Record) -> bool:
    return record.vad is not None and record.vad_weight > 0


def _vad_targets(records: Sequence[Record]) -> tuple[Floats, Floats]:
    """Targets (n, 3) and their weights (n,) of the records for which :func:`_has_vad` holds."""
    known = [(record.vad.triple, record.vad_weight) for record in records if record.vad and _has_vad(record)]
    if not known:
        raise EmoLoomError(
            "a baseline needs training records with VAD",
            remedy="Add a corpus with VAD, or a lexicon that estimates it.",
        )
    targets, weights = zip(*known, strict=True)
    return np.array(targets), np.array(weights)


def _moments(triples: Sequence[VAD]) -> tuple[Floats, Floats]:
    """Mean and standard deviation per axis, (3,) each; a standard deviation of 0 is replaced by 1."""
    values = np.array(triples)
    spread = values.std(axis=0)
    return values.mean(axis=0), np.where(spread > 0, spread, 1.0)
