"""EmpatheticDialogues: situations written for one of 32 emotion words (Rashkin et al. 2019, CC BY-NC 4.0).

The label belongs to the situation (the "prompt"), which every utterance of a conversation repeats: one record a
conversation. The hub's parquet files were made by a reader that takes bare double quotes for CSV quoting; about 9% of the
train conversations are lost in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from emoloom.contract.record import Record
from emoloom.contract.taxonomy import EMPATHETIC
from emoloom.data.corpus import Corpus, HubSource
from emoloom.data.splits import TRAIN_GIVES_WAY, Draft

Row = tuple[str, str, str]
"""Conversation id, emotion word, situation."""


def rows(text: str) -> Iterator[Row | None]:
    """The utterance rows of an official CSV file, None for a line that is not one.

    Fields are never quoted and commas inside them are spelt ``_comma_``, so each line splits into the 8 columns; the
    official dev and test files have a ninth, reply candidates.
    """
    for line in text.removesuffix("\n").split("\n")[1:]:
        cells = line.split(",")
        # A comma that is not escaped shows in the speaker's number being displaced.
        aligned = len(cells) in (8, 9) and cells[4].isdecimal()
        yield (cells[0], cells[2], cells[3]) if aligned else None


def records(rows: Iterable[Row | None], split: str) -> Draft:
    """One record a conversation, made of its first row."""
    draft = Draft()
    seen: set[str] = set()
    for row in rows:
        if row is None or "\n" in row[2]:
            draft.drop("misaligned")
            continue
        conversation, emotion, situation = row
        if conversation in seen:
            draft.drop("same_conversation")
            continue
        seen.add(conversation)
        if emotion in EMPATHETIC.index:
            draft.keep(_record(conversation, emotion, situation, split))
        else:
            draft.drop("unknown_label")
    return draft


def _record(conversation: str, emotion: str, situation: str, split: str) -> Record:
    return Record(
        id=f"empathetic-{split}-{conversation}",
        text=situation.replace("_comma_", ",").strip(),
        labels=(emotion,),
        taxonomy=EMPATHETIC.name,
        corpus="empathetic",
        split=split,
    )


CORPUS = Corpus(
    name="empathetic",
    taxonomy=EMPATHETIC,
    folder="empatheticdialogues",
    files={"train": ("train.csv.gz",), "dev": ("valid.csv.gz",), "test": ("test.csv.gz",)},
    read=lambda texts, split: records(rows(texts[0]), split),
    gives_way=TRAIN_GIVES_WAY,
    hub=HubSource(
        repo="facebook/empathetic_dialogues",
        revision="refs/convert/parquet",
        files={
            "train": "default/train/0000.parquet",
            "dev": "default/validation/0000.parquet",
            "test": "default/test/0000.parquet",
        },
        columns=("conv_id", "context", "prompt"),
        records=records,
    ),
)
