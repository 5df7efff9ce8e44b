"""Whether a run's files are still what was written: the journal's chain, every hash, nothing missing, nothing added."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emoloom.errors import EmoLoomError
from emoloom.store.chain import body, read_chain
from emoloom.store.files import digest, parse_json, sha256_file
from emoloom.store.run import JOURNAL, MANIFEST, TIMINGS, cell_path, planned
from emoloom.store.seal import SEAL, Fingerprint, changes, read_seal

_WHOLE = "whole file"


@dataclass(frozen=True)
class Finding:
    """Something in a run that is not what was written: the file by its path in the run, the place in it, what is wrong."""

    file: str
    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: {self.problem}"


@dataclass
class Check:
    """What a check looked at, and what it found."""

    files: int = 0
    events: int = 0
    findings: list[Finding] = field(default_factory=list)

    def find(self, file: str, place: str, problem: str) -> None:
        """Notes a finding."""
        self.findings.append(Finding(file, place, problem))


def check(folder: Path) -> Check:
    """Compares every file of a run but ``timings.json`` with the seal and with the journal.

    Raises:
        EmoLoomError: there is no run in ``folder``.
    """
    if not any((folder / name).is_file() for name in (MANIFEST, JOURNAL, SEAL)):
        raise EmoLoomError("there is no run", where=str(folder), remedy="Name the folder of a run.")
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if _holds(path)}
    paths.pop(TIMINGS, None)
    result = Check(files=len(paths))
    events = _events(folder, result)
    sealed = _sealed(folder, result) if SEAL in paths else None
    if sealed is not None:
        _hold_against_seal(paths, sealed, result)
    elif SEAL not in paths:
        finished = any(event["event"] == "finished" for event in events)
        problem = "missing" if finished else "missing: the run has not finished; run its command again"
        result.find(SEAL, _WHOLE, problem)
    _hold_against_journal(paths, events, result)
    return result


def _holds(path: Path) -> bool:
    """Whether a path is something that somebody put there: a file, a link, or a folder without either."""
    return path.is_symlink() or not path.is_dir() or not any(path.iterdir())


def _events(folder: Path, result: Check) -> list[dict[str, Any]]:
    """What the journal tells, nothing if it is damaged."""
    try:
        lines, torn = read_chain(folder / JOURNAL)
    except EmoLoomError as error:
        result.find(JOURNAL, _line(error), error.problem)
        return []
    except OSError as error:
        result.find(JOURNAL, _WHOLE, f"cannot be read: {error.strerror}")
        return []
    if torn:
        result.find(JOURNAL, f"line {len(lines) + 1}", "the line is cut short")
    result.events = len(lines)
    return [body(line) for line in lines]


def _sealed(folder: Path, result: Check) -> dict[str, Fingerprint] | None:
    """The seal, None if it is damaged."""
    try:
        return read_seal(folder)
    except EmoLoomError as error:
        result.find(SEAL, _line(error), error.problem)
    except OSError as error:
        result.find(SEAL, _WHOLE, f"cannot be read: {error.strerror}")
    return None


def _line(error: EmoLoomError) -> str:
    number = error.where.rpartition(":")[2]
    return f"line {number}" if number.isdigit() else _WHOLE


def _hold_against_seal(paths: dict[str, Path], sealed: dict[str, Fingerprint], result: Check) -> None:
    for name, path in paths.items():
        if name in sealed:
            try:
                for place, problem in changes(path, sealed[name]):
                    result.find(name, place, problem)
            except OSError as error:
                result.find(name, _WHOLE, f"cannot be read: {error.strerror}")
        elif name != SEAL:
            result.find(name, _WHOLE, f"unexpected: {SEAL} does not list it")
    for name in sorted(sealed.keys() - paths.keys()):
        result.find(name, _WHOLE, "missing")


def _hold_against_journal(paths: dict[str, Path], events: list[dict[str, Any]], result: Check) -> None:
    """The journal's own record of the files, which a seal made anew cannot change."""
    known = {finding.file for finding in result.findings}
    for number, event in enumerate(events, start=1):
        if "manifest" in event and MANIFEST not in known and _digest(paths.get(MANIFEST)) != event["manifest"]:
            result.find(MANIFEST, _WHOLE, f"not the plan that {JOURNAL} records in line {number}")
            known.add(MANIFEST)
        inside = f"{cell_path(event['key'])}/" if "key" in event else ""
        for name, sha256 in event.get("files", {}).items():
            file = inside + name
            if file not in known and _sha256(paths.get(file)) != sha256:
                result.find(file, _WHOLE, f"not the file that {JOURNAL} records in line {number}")


def _digest(manifest: Path | None) -> str:
    """Of what was planned; nothing if it cannot be read."""
    try:
        return digest(planned(parse_json(manifest.read_bytes()))) if manifest else ""
    except (OSError, ValueError):
        return ""


def _sha256(path: Path | None) -> str:
    try:
        return sha256_file(path) if path else ""
    except OSError:
        return ""
