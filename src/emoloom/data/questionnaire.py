"""Texts whose writers (or annotators) said how they appraised the event, and what there is to know about such a corpus."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from emoloom.errors import EmoLoomError

Atoms = tuple[float | None, float | None, float | None, float | None]
"""One value in [0, 1] for each of :data:`emoloom.contract.affect.ATOMS`, in that order; None where nothing is known."""


@dataclass(frozen=True)
class Appraised:
    """A text with its appraisal.

    Attributes:
        text: without line breaks, and without the emotion word where the corpus has a form that hides it.
        group: the person who wrote it, or None where the corpus does not say.
        emotion: the emotion that the text was written for, in the corpus's own words, lower case.
        atoms: the four atoms.
        answers: everything that was said about the event, name -> value in [0, 1]. A code is its own name with the value
            1, such as ``CAUS=2``; a name that is absent counts as 0.
    """

    text: str
    group: str | None
    emotion: str
    atoms: Atoms
    answers: Mapping[str, float]


@dataclass
class Draft:
    """The usable rows of a file in order, and how many were dropped for which reason."""

    rows: list[Appraised] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Questionnaire:
    """A corpus of appraised texts: where it lies and how it is read.

    Attributes:
        folder, file: its folder inside the data folder, and the one file that is read.
        licence: the terms and what to cite.
        read: text of the file -> draft.
    """

    name: str
    folder: str
    file: str
    licence: str
    read: Callable[[str], Draft]


def table(
    text: str, columns: tuple[str, ...], file: str, *, delimiter: str = ",", quoted: bool = True
) -> list[dict[str, str]]:
    """The rows of a delimited file by column name; a cell that a short row lacks is empty.

    Raises:
        EmoLoomError: one of ``columns`` is missing.
    """
    lines = io.StringIO(text, newline="")
    if quoted:
        reader = csv.DictReader(lines, restval="", delimiter=delimiter)
    else:
        reader = csv.DictReader(lines, restval="", delimiter=delimiter, quoting=csv.QUOTE_NONE)
    missing = sorted(set(columns) - set(reader.fieldnames or ()))
    if missing:
        raise EmoLoomError(f"no column {', '.join(missing)}", where=f"{file}:1", remedy="Use the official file.")
    return list(reader)


def scaled(rating: str, low: int, high: int) -> float:
    """A whole number in ``low..high`` on [0, 1].

    Raises:
        ValueError: it is no such number.
    """
    if not low <= int(rating) <= high:
        raise ValueError(rating)
    return (int(rating) - low) / (high - low)
