"""DailyDialog: dialogues for learners of English, an emotion for each utterance (Li et al. 2017, CC BY-NC-SA 4.0)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from emoloom.contract.record import Record
from emoloom.contract.taxonomy import DAILYDIALOG
from emoloom.data.corpus import Corpus, HubSource
from emoloom.data.splits import Draft, normalise
from emoloom.errors import EmoLoomError

Row = tuple[Sequence[str], Sequence[int]]
"""The utterances of a dialogue and their emotion ids (positions in the taxonomy)."""

_CONTRACTION = re.compile(r"(?<=\w)\s*(['’])\s*(s|t|m|ll|ve|re|d|clock|am)\b", re.IGNORECASE)
_BEFORE = re.compile(r"\s+(?=[.,!?;:%)\]…。、”])")
_AFTER = re.compile(r"(?<=[(\[$£¥“])\s+")


def detokenise(text: str) -> str:
    """``text`` without the corpus's spaces around punctuation: ``I ’ m fine .`` becomes ``I’m fine.``"""
    text = _CONTRACTION.sub(r"\1\2", " ".join(text.split()))
    return _AFTER.sub("", _BEFORE.sub("", text))


def rows(dialogues: str, emotions: str) -> Iterator[Row]:
    """The dialogues of an official pair of files: one a line, ``__eou__`` after each utterance."""
    texts, labels = dialogues.removesuffix("\n").split("\n"), emotions.removesuffix("\n").split("\n")
    if len(texts) != len(labels):
        problem = f"{len(texts)} lines of dialogues, but {len(labels)} lines of emotions"
        raise EmoLoomError(problem, where="dailydialog", remedy="Use two files of the same split.")
    for number, (text, ids) in enumerate(zip(texts, labels, strict=True), 1):
        if not re.fullmatch(r"[\d\s]*", ids):
            raise EmoLoomError(f"{ids!r} are not emotion ids", where=f"dailydialog, emotions, line {number}")
        yield text.split("__eou__")[:-1], [int(i) for i in ids.split()]


def records(rows: Iterable[Row], split: str) -> Draft:
    """One record an utterance, without the turns before it; duplicates are found by whole dialogues.

    A dialogue with more utterances than labels is dropped, since which of them lacks its label is not known.
    """
    draft = Draft()
    for number, (utterances, emotions) in enumerate(rows, 1):
        if len(utterances) != len(emotions):
            draft.drop("misaligned", len(emotions))
            continue
        key = normalise(" __eou__ ".join(utterances))
        for turn, (utterance, emotion) in enumerate(zip(utterances, emotions, strict=True), 1):
            if 0 <= emotion < len(DAILYDIALOG.labels):
                draft.keep(_record(f"{number:05}-{turn:02}", utterance, emotion, split), key)
            else:
                draft.drop("unknown_label")
    return draft


def _record(place: str, utterance: str, emotion: int, split: str) -> Record:
    return Record(
        id=f"dailydialog-{split}-{place}",
        text=detokenise(utterance),
        labels=(DAILYDIALOG.labels[emotion],),
        taxonomy=DAILYDIALOG.name,
        corpus="dailydialog",
        split=split,
    )


def _files(split: str) -> tuple[str, str]:
    return f"{split}/dialogues_{split}.txt", f"{split}/dialogues_emotion_{split}.txt"


CORPUS = Corpus(
    name="dailydialog",
    taxonomy=DAILYDIALOG,
    folder="dailydialog",
    files={"train": _files("train"), "dev": _files("validation"), "test": _files("test")},
    read=lambda texts, split: records(rows(*texts), split),
    # The corpus serves as a cross-corpus check, where a leaked test dialogue would flatter whoever trained on it.
    gives_way={"dev": {"dialogue_in_train": "train"}, "test": {"dialogue_in_train": "train"}},
    hub=HubSource(
        repo="li2017dailydialog/daily_dialog",
        revision="refs/convert/parquet",
        files={
            "train": "default/train/0000.parquet",
            "dev": "default/validation/0000.parquet",
            "test": "default/test/0000.parquet",
        },
        columns=("dialog", "emotion"),
        records=records,
    ),
)
