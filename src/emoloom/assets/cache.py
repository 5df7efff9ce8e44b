"""The cache on disk: a folder appears in it whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from emoloom.errors import EmoLoomError
from emoloom.store.files import parse_json, sha256_file, sync, write_atomic

Say = Callable[[str], None]
"""Told, in one line each, what takes long and which terms apply."""

MARKER = "asset.json"
"""The commit marker: written last, so a cached folder that holds it is complete."""

_RACY_SECONDS = 2.0


@dataclass(frozen=True)
class Asset:
    """What a cached folder holds and where that came from; the content of its commit marker.

    Args:
        name: the name it was asked for.
        source: the exact origin, with version or checksum.
        licence: the terms it may be used under.
        converter: the converter with its versions, or "none" for files kept as published.
        files: sha256 of every file, by file name.
    """

    name: str
    source: str
    licence: str
    converter: str
    files: dict[str, str]


def silent(_: str) -> None:
    """Say nothing."""


def cache_root() -> Path:
    """$EMOLOOM_CACHE, else $XDG_CACHE_HOME/emoloom, else ~/.cache/emoloom."""
    if own := os.environ.get("EMOLOOM_CACHE"):
        return Path(own).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "emoloom"


def read_asset(folder: Path) -> Asset | None:
    """The commit marker of a cached folder, or None when the folder is absent or incomplete.

    Raises:
        EmoLoomError: the marker cannot be read.
    """
    marker = folder / MARKER
    if not marker.is_file():
        return None
    try:
        return Asset(**parse_json(marker.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise EmoLoomError(
            f"the cached folder's marker cannot be read ({error})",
            where=str(marker),
            remedy="Delete the folder; it is made again when needed.",
        ) from error


def publish_folder(
    folder: Path, build: Callable[[Path], None], *, name: str, source: str, licence: str, converter: str = "none"
) -> Asset:
    """The asset in `folder`, built first unless it is already complete; processes that want the same one wait.

    Args:
        folder: where the asset shall lie.
        build: writes the files (no subfolders) into the empty folder it is given.
        name, source, licence, converter: see :class:`Asset`.

    Raises:
        EmoLoomError: the cache cannot be written. Whatever else `build` raises passes through and leaves nothing behind.
    """
    with _writing(folder.parent), locked(folder):
        if asset := read_asset(folder):
            return asset
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            build(partial)
            files = {path.name: sha256_file(path) for path in sorted(partial.iterdir())}
            asset = Asset(name, source, licence, converter, files)
            (partial / MARKER).write_text(json.dumps(asdict(asset), indent=2) + "\n", "utf-8")
            for path in partial.iterdir():
                sync(path)
            sync(partial)
            shutil.rmtree(folder, ignore_errors=True)
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        sync(folder.parent)
        return asset


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file beside `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmoLoomError(
            f"the cache cannot be written ({error})",
            where=str(folder),
            remedy="Make room there, or set EMOLOOM_CACHE to a folder you can write to.",
        ) from error


def remembered_sha256(path: Path) -> str:
    """The hex sha256 of a file, read again only when its path, size or modification time is new.

    A file modified within the last two seconds is not remembered: a second change could keep size and time.
    """
    path = path.resolve()
    stat = path.stat()
    key = hashlib.sha256(
        f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ctime_ns}\0{stat.st_ino}".encode()
    ).hexdigest()
    memo = cache_root() / "hashes" / key
    if memo.is_file():
        return memo.read_text("utf-8")
    digest = sha256_file(path)
    if time.time() - stat.st_mtime > _RACY_SECONDS:
        # Where nothing can be remembered, such as in a cache shared read-only, the file is read again.
        with contextlib.suppress(EmoLoomError):
            write_atomic(memo, digest)
    return digest
