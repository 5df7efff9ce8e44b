"""A run's folder: manifest, journal, one folder a cell, and what is drawn from them."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from emoloom.errors import EmoLoomError
from emoloom.store.chain import body, read_chain
from emoloom.store.files import (
    PARTIAL,
    cannot_write,
    digest,
    disk_errors,
    parse_json,
    readable_json,
    sha256_file,
    write_atomic,
)
from emoloom.store.journal import Journal
from emoloom.store.lock import locked
from emoloom.store.rows import Row
from emoloom.store.seal import SEAL, reseal, write_seal

MANIFEST = "manifest.json"
JOURNAL = "journal.jsonl"
LEADERBOARD = "leaderboard.json"
ABLATION = "ablation.json"
TIMINGS = "timings.json"
METRICS = "metrics.json"
"""In a cell: its figures."""
FAILURE = "failed.json"
"""In a cell, in place of its metrics: why it has none."""
NUMERICS = "numerics"
"""In a cell's metrics, and of all cells in the manifest of a finished run: what its forwards turned out to be."""
READ_FROM = "read_from"
"""In the manifest: the hub's addresses, with their commits, of the data that was read from there."""
_KEYS = {
    MANIFEST: {"config", "cells", "candidates", "lexicon", "constant_vad"},
    LEADERBOARD: {"rows", "rank_by", "ranking", "verdict", "probes"},
    ABLATION: {"unfinished", "arms", "differences", "verdict"},
    TIMINGS: {"cells"},
}

_CELLS = "cells"
_SCRATCH = "scratch"

_RESTORE = "Restore it from a copy, or remove the run's folder and run again."


def cell_path(key: str) -> str:
    """Where the cell with this key lies in the run's folder."""
    return f"{_CELLS}/{key[:16]}"


class CellFolder:
    """Where one cell's results lie: ``replies.jsonl`` and, written last, ``metrics.json``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def metrics_file(self) -> Path:
        """The commit marker: a cell that has it is finished."""
        return self.path / METRICS

    @property
    def replies_file(self) -> Path:
        """One line for each evaluated record."""
        return self.path / "replies.jsonl"

    @property
    def is_closed(self) -> bool:
        """Whether the cell has its result, or will have none."""
        return self.metrics_file.exists() or (self.path / FAILURE).exists()

    @property
    def scratch(self) -> Path:
        """What an interrupted cell needs to go on; dropped once the cell is finished."""
        return self.path / _SCRATCH

    def finish(self, replies: list[Row], metrics: dict[str, Any]) -> None:
        """Publishes the results and drops the scratch folder."""
        write_atomic(self.replies_file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in replies))
        write_atomic(self.metrics_file, readable_json(metrics))
        self.drop_scratch()

    @property
    def checkpoint(self) -> Path:
        """Where an interrupted training goes on."""
        return self.scratch / "checkpoint.safetensors"

    def keep(self, checkpoint: Path) -> None:
        """Takes a ``checkpoint`` in, if there is one, as a file of this cell."""
        if checkpoint.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            checkpoint.replace(self.path / checkpoint.name)

    def fail(self, reason: str, work: dict[str, int]) -> None:
        """Publishes that there is no result, why, and what was spent on it; drops the scratch folder."""
        write_atomic(self.path / FAILURE, readable_json({"reason": reason, "work": work}))
        self.drop_scratch()

    def failure(self) -> dict[str, Any] | None:
        """Why (``reason``) the cell has no result, and the ``work`` spent on it; None if it has one, or is not finished."""
        return self.read_json(FAILURE, {"reason", "work"}) if (self.path / FAILURE).exists() else None

    def drop_scratch(self) -> None:
        """Removes the scratch folder, if there is one."""
        if self.scratch.exists():
            shutil.rmtree(self.scratch)

    def drop(self) -> None:
        """Removes the folder of a cell that will not be finished."""
        # A file that stayed would be sealed.
        if self.path.exists():
            shutil.rmtree(self.path)

    def replies(self) -> list[Row]:
        """The finished cell's rows.

        Raises:
            EmoLoomError: the file cannot be read, or a line is damaged.
        """
        lines = enumerate(_read_text(self.replies_file).split("\n"), start=1)
        return [_parse_json(line, f"{self.replies_file}:{number}") for number, line in lines if line]

    def metrics(self) -> dict[str, Any] | None:
        """The finished cell's metrics, or None."""
        return _read_json(self.metrics_file) if self.metrics_file.exists() else None

    def read_json(self, name: str, keys: Set[str]) -> dict[str, Any]:
        """One of the cell's other JSON files, which holds these ``keys`` and perhaps more.

        Raises:
            EmoLoomError: it is absent or damaged, or lacks a key.
        """
        return _read_fields(self.path / name, keys)

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
            EmoLoomError: the folder cannot be read or written, now or while it is held, another process holds it, or it
                holds another plan.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        with disk_errors(self.path), locked(self.path):
            self._begin(manifest)
            self._sweep()
            yield Journal(self.path / JOURNAL)

    def _begin(self, manifest: dict[str, Any]) -> None:
        self.require(manifest)
        if not (self.path / MANIFEST).exists():
            write_atomic(self.path / MANIFEST, readable_json(manifest))

    def require(self, manifest: Mapping[str, Any]) -> None:
        """Nothing, where the folder is new or holds this plan.

        Raises:
            EmoLoomError: it holds another, or something else.
        """
        file = self.path / MANIFEST
        if not file.exists():
            self._require_empty()
            return
        theirs, ours = planned(_read_json(file)), planned(parse_json(readable_json(manifest)))
        if digest(theirs) != digest(ours):
            raise EmoLoomError(
                f"this folder holds a run of another plan; what differs: {', '.join(_differing(theirs, ours))}",
                where=str(self.path),
                remedy="Give the settings, --lexicon (or none) and --data-dir (or $EMOLOOM_DATA) that it was begun with, or "
                "choose another --out.",
            )

    def _require_empty(self) -> None:
        begun = f".{MANIFEST}.*{PARTIAL}"
        found = sorted(self.path.iterdir()) if self.path.exists() else []
        if others := [path.name for path in found if not path.match(begun)]:
            raise EmoLoomError(
                f"this folder holds no run, but other files, {others[0]} for one",
                where=str(self.path.absolute()),
                remedy="Choose a new folder for --out.",
            )

    def _sweep(self) -> None:
        """Removes what a crash left in the midst of writing a file or of finishing a cell."""
        for partial in self.partials():
            shutil.rmtree(partial)
        for cell in self._cells():
            if cell.is_closed:
                cell.drop_scratch()

    def _cells(self) -> list[CellFolder]:
        """The folders of its cells. Links are none of them: what lies behind them is not the run's."""
        folder = self.path / _CELLS
        paths = [] if folder.is_symlink() else sorted(folder.glob("*"))
        return [CellFolder(path) for path in paths if path.is_dir() and not path.is_symlink()]

    def partials(self) -> list[Path]:
        """The folders in which a crash left half a file."""
        pattern = f".*{PARTIAL}"
        inside = [path for cell in self._cells() for path in cell.path.rglob(pattern)]
        return [path for path in [*self.path.glob(pattern), *inside] if path.is_dir() and not path.is_symlink()]

    def scratches(self) -> list[Path]:
        """The scratch folders of all cells."""
        found = [cell.scratch for cell in self._cells()]
        return [path for path in found if path.is_dir() and not path.is_symlink()]

    def cell(self, key: str) -> CellFolder:
        """The folder of the cell with this key."""
        return CellFolder(self.path / cell_path(key))

    def write_json(self, name: str, value: Any) -> str:
        """Writes one of the run's JSON files; returns its sha256."""
        write_atomic(self.path / name, readable_json(value))
        return sha256_file(self.path / name)

    def timings(self) -> dict[str, Any]:
        """What ``timings.json`` holds; nothing where there is none yet.

        Raises:
            EmoLoomError: it is damaged.
        """
        timings: dict[str, Any] = self.read_json(TIMINGS) if (self.path / TIMINGS).exists() else {}
        return timings

    def events(self) -> list[dict[str, Any]]:
        """What the journal tells so far; an unfinished last line does not count.

        Raises:
            EmoLoomError: it is damaged.
        """
        return [body(line) for line in read_chain(self.path / JOURNAL)[0]]

    def complete(self, manifest: Mapping[str, Any], numerics: Mapping[str, Any]) -> str:
        """Writes the manifest with what only the work could tell, ``numerics``; returns its sha256."""
        return self.write_json(MANIFEST, {**manifest, NUMERICS: numerics})

    @property
    def is_sealed(self) -> bool:
        """Whether the run has finished."""
        return (self.path / SEAL).exists()

    def seal(self, board: str) -> None:
        """Ends the run whose result is the file called ``board``: writes down what every file holds. Once sealed, it stays so."""
        if not self.is_sealed:
            in_cells = [path for path in (self.path / _CELLS).rglob("*") if path.is_file()]
            names = [path.relative_to(self.path).as_posix() for path in in_cells]
            write_seal(self.path, [MANIFEST, JOURNAL, board, *names])

    def publish(self, name: str, content: str) -> Path:
        """Writes a file that is drawn from the run's others, and seals it if the run has finished.

        Raises:
            EmoLoomError: it cannot be written, the seal is damaged, or a process holds the run.
        """
        path = self.path / name
        with disk_errors(self.path), locked(self.path):
            write_atomic(path, content)
            if self.is_sealed:
                reseal(self.path, name)
        return path

    def read_json(self, name: str) -> Any:
        """Reads one of the run's JSON files.

        Raises:
            EmoLoomError: it is absent or damaged, or no such file of this version of EmoLoom.
        """
        if not (self.path / name).exists() and (self.path / MANIFEST).exists():
            raise EmoLoomError(
                f"the run has no {name}: it has not come to its end",
                where=str(self.path),
                remedy="Give the command again that began it; `emoloom runs` tells how far it is.",
            )
        return _read_fields(self.path / name, _KEYS[name])


def planned(manifest: Any) -> Any:
    """What of a manifest is the plan: not what only the work could tell, and not where the data came from."""
    beside = (NUMERICS, READ_FROM)
    return {key: manifest[key] for key in manifest if key not in beside} if isinstance(manifest, Mapping) else manifest


def _differing(one: Any, other: Any, inside: str = "") -> list[str]:
    """Where two manifests differ, as ``config.seed``. What follows from that, the cells' keys, is named only where nothing else
    is."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return [inside.removesuffix(".")] if one != other else []
    parts = [_differing(one.get(key), other.get(key), f"{inside}{key}.") for key in sorted(one.keys() | other.keys())]
    found = [place for part in parts for place in part]
    return [place for place in found if place != "cells"] or found


def find_runs(folder: Path) -> list[RunFolder]:
    """The runs inside ``folder``, by name."""
    return [RunFolder(path.parent) for path in sorted(folder.glob(f"*/{MANIFEST}"))]


def _read_fields(path: Path, keys: Set[str]) -> dict[str, Any]:
    content = _read_json(path)
    if not isinstance(content, dict) or not keys <= content.keys():
        raise EmoLoomError("not the file of a run, or of another version", where=str(path), remedy="Screen again.")
    return content


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
        return parse_json(text)
    except ValueError as error:
        raise EmoLoomError(f"not JSON: {error}", where=where, remedy=_RESTORE) from error
