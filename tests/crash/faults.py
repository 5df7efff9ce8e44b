"""What can befall a process while it works in a run's folder, made to happen at a chosen point.

Nothing in the product knows of it: Python's audit events tell of every file that is about to be opened, made, renamed or
removed, and a hook on them may end the process or refuse the call as the system would. What has no such event (making a file
durable, a line cut short half way) is wrapped here, in the process that is to suffer it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import emoloom.store.journal
import emoloom.store.rows
from emoloom.store.files import append, cannot_write

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"}

Act = Callable[[str], None]
"""What happens at a point: told the path, it ends the process, raises, or does nothing."""


def die(_: str) -> NoReturn:
    """SIGKILL: no handler runs, nothing is flushed."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def interrupt(_: str) -> None:
    """Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


def refuse(number: int) -> Act:
    """The system refuses the call: ENOSPC, EIO, EACCES."""

    def act(path: str) -> NoReturn:
        raise OSError(number, os.strerror(number), path)

    return act


@dataclass
class Points:
    """Counts the points at which something can befall work in ``folder``, and acts at the ``at``-th (from 1).

    Attributes:
        reads: whether files that are opened for reading count, too.
        seen: called at each point.
    """

    folder: Path
    at: int = 0
    act: Act = die
    reads: bool = False
    seen: Callable[[], None] = lambda: None
    count: int = 0

    def install(self) -> None:
        """From here on, for the life of this process."""
        self._paused = False
        self._places = (f"{self.folder}/", str(self.folder), str(self.folder.parent / f".{self.folder.name}."))
        sync = os.fsync

        def fsync(handle: int) -> None:
            self._point(_path_of(handle))
            sync(handle)

        def torn(path: Path, line: bytes, *, durable: bool) -> None:
            self._torn_point(path, line)
            append(path, line, durable=durable)

        os.fsync = fsync  # type: ignore[assignment]
        emoloom.store.journal.append = torn  # type: ignore[attr-defined]
        emoloom.store.rows.append = torn  # type: ignore[attr-defined]
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str | Path) and (flags & _WRITING or self.reads):
                self._point(str(path))
        elif event in _CHANGES:
            path, *rest = arguments
            beside = rest[-1] if rest and event in ("os.remove", "os.rmdir") else -1
            self._point(str(path) if beside in (None, -1) else f"{_path_of(beside)}/{path}")

    def _point(self, path: str) -> None:
        inside = path == self._places[1] or path.startswith((self._places[0], self._places[2]))
        if inside and not self._paused:
            self.count += 1
            self.seen()
            if self.count == self.at:
                self.act(path)

    def _torn_point(self, path: Path, line: bytes) -> None:
        """Before it happens, half of the line is written."""
        if self.count + 1 == self.at:
            self._paused = True
            with path.open("ab") as file:
                file.write(line[: len(line) // 2])
            self._paused = False
        try:
            self._point(str(path))
        except OSError as error:
            raise cannot_write(path, error) from error


def _path_of(handle: int) -> str:
    return str(Path(f"/proc/self/fd/{handle}").readlink())
