"""Files that are whole or absent, and their hashes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emoloom.errors import EmoLoomError

PARTIAL = ".partial"
"""How the name of a folder ends in which a file is being written; a crash leaves it behind."""


def write_atomic(path: Path, content: str | bytes) -> None:
    """Writes a file so that a reader, or a crash, meets the old content or the new, never a part.

    Raises:
        EmoLoomError: the place cannot be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent) as folder:
            partial = Path(folder) / path.name
            partial.write_bytes(data)
            sync(partial)
            partial.replace(path)
        sync(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def append(path: Path, line: bytes, *, durable: bool) -> None:
    """Adds a line to a file; a crash, or a full disk, may leave a part of it at the end. ``durable``: it outlives a power cut.

    Raises:
        EmoLoomError: the place cannot be written.
    """
    try:
        with path.open("ab") as file:
            file.write(line)
            file.flush()
            if durable:
                os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error


def cut(path: Path, size: int) -> None:
    """Shortens a file to its first ``size`` bytes, durably."""
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())


def cannot_write(path: Path, error: OSError) -> EmoLoomError:
    """The error for a place that refuses to be written."""
    return EmoLoomError(
        f"cannot write: {error.strerror or error}",
        where=str(path),
        remedy="Make room there, or choose a folder you may write to.",
    )


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turns what the system refuses in ``folder`` into a user's error that names the file, where the system names it.

    Raises:
        EmoLoomError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise EmoLoomError(
            f"the system refuses it: {error.strerror or error}",
            where=str(error.filename or folder),
            remedy="Look at the disk and at who may read and write there, then run the same command again.",
        ) from error


def sync(path: Path) -> None:
    """Makes a file's content, or the names inside a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_file(path: Path) -> str:
    """The hex sha256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> str:
    """One spelling for each JSON value: keys sorted, no spaces, UTF-8, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def readable_json(value: Any) -> str:
    """The spelling of the JSON files that people open: two spaces a level, keys in the order given."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: it is not JSON, or nests deeper than can be read.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it nests too deep") from error


def digest(value: Any) -> str:
    """The hex sha256 of a JSON value's canonical spelling."""
    return hashlib.sha256(canonical_json(value).encode("utf-8")).hexdigest()
