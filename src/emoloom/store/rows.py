"""Rows that a crash loses none of: a JSON line for each, added as it comes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emoloom.errors import EmoLoomError
from emoloom.store.files import append, cut, parse_json

Row = dict[str, Any]
"""A line of ``replies.jsonl``: corpus, id, reply, outcome (``parsed`` or the reason), repairs, and ``probabilities`` of the
labels where the readout has them."""


class Rows:
    """The rows of unfinished work.

    Attributes:
        kept: those that were added before a crash, in order.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file at ``path``, or begins it. A row that a crash cut short is dropped: its work is done again.

        Raises:
            EmoLoomError: a complete line is damaged.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        content = path.read_bytes() if path.exists() else b""
        *complete, torn = content.split(b"\n")
        if torn:
            cut(path, len(content) - len(torn))
        self.kept = [_row(line, f"{path}:{number}") for number, line in enumerate(complete, start=1)]

    def add(self, row: Row) -> None:
        """Keeps a row.

        Raises:
            EmoLoomError: it cannot be written.
        """
        append(self._path, json.dumps(row).encode("ascii") + b"\n", durable=False)


def _row(line: bytes, where: str) -> Row:
    try:
        row: Row = parse_json(line)
    except ValueError as error:
        raise EmoLoomError(
            f"the row is damaged: {error}", where=where, remedy="Remove this file to do the cell's work again."
        ) from error
    return row
