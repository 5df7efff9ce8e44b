"""Files that are whole or absent, and their hashes."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
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


def cannot_write(path: Path, error: OSError) -> EmoLoomError:
    """The error for a place that refuses to be written."""
    return EmoLoomError(
        f"cannot write: {error.strerror or error}",
        where=str(path),
        remedy="Make room there, or choose a folder you may write to.",
    )


def sync(path: Path) -> None:
    """Makes a file's content, or the names inside a folder, durable."""
    if sys.platform == "win32" and path.is_dir():
        return
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


def digest(value: Any) -> str:
    """The hex sha256 of a JSON value's canonical spelling."""
    return hashlib.sha256(canonical_json(value).encode("utf-8")).hexdigest()
