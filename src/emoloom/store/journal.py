"""The journal of a run: append-only lines, each holding the hash of the one before it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from emoloom.errors import EmoLoomError
from emoloom.store.files import cannot_write, canonical_json, digest

GENESIS = "0" * 64
"""What the first line holds in place of its predecessor's hash."""


class Journal:
    """Records what happened in a run, the same events in the same order however often the run is taken up again.

    Events say what was done, never when: times belong into ``timings.json``. A run that is taken up again records the same
    events from the start, and those already on disk are compared instead of written.
    """

    def __init__(self, path: Path) -> None:
        """Opens the journal at ``path``, or begins it.

        Raises:
            EmoLoomError: a complete line is damaged or the chain is broken. An unfinished last line, which a crash can
                leave, is cut off.
        """
        self._path = path
        self._lines = self._read()
        self._next = 0

    def _read(self) -> list[dict[str, Any]]:
        content = self._path.read_bytes() if self._path.exists() else b""
        complete, _, torn = content.rpartition(b"\n")
        if torn:
            with self._path.open("r+b") as file:
                file.truncate(len(content) - len(torn))
        lines: list[dict[str, Any]] = []
        for number, raw in enumerate(complete.splitlines() if complete else [], start=1):
            previous = lines[-1]["hash"] if lines else GENESIS
            lines.append(_checked(raw, previous, f"{self._path}:{number}"))
        return lines

    def record(self, event: str, **facts: Any) -> None:
        """Writes an event, or checks it against the one recorded at this place before.

        Raises:
            EmoLoomError: the run took another course before, or the journal cannot be written.
        """
        body = {"event": event, **facts}
        if self._next < len(self._lines):
            known = {key: value for key, value in self._lines[self._next].items() if key not in ("previous", "hash")}
            if canonical_json(known) != canonical_json(body):
                raise EmoLoomError(
                    f"the run took another course before: {canonical_json(known)} there, {canonical_json(body)} now",
                    where=f"{self._path}:{self._next + 1}",
                    remedy="Choose another --out, or remove the run's folder.",
                )
        else:
            self._append(body)
        self._next += 1

    def _append(self, body: dict[str, Any]) -> None:
        chained = {**body, "previous": self._lines[-1]["hash"] if self._lines else GENESIS}
        line = {**chained, "hash": digest(chained)}
        try:
            with self._path.open("ab") as file:
                file.write(canonical_json(line).encode("utf-8") + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(self._path, error) from error
        self._lines.append(line)


def _checked(raw: bytes, previous: str, where: str) -> dict[str, Any]:
    remedy = "Restore the file from a copy, or remove the run's folder and run again."
    try:
        line = json.loads(raw)
        body = {key: value for key, value in line.items() if key != "hash"}
        spelled = canonical_json(line).encode("utf-8") == raw
        intact = spelled and line["hash"] == digest(body) and line["previous"] == previous
    except (ValueError, KeyError, AttributeError) as error:
        raise EmoLoomError("the journal line is damaged", where=where, remedy=remedy) from error
    if not intact:
        raise EmoLoomError("the journal's hash chain is broken", where=where, remedy=remedy)
    return dict(line)
