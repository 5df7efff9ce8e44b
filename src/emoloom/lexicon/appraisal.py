"""The external appraisal verifier: a frozen linear reader of how a text's writer appraises the event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

VERSION = "1"
"""Changes with anything that changes the weights for the same data; part of the key under which a verifier is cached."""

WORDS = CHARACTERS = 1 << 17
"""Buckets for words (1-2) and for characters within words (3-5)."""


@dataclass(frozen=True)
class Verifier:
    """Probabilities of the four atoms, each from one linear model on hashed n-grams.

    Attributes:
        weights: shape (4, WORDS + CHARACTERS), float16, in the order of :data:`emoloom.contract.affect.ATOMS`.
        intercepts: shape (4,), float32.
    """

    weights: npt.NDArray[np.float16]
    intercepts: Floats

    def atoms(self, texts: Sequence[str]) -> Floats:
        """The expected value of each atom for each text, in [0, 1]; shape (n, 4).

        0.5 is "not an issue", as in :class:`emoloom.contract.affect.Affect`; a text without words gets the mean of the
        texts that the verifier was fitted on.
        """
        log_odds = features(texts) @ self.weights.astype(np.float32).T + self.intercepts
        return np.asarray(1 / (1 + np.exp(-log_odds)), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Writes the verifier as safetensors; the same verifier gives the same bytes."""
        save_file({"weights": self.weights, "intercepts": self.intercepts}, path)

    @classmethod
    def load(cls, path: Path) -> Verifier:
        """Reads what :meth:`save` wrote.

        Raises:
            EmoLoomError: the file is missing, damaged or no verifier of this version.
        """
        remedy = "Delete the folder and run `emoloom appraisal fit`."
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise EmoLoomError(f"cannot read the verifier: {error}", where=str(path), remedy=remedy) from error
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        if shapes != {"weights": (len(ATOMS), WORDS + CHARACTERS), "intercepts": (len(ATOMS),)}:
            raise EmoLoomError(f"no verifier: tensors {shapes}", where=str(path), remedy=remedy)
        return cls(tensors["weights"], tensors["intercepts"])


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
