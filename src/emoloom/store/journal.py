"""The journal of a run: append-only lines, each holding the hash of the one before it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from emoloom.errors import EmoLoomError
from emoloom.store.chain import body, chained, read_chain, spelled
from emoloom.store.files import append, canonical_json, cut, write_atomic

_TORN = ".torn-"


class Journal:
    """Records what happened in a run, the same events in the same order however often the run is taken up again.

    Events say what was done, never when: times belong into ``timings.json``. A run that is taken up again records the same
    events from the start, and those already on disk are compared instead of written.

    Attributes:
        set_aside: what was done with an unfinished last line, in one sentence; empty if there was none.
    """

    def __init__(self, path: Path) -> None:
        """Opens the journal at ``path``, or begins it.

        An unfinished last line, which a crash can leave, is moved to a file of its own beside the journal
        (``journal.torn-HASH``); :meth:`settle` removes it once it is accounted for.

        Raises:
            EmoLoomError: a complete line is damaged or the chain is broken.
        """
        self._path = path
        self._lines, torn = read_chain(path)
        self._next = 0
        self.set_aside = self._set_aside(torn) if torn else ""

    def _set_aside(self, torn: bytes) -> str:
        # Named by its content: nothing is overwritten, and a crash before the cut sets the same file aside again.
        file = self._path.with_name(f"{self._path.stem}{_TORN}{hashlib.sha256(torn).hexdigest()[:8]}")
        write_atomic(file, torn)
        cut(self._path, self._path.stat().st_size - len(torn))
        place = f"{self._path}:{len(self._lines) + 1}"
        return f"{place}: the last line was cut short; its {len(torn)} bytes are set aside in {file.name}"

    @property
    def ahead(self) -> dict[str, Any] | None:
        """The event that an earlier process recorded at this place; None where there is none yet."""
        return body(self._lines[self._next]) if self._next < len(self._lines) else None

    def record(self, event: str, **facts: Any) -> None:
        """Writes an event, or checks it against the one recorded at this place before.

        Raises:
            EmoLoomError: the run took another course before, or the journal cannot be written.
        """
        said = {"event": event, **facts}
        if known := self.ahead:
            if canonical_json(known) != canonical_json(said):
                raise EmoLoomError(
                    f"the run took another course before: {canonical_json(known)} there, {canonical_json(said)} now",
                    where=f"{self._path}:{self._next + 1}",
                    remedy="Choose another --out, or remove the run's folder.",
                )
        else:
            line = chained(said, self._lines)
            append(self._path, spelled(line), durable=True)
            self._lines.append(line)
        self._next += 1

    def settle(self) -> None:
        """Removes what was set aside and is the beginning of a line that has been recorded since: a crash cut it short, and
        nothing is lost. Anything else stays."""
        lines = [spelled(line) for line in self._lines]
        for file in self._path.parent.glob(f"{self._path.stem}{_TORN}*"):
            torn = file.read_bytes()
            if any(line.startswith(torn) for line in lines):
                file.unlink()
