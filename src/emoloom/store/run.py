"""A run's folder: manifest, journal, one folder a cell, and what is drawn from them."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emoloom.errors import EmoLoomError
from emoloom.store.files import cannot_write, digest, readable_json, sha256_file, write_atomic
from emoloom.store.journal import Journal

MANIFEST = "manifest.json"
LEADERBOARD = "leaderboard.json"
TIMINGS = "timings.json"


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
        """What an interrupted cell needs to go on; removed when the cell is finished."""
        return self.path / "scratch"

    def finish(self, replies: list[dict[str, Any]], metrics: dict[str, Any]) -> None:
        """Publishes the results and drops the scratch folder."""
        write_atomic(self.replies_file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in replies))
        shutil.rmtree(self.scratch, ignore_errors=True)
        write_atomic(self.metrics_file, readable_json(metrics))

    def replies(self) -> list[dict[str, Any]]:
        """The finished cell's rows."""
        return [json.loads(line) for line in self.replies_file.read_text(encoding="utf-8").split("\n") if line]

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

    def cell(self, key: str) -> CellFolder:
        """The folder of the cell with this key."""
        return CellFolder(self.path / "cells" / key[:16])

    def write_json(self, name: str, value: Any) -> None:
        """Writes one of the run's JSON files."""
        write_atomic(self.path / name, readable_json(value))

    def read_json(self, name: str) -> Any:
        """Reads one of the run's JSON files.

        Raises:
            EmoLoomError: it is absent or damaged.
        """
        return _read_json(self.path / name)


def find_runs(folder: Path) -> list[RunFolder]:
    """The runs inside ``folder``, by name."""
    return [RunFolder(path.parent) for path in sorted(folder.glob(f"*/{MANIFEST}"))]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EmoLoomError(
            f"cannot read: {error.strerror}", where=str(path), remedy="Is this the folder of a run?"
        ) from error
    except ValueError as error:
        raise EmoLoomError(f"not JSON: {error}", where=str(path), remedy="Restore it from a copy.") from error


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds ``folder``; the lock goes with the process, so a crash leaves nothing to clear."""
    if sys.platform == "win32":
        yield
        return
    import fcntl
    import os

    lock = folder.parent / f".{folder.name}.lock"
    try:
        handle = lock.open("a+")
    except OSError as error:
        raise cannot_write(lock, error) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            raise EmoLoomError(
                f"the run is held by process {handle.read().strip() or 'unknown'}",
                where=str(folder),
                remedy="Wait for it to finish, or stop it.",
            ) from error
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
        lock.unlink()
