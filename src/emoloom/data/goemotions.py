"""GoEmotions: Reddit comments with one or more of 27 emotions or neutral (Demszky et al. 2020, CC BY 4.0)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from emoloom.contract.record import Record
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.data.corpus import Corpus, HubSource
from emoloom.data.splits import SPLITS, TRAIN_GIVES_WAY, Draft

Row = tuple[str, Sequence[int], str]
"""Text, label ids (positions in the taxonomy), comment id."""

_LABEL_IDS = re.compile(r"\d+(,\d+)*")


def rows(text: str) -> Iterator[Row | None]:
    """The rows of an official TSV file, None for a line that is not one.

    Texts that contain a double quote are CSV-escaped in the files, so that splitting at tabs would leave artefacts.
    """
    for cells in csv.reader(io.StringIO(text, newline=""), delimiter="\t"):
        if len(cells) == 3 and _LABEL_IDS.fullmatch(cells[1]):
            yield cells[0], [int(i) for i in cells[1].split(",")], cells[2]
        else:
            yield None


def records(rows: Iterable[Row | None], split: str) -> Draft:
    """One record a comment."""
    draft = Draft()
    for row in rows:
        if row is None:
            draft.drop("misaligned")
        elif not all(0 <= i < len(GOEMOTIONS.labels) for i in row[1]):
            draft.drop("unknown_label")
        else:
            draft.keep(_record(row, split))
    return draft


def _record(row: Row, split: str) -> Record:
    text, ids, comment = row
    labels = GOEMOTIONS.ordered(GOEMOTIONS.labels[i] for i in ids)
    return Record(
        id=f"goemotions-{split}-{comment}", text=text.strip(), labels=labels, corpus="goemotions", split=split
    )


CORPUS = Corpus(
    name="goemotions",
    taxonomy=GOEMOTIONS,
    folder="goemotions",
    files={split: (f"{split}.tsv",) for split in SPLITS},
    read=lambda texts, split: records(rows(texts[0]), split),
    gives_way=TRAIN_GIVES_WAY,
    hub=HubSource(
        repo="google-research-datasets/go_emotions",
        revision="add492243ff905527e67aeb8b80c082af02207c3",
        files={
            "train": "simplified/train-00000-of-00001.parquet",
            "dev": "simplified/validation-00000-of-00001.parquet",
            "test": "simplified/test-00000-of-00001.parquet",
        },
        columns=("text", "labels", "id"),
        records=records,
    ),
)
