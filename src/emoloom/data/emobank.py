"""EmoBank: sentences rated for valence, arousal and dominance (Buechel and Hahn 2017, CC BY-SA 4.0)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from emoloom.contract.record import Record, Vad
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.data.corpus import Corpus
from emoloom.data.splits import SPLITS, TRAIN_GIVES_WAY, Draft
from emoloom.errors import EmoLoomError

Row = tuple[str, str, tuple[str, str, str]]
"""Sentence id, text, and the ratings V, A, D as written, on a scale from 1 to 5."""

_COLUMNS = {"id", "split", "V", "A", "D", "text"}


def rows(text: str, split: str) -> Iterator[Row]:
    """The rows of ``emobank.csv`` that belong to ``split``."""
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    missing = sorted(_COLUMNS - set(reader.fieldnames or ()))
    if missing:
        raise EmoLoomError(f"no column {', '.join(missing)}", where="emobank.csv:1", remedy="Use the official file.")
    for row in reader:
        if row["split"] == split:
            yield row["id"], row["text"], (row["V"], row["A"], row["D"])


def records(rows: Iterable[Row], split: str) -> Draft:
    """One record a sentence, with gold VAD and without labels."""
    draft = Draft()
    for sentence, text, ratings in rows:
        try:
            v, a, d = (_scaled(rating) for rating in ratings)
        except ValueError:
            draft.drop("bad_rating")
            continue
        record = Record(
            id=f"emobank-{split}-{sentence}",
            text=text.strip(),
            vad=Vad(v=v, a=a, d=d),
            vad_source="gold",
            corpus="emobank",
            split=split,
        )
        draft.keep(record)
    return draft


def _scaled(rating: str) -> float:
    """A rating in 1..5 (two decimals) on [0, 1] (four decimals, exact)."""
    value = float(rating)
    if not 1 <= value <= 5:
        raise ValueError(rating)
    return round((value - 1) / 4, 4)


CORPUS = Corpus(
    name="emobank",
    taxonomy=GOEMOTIONS,
    folder="emobank",
    files=dict.fromkeys(SPLITS, ("emobank.csv",)),
    read=lambda texts, split: records(rows(texts[0], split), split),
    gives_way=TRAIN_GIVES_WAY,
)
