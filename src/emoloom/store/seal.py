"""The seal of a finished run: what each of its files holds, so that one changed byte is found and its place is known.

The journal pins the files of the cells; nothing in it can pin its own last line. The seal does, and is written last of all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from emoloom.errors import EmoLoomError
from emoloom.store.chain import body, chain, read_chain, spelled
from emoloom.store.files import write_atomic

SEAL = "seal.jsonl"

# A file is hashed in at most so many blocks beside its whole, none smaller than this many bytes.
_BLOCKS, _SMALLEST = 256, 64
# Digits of a block's hash: it only tells the place of a change that the whole file's hash has found.
_DIGITS = 8
_WEIGHTS = ".safetensors"


@dataclass(frozen=True)
class Fingerprint:
    """What a file holds.

    Attributes:
        size: in bytes.
        sha256: of the whole file, in hex.
        blocks: the first 8 hex digits of the sha256 of each block, one after the other.
    """

    size: int
    sha256: str
    blocks: str


def fingerprint(path: Path, like: int | None = None) -> Fingerprint:
    """The fingerprint of a file, in the blocks of a file of ``like`` bytes (by default its own size).

    Raises:
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    whole, blocks, read = hashlib.sha256(), list[str](), 0
    with path.open("rb") as file:
        while block := file.read(_block(size if like is None else like)):
            whole.update(block)
            blocks.append(hashlib.sha256(block).hexdigest()[:_DIGITS])
            read += len(block)
    return Fingerprint(read, whole.hexdigest(), "".join(blocks))


def write_seal(folder: Path, names: Iterable[str]) -> None:
    """Seals the files called ``names``, by their paths inside ``folder``."""
    _write(folder, {name: fingerprint(folder / name) for name in names})


def reseal(folder: Path, name: str) -> None:
    """Puts one file anew into the seal of ``folder`` and leaves all others as they are sealed.

    Raises:
        EmoLoomError: the seal is damaged.
    """
    _write(folder, {**read_seal(folder), name: fingerprint(folder / name)})


def read_seal(folder: Path) -> dict[str, Fingerprint]:
    """The sealed files by their paths inside ``folder``.

    Raises:
        EmoLoomError: the seal is damaged (``where`` holds file and line).
        OSError: it cannot be read.
    """
    path = folder / SEAL
    lines, torn = read_chain(path)
    place, remedy = f"{path}:{len(lines) + 1}", "Restore the file from a copy."
    if torn:
        raise EmoLoomError("the line is cut short", where=place, remedy=remedy)
    try:
        said = [body(line) for line in lines]
        return {str(fields.pop("file")): Fingerprint(**fields) for fields in said}
    except (KeyError, TypeError) as error:
        raise EmoLoomError("not the seal of a run", where=str(path), remedy=remedy) from error


def _write(folder: Path, files: dict[str, Fingerprint]) -> None:
    lines = chain({"file": name, **asdict(files[name])} for name in sorted(files))
    write_atomic(folder / SEAL, b"".join(map(spelled, lines)))


def changes(path: Path, sealed: Fingerprint) -> Iterator[tuple[str, str]]:
    """Yields the place and kind of every difference between a file and what was sealed.

    Raises:
        OSError: it cannot be read.
    """
    found = fingerprint(path, sealed.size)
    if found == sealed:
        return
    ranges = list(_ranges(_split(sealed.blocks), _split(found.blocks)))
    for first, last in ranges:
        start, end = first * _block(sealed.size), min((last + 1) * _block(sealed.size), found.size)
        yield _place(path, start, end), "not what was sealed"
    if found.size != sealed.size:
        yield f"byte {min(found.size, sealed.size)}", f"it has {found.size} bytes and was sealed with {sealed.size}"
    elif not ranges:
        yield f"bytes 0 to {found.size - 1}", "not what was sealed"


def _block(size: int) -> int:
    return max(_SMALLEST, -(-size // _BLOCKS))


def _split(blocks: str) -> list[str]:
    return [blocks[i : i + _DIGITS] for i in range(0, len(blocks), _DIGITS)]


def _ranges(sealed: list[str], found: list[str]) -> Iterator[tuple[int, int]]:
    """First and last block of every stretch that differs, as far as both files reach."""
    differing = [i for i, (one, other) in enumerate(zip(sealed, found, strict=False)) if one != other]
    starts = [i for before, i in pairwise([-2, *differing]) if i != before + 1]
    ends = [i for i, after in pairwise([*differing, -2]) if after != i + 1]
    yield from zip(starts, ends, strict=True)


def _place(path: Path, start: int, end: int) -> str:
    """A stretch of a file: its bytes, counted from 0, and, unless it holds weights, its lines, from 1."""
    stretch = f"bytes {start} to {end - 1}"
    if path.suffix == _WEIGHTS:
        return stretch
    content = path.read_bytes()
    first, last = (1 + content[:place].count(b"\n") for place in (start, end - 1))
    return f"line{f' {first}' if first == last else f's {first} to {last}'} ({stretch})"
