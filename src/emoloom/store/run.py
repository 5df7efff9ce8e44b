"""A run's folder: manifest, journal, one folder a cell, and what is drawn from them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from emoloom.errors import EmoLoomError
from emoloom.store.files import PARTIAL, cannot_write, digest, readable_json, sha256_file, write_atomic
from emoloom.store.journal import Journal

MANIFEST = "manifest.json"
LEADERBOARD = "leaderboard.json"
ABLATION = "ablation.json"
TIMINGS = "timings.json"
_KEYS = {
    MANIFEST: {"config", "cells", "candidates", "lexicon", "constant_vad"},
    LEADERBOARD: {"rows", "ranking", "verdict", "probes"},
    ABLATION: {"arms", "differences"},
    TIMINGS: {"cells"},
}

_RESTORE = "Restore it from a copy, or remove the run's folder and run again."


class CellFolder:
    """Where one cell's results lie: ``replies.jsonl`` and, written last, ``metrics.json``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def metrics_file(self) -> Path:
        """The commit marker: a cell that has it is finished."""
        return self.path / "metrics.json"

    @property
    def replies_file(self) -> Path:
        """One line for each evaluated record."""
        return self.path / "replies.jsonl"

    @property
    def scratch(self) -> Path:
        """What an interrupted cell needs to go on; dropped once the cell is finished."""
        return self.path / "scratch"

    def finish(self, replies: list[dict[str, Any]], metrics: dict[str, Any]) -> None:
        """Publishes the results and drops the scratch folder."""
        write_atomic(self.replies_file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in replies))
        write_atomic(self.metrics_file, readable_json(metrics))
        self.drop_scratch()

    def drop_scratch(self) -> None:
        """Removes the scratch folder, if there is one."""
        shutil.rmtree(self.scratch, ignore_errors=True)

    def replies(self) -> list[dict[str, Any]]:
        """The finished cell's rows.

        Raises:
            EmoLoomError: the file cannot be read, or a line is damaged.
        """
        lines = enumerate(_read_text(self.replies_file).split("\n"), start=1)
        return [_parse_json(line, f"{self.replies_file}:{number}") for number, line in lines if line]

    def metrics(self) -> dict[str, Any] | None:
        """The finished cell's metrics, or None."""
        return _read_json(self.metrics_file) if self.metrics_file.exists() else None

    def hashes(self) -> dict[str, str]:
        """sha256 of every file of the finished cell, by its path inside it."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file())
        return {path.relative_to(self.path).as_posix(): sha256_file(path) for path in files}


class RunFolder:
    """One run on disk, held by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def opened(self, manifest: dict[str, Any]) -> Iterator[Journal]:
        """Holds the folder and yields its journal; begins the run, or takes it up again if it is the same plan.

        Raises:
            EmoLoomError: the folder cannot be written, another process holds it, or it holds another plan.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        with _locked(self.path):
            self._begin(manifest)
            self._sweep()
            yield Journal(self.path / "journal.jsonl")

    def _begin(self, manifest: dict[str, Any]) -> None:
        file = self.path / MANIFEST
        if not file.exists():
            write_atomic(file, readable_json(manifest))
        elif digest(_read_json(file)) != digest(json.loads(readable_json(manifest))):
            raise EmoLoomError(
                "this folder holds a run of another plan",
                where=str(self.path),
                remedy="Choose another --out, or remove the folder.",
            )

    def _sweep(self) -> None:
        """Removes what a crash left in the midst of writing a file or of finishing a cell."""
        for partial in list(self.path.rglob(f".*{PARTIAL}")):
            shutil.rmtree(partial, ignore_errors=True)
        for path in (self.path / "cells").glob("*"):
            if CellFolder(path).metrics_file.exists():
                CellFolder(path).drop_scratch()

    def cell(self, key: str) -> CellFolder:
        """The folder of the cell with this key."""
        return CellFolder(self.path / "cells" / key[:16])

    def write_json(self, name: str, value: Any) -> None:
        """Writes one of the run's JSON files."""
        write_atomic(self.path / name, readable_json(value))

    def read_json(self, name: str) -> Any:
        """Reads one of the run's JSON files.

        Raises:
            EmoLoomError: it is absent or damaged, or no such file of this version of EmoLoom.
        """
        content = _read_json(self.path / name)
        if not isinstance(content, dict) or not _KEYS[name] <= content.keys():
            raise EmoLoomError(
                "not the file of a run, or of another version", where=str(self.path / name), remedy="Screen again."
            )
        return content


def find_runs(folder: Path) -> list[RunFolder]:
    """The runs inside ``folder``, by name."""
    return [RunFolder(path.parent) for path in sorted(folder.glob(f"*/{MANIFEST}"))]


def _read_json(path: Path) -> Any:
    return _parse_json(_read_text(path), str(path))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise EmoLoomError(
            f"cannot read: {error.strerror}", where=str(path), remedy="Is this the folder of a run?"
        ) from error
    except UnicodeDecodeError as error:
        raise EmoLoomError(f"not UTF-8 at byte {error.start}", where=str(path), remedy=_RESTORE) from error


def _parse_json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise EmoLoomError(f"not JSON: {error}", where=where, remedy=_RESTORE) from error


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds ``folder``; the lock goes with the process, so a crash leaves nothing to clear."""
    if sys.platform == "win32":
        yield
        return
    real = folder.resolve()
    lock = real.parent / f".{real.name}.lock"
    with _held(lock, folder) as handle:
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _held(lock: Path, folder: Path) -> TextIO:
    """The lock file, opened and locked."""
    import fcntl

    while True:
        try:
            handle = lock.open("a+", encoding="ascii")
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            with handle:
                handle.seek(0)
                holder = handle.read().strip() or "unknown"
            raise EmoLoomError(
                f"the run is held by process {holder}",
                where=str(folder),
                remedy="Wait for it to finish, or stop it.",
            ) from error
        except OSError as error:
            raise cannot_write(lock, error) from error
        # Whoever held it may have removed the file after it was opened here: such a lock keeps nobody out.
        if os.fstat(handle.fileno()).st_nlink:
            return handle
        handle.close()
