"""The external appraisal verifier: a small frozen reader of how a text's writer appraises the event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.pipeline import make_pipeline, make_union

from emoloom.contract.affect import ATOMS
from emoloom.errors import EmoLoomError

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]

WORDS, CHARACTERS = 1 << 17, 1 << 16
"""Buckets for words (1-2) and for characters within words (3-5)."""

SHARPNESS = 12.0
"""What emotion scores, which ridge regression draws together, are multiplied by before the softmax."""


@dataclass(frozen=True)
class Verifier:
    """Expected values of the four atoms, from hashed n-grams and from the emotions that these suggest.

    With x a text's features, e = softmax(SHARPNESS * emotions x) and w the logarithm of its number of words plus one, the
    log-odds of the atoms are ``atom_weights x + dense [e, w] + intercepts``.

    Attributes:
        emotions: shape (m, WORDS + CHARACTERS), float16, for the m emotions of the corpus it was fitted on.
        atom_weights: shape (4, WORDS + CHARACTERS), float16, in the order of :data:`emoloom.contract.affect.ATOMS`.
        dense: shape (4, m + 1), float32.
        intercepts: shape (4,), float32.
    """

    emotions: Halves
    atom_weights: Halves
    dense: Floats
    intercepts: Floats

    def atoms(self, texts: Sequence[str]) -> Floats:
        """The expected value of each atom for each text, in [0, 1]; shape (n, 4)."""
        x = features(texts)
        inner = dense_features(x @ self.emotions.astype(np.float32).T, texts)
        log_odds = x @ self.atom_weights.astype(np.float32).T + inner @ self.dense.T + self.intercepts
        return np.asarray(1 / (1 + np.exp(-log_odds)), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Writes the verifier as safetensors; the same verifier gives the same bytes."""
        save_file({field.name: getattr(self, field.name) for field in fields(self)}, path)

    @classmethod
    def load(cls, path: Path) -> Verifier:
        """Reads what :meth:`save` wrote.

        Raises:
            EmoLoomError: the file is missing, damaged or no verifier of this version.
        """
        remedy = "Delete its folder and run `emoloom appraisal fit`."
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise EmoLoomError(f"cannot read the verifier: {error}", where=str(path), remedy=remedy) from error
        m, n, width = len(tensors.get("emotions", ())), len(ATOMS), WORDS + CHARACTERS
        wanted = {"emotions": (m, width), "atom_weights": (n, width), "dense": (n, m + 1), "intercepts": (n,)}
        if {name: tensor.shape for name, tensor in tensors.items()} != wanted:
            raise EmoLoomError("the file holds no verifier of this version", where=str(path), remedy=remedy)
        return cls(**tensors)


def dense_features(emotion_scores: Floats, texts: Sequence[str]) -> Floats:
    """Probabilities of the m emotions, from scores (n, m), and the logarithm of a text's words plus one: (n, m + 1)."""
    scores = SHARPNESS * emotion_scores
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    words = np.log([[len(text.split()) + 1] for text in texts])
    return np.hstack([odds / odds.sum(axis=1, keepdims=True), words]).astype(np.float32)


def features(texts: Sequence[str]) -> Any:
    """Hashed n-grams, a sparse (n, WORDS + CHARACTERS) float32 matrix.

    Word n-grams (punctuation marks and emoji count as words) and character n-grams each count 1 + ln(frequency) and are
    scaled to length 1. Nothing is fitted, so a text's features never depend on other texts.
    """
    words = _hashed(WORDS, ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]")
    characters = _hashed(CHARACTERS, analyzer="char_wb", ngram_range=(3, 5))
    return make_union(words, characters).fit_transform(texts).tocsr()


def _hashed(buckets: int, **ngrams: Any) -> Any:
    counts = HashingVectorizer(n_features=buckets, alternate_sign=False, norm=None, dtype=np.float32, **ngrams)
    return make_pipeline(counts, TfidfTransformer(use_idf=False, sublinear_tf=True))
