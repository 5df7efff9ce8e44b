"""How the runs of a folder stand, what they take on disk, and what can be cleared away."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from emoloom.errors import EmoLoomError
from emoloom.store.files import disk_errors
from emoloom.store.lock import holder, locked
from emoloom.store.run import MANIFEST, RunFolder

CLOSING = ("cell", "trained", "failed", "cut")
"""Events of the journal after which nothing is left to do on a cell."""


def cells_done(run: RunFolder) -> int:
    """How many cells the journal has as finished.

    Raises:
        EmoLoomError: the journal is damaged.
    """
    return sum(event["event"] in CLOSING for event in run.events())


def state(run: RunFolder) -> str:
    """One of: finished, running by process N, stopped (with the cells that are done), damaged (with the place)."""
    if process := holder(run.path):
        return f"running by process {process}"
    try:
        if run.is_sealed:
            return "finished"
        return f"stopped: {cells_done(run)} of {len(run.read_json(MANIFEST)['cells'])} cells done"
    except EmoLoomError as error:
        return f"damaged: {error.where.removeprefix(f'{run.path}/')}"


def disk_use(path: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(_size(file) for file in path.rglob("*") if not file.is_dir())


def _size(file: Path) -> int:
    # A screening under way removes its half-written files.
    with contextlib.suppress(FileNotFoundError):
        return file.lstat().st_size
    return 0


def leftovers(run: RunFolder) -> list[Path]:
    """The folders of a run that hold nothing but what can be made again: scratch of cells that are not finished (with their
    checkpoints), and half-written files."""
    return [*run.scratches(), *run.partials()]


def prune(run: RunFolder) -> None:
    """Removes the :func:`leftovers`; a run that is not finished then begins its open cells anew.

    Raises:
        EmoLoomError: a process holds the run, or something cannot be removed.
    """
    with disk_errors(run.path), locked(run.path):
        for folder in leftovers(run):
            # A half-written file may lie in a scratch folder.
            if folder.exists():
                shutil.rmtree(folder)
