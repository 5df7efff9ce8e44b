"""The header of a GGUF file, read so that damage is an error and never an endless loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader

from emoloom.errors import EmoLoomError


class _BoundedReader(GGUFReader):  # type: ignore[misc]
    """GGUFReader gives an empty array past the end of the file, over which a damaged length would loop for ever."""

    def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> Any:
        if int(offset) + int(count) * np.dtype(dtype).itemsize > len(self.data):
            raise ValueError("it ends early")
        return super()._get(offset, dtype, count, override_order)


def read_header(gguf: Path) -> GGUFReader:
    """The parsed header; that it parses proves that every tensor it announces lies within the file.

    Raises:
        EmoLoomError: the file is not GGUF, is damaged or ends early.
    """
    with gguf.open("rb") as file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise EmoLoomError("this is not a GGUF file", where=str(gguf), remedy="Download the file again.")
    with readable(gguf):
        return _BoundedReader(gguf)


def gguf_licence(gguf: Path) -> str:
    """The licence that the header states, or "not stated".

    Raises:
        EmoLoomError: as :func:`read_header`.
    """
    field = read_header(gguf).get_field("general.license")
    return str(field.contents()) if field else "not stated"


@contextmanager
def readable(gguf: Path) -> Iterator[None]:
    """Name the file in the errors by which gguf and transformers reject a damaged or unsupported one."""
    try:
        yield
    except (ValueError, IndexError, KeyError, OverflowError, RuntimeError, OSError) as error:
        raise EmoLoomError(
            f"the GGUF file cannot be read: {error}",
            where=str(gguf),
            remedy="Download it again, or choose an architecture that transformers supports.",
        ) from error
