"""Files of chained lines: each line is a JSON object that holds the hash of the line before it and its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from emoloom.errors import EmoLoomError
from emoloom.store.files import canonical_json, digest, parse_json

GENESIS = "0" * 64
"""What the first line holds in place of its predecessor's hash."""

Line = dict[str, Any]


def chained(body: Mapping[str, Any], lines: list[Line]) -> Line:
    """The line that says ``body`` after ``lines``."""
    linked = {**body, "previous": lines[-1]["hash"] if lines else GENESIS}
    return {**linked, "hash": digest(linked)}


def chain(bodies: Iterable[Mapping[str, Any]]) -> list[Line]:
    """The lines that say ``bodies`` one after the other."""
    lines: list[Line] = []
    for body in bodies:
        lines.append(chained(body, lines))
    return lines


def spelled(line: Line) -> bytes:
    """A line as it stands in the file."""
    return canonical_json(line).encode("utf-8") + b"\n"


def body(line: Line) -> dict[str, Any]:
    """What a line says."""
    return {key: value for key, value in line.items() if key not in ("previous", "hash")}


def read_chain(path: Path) -> tuple[list[Line], bytes]:
    """The complete lines of a file, and what stands after them: an unfinished line, as a crash can leave. Neither if there is no
    file.

    Raises:
        EmoLoomError: a complete line is damaged or the chain is broken (``where`` holds file and line).
        OSError: it cannot be read.
    """
    content = path.read_bytes() if path.exists() else b""
    # Not splitlines(): a lone carriage return is damage, not a line's end.
    *complete, torn = content.split(b"\n")
    lines: list[Line] = []
    for number, raw in enumerate(complete, start=1):
        lines.append(_checked(raw, lines[-1]["hash"] if lines else GENESIS, f"{path}:{number}"))
    return lines, torn


def _checked(raw: bytes, previous: str, where: str) -> Line:
    remedy = "Restore the file from a copy, or remove the run's folder and run again."
    try:
        line = parse_json(raw)
        unhashed = {key: value for key, value in line.items() if key != "hash"}
        intact = spelled(line) == raw + b"\n" and line["hash"] == digest(unhashed) and line["previous"] == previous
    except (ValueError, KeyError, AttributeError) as error:
        raise EmoLoomError("the line is damaged", where=where, remedy=remedy) from error
    if not intact:
        raise EmoLoomError("the hash chain is broken", where=where, remedy=remedy)
    return dict(line)
