"""Word norms for valence, arousal and dominance, read from the published files and scaled to [0, 1]."""

from __future__ import annotations

import csv
import hashlib
import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from emoloom.errors import EmoLoomError

Vad = tuple[float, float, float]
"""Valence, arousal, dominance, in this order."""

Scale = tuple[float, float]
"""The lowest and the highest value that a rating can take."""

_FORMATS = (
    "Known formats: Warriner 2013 (CSV), NRC-VAD v1 or v2.1 (tab separated), ANEW 1999 (CSV or tab separated), "
    "or a CSV with the header `word,v,a,d` after a first line `# scale: LOW..HIGH`."
)
_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_SCALE_LINE = re.compile(rf"#\s*scale:\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*")


class _Header(NamedTuple):
    """One way of naming the columns (letters and digits only, lower case) and the scale it implies, if any."""

    delimiter: str
    word: frozenset[str]
    axes: tuple[frozenset[str], frozenset[str], frozenset[str]]
    scale: Scale | None


def _axes(*spellings: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Column names per axis; in a spelling, `*` stands for the axis name and its usual abbreviations."""
    names = (("valence", "val"), ("arousal", "aro"), ("dominance", "dom"))
    v, a, d = (frozenset(s.replace("*", n) for s in spellings for n in (*axis, axis[0][0])) for axis in names)
    return v, a, d


_WORD = frozenset({"word", "term", "description"})
_HEADERS = (
    _Header(",", frozenset({"word"}), _axes("*meansum"), (1.0, 9.0)),
    _Header("\t", frozenset({"term"}), _axes("*"), (-1.0, 1.0)),
    _Header("\t", frozenset({"word"}), _axes("*"), (0.0, 1.0)),
    _Header(",", _WORD, _axes("*mean", "*mn", "mean*"), (1.0, 9.0)),
    _Header("\t", _WORD, _axes("*mean", "*mn", "mean*"), (1.0, 9.0)),
    _Header(",", frozenset({"word", "term"}), _axes("*"), None),
)


class _Row(NamedTuple):
    line: int
    cells: list[str]


class _Table(NamedTuple):
    """The rows below the header, where the word and the three ratings stand in them, and the scale."""

    rows: list[_Row]
    columns: tuple[int, int, int, int]
    scale: Scale | None


@dataclass(frozen=True)
class Lexicon:
    """Norms of words and multi-word terms.

    Attributes:
        name: how the lexicon is called in records and reports.
        entries: term (lower case, straight apostrophes, single spaces) to (v, a, d), each in [0, 1].
        max_words: words in the longest term.
        sha256: hex digest of the file the entries were read from.
    """

    name: str
    entries: dict[str, Vad]
    max_words: int
    sha256: str

    @cached_property
    def centre(self) -> Vad:
        """Mean of all entries per axis, in [0, 1]: the neutral point of the norms."""
        n = len(self.entries)
        v, a, d = (math.fsum(axis) / n for axis in zip(*self.entries.values(), strict=True))
        return v, a, d

    @cached_property
    def spread(self) -> Vad:
        """Population standard deviation of all entries per axis; 1 on an axis that does not vary."""
        n = len(self.entries)
        axes = zip(zip(*self.entries.values(), strict=True), self.centre, strict=True)
        squares = ([(x - centre) ** 2 for x in axis] for axis, centre in axes)
        v, a, d = (math.sqrt(math.fsum(axis) / n) or 1.0 for axis in squares)
        return v, a, d

    @classmethod
    def read(cls, path: Path | str, *, name: str | None = None) -> Lexicon:
        """Reads a norms file, recognising its format by content.

        An NRC-VAD file without a header is v2.1 (-1..1) when any value is negative and v1 (0..1) otherwise. Of
        spellings that differ only by case (Warriner rates both `AIDS` and `aids`) the lower-case one is kept, else the
        first.

        Args:
            path: the file, UTF-8.
            name: the lexicon's name; the file's stem by default.

        Raises:
            EmoLoomError: the file is missing, empty, of unknown format or undeclared scale, or has a value that is no
                number or off the scale, or one spelling with two different ratings.
        """
        path = Path(path)
        try:
            content = path.read_bytes()
            text = content.decode("utf-8-sig")
        except OSError as error:
            raise EmoLoomError(f"cannot read the lexicon: {error.strerror}", where=str(path)) from error
        except UnicodeDecodeError as error:
            raise EmoLoomError(f"not UTF-8 at byte {error.start}", where=str(path), remedy="Convert it.") from error
        entries = _entries(_table(text, path), path)
        max_words = max(len(term.split()) for term in entries)
        return cls(name or path.stem, entries, max_words, hashlib.sha256(content).hexdigest())


def normalise_term(term: str) -> str:
    """The key under which a term is stored: lower case, straight apostrophes, single spaces."""
    return " ".join(term.lower().replace("’", "'").split())


def _entries(table: _Table, path: Path) -> dict[str, Vad]:
    low, high = table.scale or _undeclared(path)
    if not low < high:
        raise EmoLoomError(f"scale {low:g}..{high:g} is empty", where=str(path), remedy="Give it as LOW..HIGH.")
    entries: dict[str, Vad] = {}
    seen: dict[str, tuple[int, Vad]] = {}
    for row in table.rows:
        where = f"{path}:{row.line}"
        spelling, vad = _entry(row, table.columns, (low, high), where)
        line, first = seen.setdefault(spelling, (row.line, vad))
        if first != vad:
            problem = f"{spelling!r} already has other values in line {line}"
            raise EmoLoomError(problem, where=where, remedy="Remove one of the two lines.")
        term = normalise_term(spelling)
        if term == spelling or term not in entries:
            entries[term] = vad
    return entries


def _entry(row: _Row, columns: tuple[int, int, int, int], scale: Scale, where: str) -> tuple[str, Vad]:
    if len(row.cells) <= max(columns):
        raise EmoLoomError(f"{len(row.cells)} columns, at least {max(columns) + 1} needed", where=where)
    spelling = " ".join(row.cells[columns[0]].split())
    if not spelling:
        raise EmoLoomError("the word is empty", where=where)
    v, a, d = (_scaled(row.cells[column], scale, where) for column in columns[1:])
    return spelling, (v, a, d)


def _scaled(cell: str, scale: Scale, where: str) -> float:
    low, high = scale
    value = _number(cell)
    if value is None:
        raise EmoLoomError(f"{cell!r} is not a number", where=where)
    if not low <= value <= high:
        problem = f"{value:g} is outside the scale {low:g}..{high:g}"
        raise EmoLoomError(problem, where=where, remedy="Declare the scale on which the words were rated.")
    return (value - low) / (high - low)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _undeclared(path: Path) -> Scale:
    raise EmoLoomError(
        "the scale is not declared", where=f"{path}:1", remedy="Make the first line `# scale: LOW..HIGH`."
    )


def _table(text: str, path: Path) -> _Table:
    rows, delimiter, declared = _rows(text, path)
    if not rows:
        raise EmoLoomError("the lexicon is empty", where=str(path), remedy=_FORMATS)
    table = _with_header(rows, delimiter, declared) or _headerless(rows, delimiter, declared)
    if table is None:
        raise EmoLoomError("unknown lexicon format", where=f"{path}:{rows[0].line}", remedy=_FORMATS)
    if not table.rows:
        raise EmoLoomError("the lexicon has a header but no words", where=str(path))
    return table


def _rows(text: str, path: Path) -> tuple[list[_Row], str, Scale | None]:
    """Non-blank rows, the delimiter, and the scale that the first line declares."""
    lines = text.splitlines()
    match = _SCALE_LINE.fullmatch(lines[0]) if lines else None
    skipped = 1 if match else 0
    body = lines[skipped:]
    delimiter = "\t" if any("\t" in line for line in body[:1]) else ","
    quoted = delimiter == ","
    reader = csv.reader(body, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
    try:
        rows = [_Row(reader.line_num + skipped, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise EmoLoomError(f"broken CSV: {error}", where=f"{path}:{reader.line_num + skipped}") from error
    return rows, delimiter, (float(match[1]), float(match[2])) if match else None


def _with_header(rows: list[_Row], delimiter: str, declared: Scale | None) -> _Table | None:
    names = [re.sub(r"[^a-z0-9]", "", cell.lower()) for cell in rows[0].cells]
    for header in _HEADERS:
        wanted = (header.word, *header.axes)
        found = [next((i for i, name in enumerate(names) if name in spellings), -1) for spellings in wanted]
        if header.delimiter == delimiter and min(found) >= 0:
            word, v, a, d = found
            return _Table(rows[1:], (word, v, a, d), declared or header.scale)
    return None


def _headerless(rows: list[_Row], delimiter: str, declared: Scale | None) -> _Table | None:
    """NRC-VAD without a header: tab separated, a term and three numbers in the first row."""
    first = rows[0].cells
    if delimiter != "\t" or len(first) != 4 or any(_number(cell) is None for cell in first[1:]):
        return None
    negative = any((_number(cell) or 0.0) < 0 for row in rows for cell in row.cells[1:])
    return _Table(rows, (0, 1, 2, 3), declared or ((-1.0, 1.0) if negative else (0.0, 1.0)))
