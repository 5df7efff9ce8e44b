"""What a screening does, noted outside of its folder as it does it: which replies it decodes and keeps, which steps it trains."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import emoloom.screen.cell
import emoloom.train.loop
from emoloom.contract.record import Request
from emoloom.screen.readouts.readout import Answer, Readout, Scored, Written
from emoloom.store.rows import Row, Rows

Reply = tuple[str, str]
"""Cell and record."""


@dataclass(frozen=True)
class Work:
    """What one process did.

    Attributes:
        asked: the replies that it set out to decode.
        kept: the replies that were finished and on disk.
        trained: optimizer steps.
        steps: everything that was noted.
    """

    asked: frozenset[Reply]
    kept: frozenset[Reply]
    trained: int
    steps: int

    @classmethod
    def read(cls, log: Path) -> Self:
        """From what :func:`watch` noted; a note that was cut short does not count."""
        lines = log.read_text("utf-8").split("\n")[:-1] if log.exists() else []
        notes = [json.loads(line) for line in lines]
        asked, kept = (frozenset((c, r) for what, c, r in notes if what == kind) for kind in ("asked", "kept"))
        return cls(asked, kept, sum(what == "trained" for what, _, _ in notes), len(notes))


def watch(log: Path, step: Callable[[], object]) -> None:
    """Notes in ``log`` all that this process does from here on, and calls ``step`` at each note."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    cell = ""

    def note(what: str, record: str = "") -> None:
        os.write(handle, json.dumps([what, cell, record]).encode() + b"\n")
        step()

    train_step = emoloom.train.loop._step

    class NotedRows(Rows):
        def __init__(self, path: Path) -> None:
            nonlocal cell
            cell = path.parent.parent.name
            super().__init__(path)

        def add(self, row: Row) -> None:
            super().add(row)
            note("kept", row["id"])

    def noted(answers: Callable[[Any, Sequence[Request]], Iterator[tuple[int, Answer]]]) -> Any:
        def noted_answers(self: Readout, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
            for request in requests:
                note("asked", request.id)
            yield from answers(self, requests)

        return noted_answers

    def noted_step(*arguments: Any) -> Any:
        note("trained")
        return train_step(*arguments)

    emoloom.screen.cell.Rows = NotedRows  # type: ignore[attr-defined]
    Written.answers = noted(Written.answers)  # type: ignore[method-assign]
    Scored.answers = noted(Scored.answers)  # type: ignore[method-assign]
    emoloom.train.loop._step = noted_step  # type: ignore[assignment]
