"""The lock of a folder: one process at a time, and the next one is told who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from emoloom.errors import EmoLoomError
from emoloom.store.files import cannot_write


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds ``folder``; the lock goes with the process, so a crash leaves nothing to clear.

    Raises:
        EmoLoomError: another process holds it, or the lock cannot be written.
    """
    lock = _lock_file(folder)
    with _held(lock, folder) as handle:
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def holder(folder: Path) -> str | None:
    """The number of the process that holds ``folder``; None if nobody does."""
    try:
        with _lock_file(folder).open(encoding="ascii") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return handle.read().strip() or "unknown"
    except FileNotFoundError:
        return None
    return None


def _lock_file(folder: Path) -> Path:
    # Beside the folder, of which every file is accounted for.
    real = folder.resolve()
    return real.parent / f".{real.name}.lock"


def _held(lock: Path, folder: Path) -> TextIO:
    """The lock file, opened and locked."""
    while True:
        try:
            # A link at that name is somebody else's file.
            opened = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
            handle = os.fdopen(opened, "a+", encoding="ascii")
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            with handle:
                handle.seek(0)
                pid = handle.read().strip() or "unknown"
            raise EmoLoomError(
                f"the run is held by process {pid}",
                where=str(folder),
                remedy="Wait for it to finish, or stop it.",
            ) from error
        except OSError as error:
            raise cannot_write(lock, error) from error
        # Whoever held it may have removed the file after it was opened here: such a lock keeps nobody out.
        if os.fstat(handle.fileno()).st_nlink:
            return handle
        handle.close()
