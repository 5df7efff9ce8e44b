"""The data folder and the text of the files in it."""

from __future__ import annotations

import gzip
import os
import zlib
from importlib.resources.abc import Traversable
from pathlib import Path

from emoloom.errors import EmoLoomError

DATA_VARIABLE = "EMOLOOM_DATA"


def data_folder(data_dir: Path | None) -> Path | None:
    """The folder that holds the corpora: ``data_dir``, else the environment variable ``EMOLOOM_DATA``, else None.

    Raises:
        EmoLoomError: the folder that is named does not exist.
    """
    value = data_dir or os.environ.get(DATA_VARIABLE)
    if not value:
        return None
    base = Path(value)
    if not base.is_dir():
        remedy = f"Pass --data-dir or set {DATA_VARIABLE} to an existing folder."
        raise EmoLoomError("the data folder does not exist", where=str(base), remedy=remedy)
    return base


def read_bytes(file: Traversable) -> bytes:
    """The content of a file.

    Raises:
        EmoLoomError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise EmoLoomError(f"cannot read the file: {error.strerror}", where=str(file)) from error


def decode(content: bytes, where: str) -> str:
    """The text of a file called ``where``, unpacked first when that name ends in ``.gz``; a byte order mark is left out.

    Raises:
        EmoLoomError: the content is not UTF-8, or not the gzip file that its name promises.
    """
    try:
        return (gzip.decompress(content) if where.endswith(".gz") else content).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EmoLoomError(f"not UTF-8 at byte {error.start}", where=where, remedy="Convert it.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise EmoLoomError(f"not a gzip file: {error}", where=where, remedy="Download it again.") from error
