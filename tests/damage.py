"""Changes a byte of a run's files and cuts its journal off, and looks whether a check tells."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from pathlib import Path

from emoloom.store.check import check


def watched_files(folder: Path) -> list[Path]:
    """Every file of a run that must not change."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "timings.json")


def change_a_byte(folder: Path, rng: random.Random) -> str:
    """Changes one byte somewhere and puts it back; what was wrong with the findings, nothing if they name file and place."""
    # Probes leave an empty file of replies.
    path = rng.choice([file for file in watched_files(folder) if file.stat().st_size])
    content = path.read_bytes()
    offset = rng.randrange(len(content))
    changed = bytearray(content)
    changed[offset] ^= rng.randrange(1, 256)
    path.write_bytes(changed)
    problem = _misplaced(folder, path, offset)
    path.write_bytes(content)
    return problem


def _misplaced(folder: Path, path: Path, offset: int) -> str:
    name = path.relative_to(folder).as_posix()
    findings = [finding for finding in check(folder).findings if finding.file == name]
    line = 1 + path.read_bytes()[:offset].count(b"\n")
    for finding in findings:
        lines, stretch = _lines_and_bytes(finding.place)
        # A line feed that is changed, or made, joins or parts two lines.
        near = lines is None or any(n in lines for n in (line - 1, line, line + 1))
        if not (lines or stretch) or not near or not (stretch is None or offset in stretch):
            return f"{name} at {offset}: {finding}"
    return "" if findings else f"{name} at {offset}: not found"


def _lines_and_bytes(place: str) -> tuple[range | None, range | None]:
    """The lines (from 1) and bytes that a finding's place covers."""
    lines = re.search(r"lines? (\d+)(?: to (\d+))?", place)
    stretch = re.search(r"bytes (\d+) to (\d+)", place)
    return (
        range(int(lines[1]), int(lines[2] or lines[1]) + 1) if lines else None,
        range(int(stretch[1]), int(stretch[2]) + 1) if stretch else None,
    )


def unnoticed_cuts(path: Path, lengths: Iterable[int]) -> list[int]:
    """Those of the ``lengths`` to which a run's file could be cut off without a finding; it is put back."""
    content = path.read_bytes()
    unnoticed = []
    for length in lengths:
        path.write_bytes(content[:length])
        if not any(finding.file == path.name for finding in check(path.parent).findings):
            unnoticed.append(length)
    path.write_bytes(content)
    return unnoticed
