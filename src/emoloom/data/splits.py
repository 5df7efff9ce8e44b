"""Splits with an account of every row: what was read, what was kept, what was dropped and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emoloom.contract.record import Record

SPLITS = ("train", "dev", "test")

HUB = "hf://"
"""How the address of a file on the Hugging Face hub begins."""

GivesWay = Mapping[str, Mapping[str, str]]
"""For each split, the splits whose texts it must not contain, by the reason that is given for dropping a row."""

TRAIN_GIVES_WAY: GivesWay = {"train": {"also_in_dev": "dev", "also_in_test": "test"}}
"""Evaluation splits stay whole, so that scores compare with published ones."""


@dataclass(frozen=True)
class SplitReport:
    """Where a split came from and what became of its rows; ``rows_read == rows_kept + sum(dropped.values())``.

    Attributes:
        dropped: reason -> number of rows, by name; only reasons that occurred.
        sha256: hex digest of the bytes of the file, or of all files one after the other.
        source: path of the file (or its folder), or the file's ``hf://`` address with its commit.
    """

    corpus: str
    split: str
    rows_read: int
    rows_kept: int
    dropped: Mapping[str, int]
    sha256: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        """The report without the place, which differs between machines, ready for JSON."""
        return {
            "corpus": self.corpus,
            "split": self.split,
            "rows_read": self.rows_read,
            "rows_kept": self.rows_kept,
            "dropped": dict(self.dropped),
            "sha256": self.sha256,
        }


@dataclass(frozen=True)
class Split:
    """The records of one split, in file order, and the report on them."""

    records: tuple[Record, ...]
    report: SplitReport


class Draft:
    """A split as one source gives it, before it is compared with the other splits."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.keys: list[str] = []
        self.dropped: Counter[str] = Counter()

    def keep(self, record: Record, key: str | None = None) -> None:
        """Adds a record unless its text is empty. Rows of two splits with the same ``key`` are duplicates."""
        if record.text.strip():
            self.records.append(record)
            self.keys.append(normalise(record.text) if key is None else key)
        else:
            self.drop("empty_text")

    def drop(self, reason: str, rows: int = 1) -> None:
        """Counts rows that are left out."""
        self.dropped[reason] += rows

    def without(self, others: Mapping[str, Draft]) -> Draft:
        """This draft less the records whose key occurs in another one, each counted under the first reason that holds."""
        known = {reason: set(other.keys) for reason, other in others.items()}
        rest = Draft()
        rest.dropped.update(self.dropped)
        for record, key in zip(self.records, self.keys, strict=True):
            reason = next((reason for reason, keys in known.items() if key in keys), None)
            if reason:
                rest.drop(reason)
            else:
                rest.keep(record, key)
        return rest

    def finish(self, corpus: str, split: str, *, sha256: str, source: str) -> Split:
        """The split with its report."""
        rows_read = len(self.records) + self.dropped.total()
        dropped = dict(sorted(self.dropped.items()))
        report = SplitReport(corpus, split, rows_read, len(self.records), dropped, sha256, source)
        return Split(tuple(self.records), report)


def normalise(text: str) -> str:
    """``text`` as it is compared: lower case, runs of white space as one space."""
    return " ".join(text.lower().split())
