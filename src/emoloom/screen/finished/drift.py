"""Two runs of one plan from different machines or dtypes: which replies differ, from where on, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emoloom.contract.parse import Parsed, parse_reply
from emoloom.contract.record import Reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import EmoLoomError
from emoloom.store.rows import Row
from emoloom.store.run import MANIFEST, RunFolder

_NAMES = ("candidate", "stage", "readout", "arm", "examples")


@dataclass(frozen=True)
class CellDrift:
    """One cell on one corpus in both runs.

    Attributes:
        cell: candidate, stage, readout, arm, and the examples behind a rung of the race.
        replies: how many were compared.
        differing: how many of them are not the same text.
        first: the earliest character (from 0) at which a reply differs, and its record's id; None where all are alike.
        relabelled: how many differ in their set of labels, or in whether they parse.
        vad_mean, vad_max: the distance |a - b| over the three axes of the replies that parse in both; None where none does.
        metrics: metric -> its value in either run, where it is defined in both.
    """

    cell: tuple[str, ...]
    corpus: str
    replies: int
    differing: int
    first: tuple[int, str] | None
    relabelled: int
    vad_mean: float | None
    vad_max: float | None
    metrics: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Drift:
    """What two runs differ in.

    Attributes:
        grounds: setting of the machine, or of a candidate, lexicon or recipe -> what it is in either run, where they differ.
        cells: those that both have finished.
        unmatched: those that only one of them has.
    """

    grounds: Mapping[str, tuple[Any, Any]]
    cells: tuple[CellDrift, ...]
    unmatched: tuple[tuple[str, ...], ...]


def compare(a: RunFolder, b: RunFolder) -> Drift:
    """Compares two runs cell by cell.

    Raises:
        EmoLoomError: they do not judge the same records, have no finished cell in common, or a file of theirs is damaged.
    """
    one, other = a.read_json(MANIFEST), b.read_json(MANIFEST)
    for left, right in zip(_judged(one), _judged(other), strict=False):
        if left != right:
            raise EmoLoomError(
                f"the runs judge other records: {left[0]} ({left[1][:8]}) here, {right[0]} ({right[1][:8]}) there",
                where=f"{a.path}, {b.path}",
                remedy="Compare runs of one plan: the same --eval, --limit and --seed, and the same corpora.",
            )
    if len(_judged(one)) != len(_judged(other)):
        raise EmoLoomError("one of the runs judges more corpora", where=f"{a.path}, {b.path}", remedy="Use one plan.")
    keys, others = _finished(a, one), _finished(b, other)
    cells = [drift for names in keys if names in others for drift in _cell(names, (a, keys[names]), (b, others[names]))]
    if not cells:
        raise EmoLoomError("the runs have no finished cell in common", where=f"{a.path}, {b.path}")
    unmatched = tuple(sorted(keys.keys() ^ others.keys()))
    return Drift(dict(_grounds(one, other)), tuple(cells), unmatched)


def _judged(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(e["corpus"], e["sha256"]) for e in manifest["data"]["eval"]]


def _finished(run: RunFolder, manifest: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """The keys of the finished cells, by what both runs call them: keys differ between machines."""
    # Only a rung of the race has examples.
    named = {tuple(str(cell[name] or "") for name in _NAMES): cell["key"] for cell in manifest["cells"]}
    return {names: key for names, key in named.items() if run.cell(key).metrics() is not None}


def _grounds(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    here, there = _described(one), _described(other)
    for name in here | there:
        if here.get(name) != there.get(name):
            yield name, (here.get(name), there.get(name))


def _described(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a result depends on besides the records that are judged."""
    environment = manifest["environment"]
    candidates = {f"weights of {c['name']}": c["sha256"] for c in manifest["candidates"]}
    versions = {f"version of {name}": version for name, version in environment["libraries"].items()}
    machine = {name: value for name, value in environment.items() if name != "libraries"}
    trained = {"training records": manifest["data"]["train"]["sha256"], "recipe": manifest["config"]["recipe"]}
    settings = {"lexicon": manifest["lexicon"], "verifier": manifest["verifier"], "dtype": manifest["config"]["dtype"]}
    return machine | versions | candidates | trained | settings


def _cell(names: tuple[str, ...], a: tuple[RunFolder, str], b: tuple[RunFolder, str]) -> Iterator[CellDrift]:
    folders = [run.cell(key) for run, key in (a, b)]
    one, other = (folder.replies() for folder in folders)
    if [_place(row) for row in one] != [_place(row) for row in other]:
        raise EmoLoomError(
            f"{' '.join(filter(None, names))} answers other records in either run",
            where=f"{folders[0].path}, {folders[1].path}",
            remedy="Use the same --zero-shot-limit.",
        )
    figures = [(folder.metrics() or {})["corpora"] for folder in folders]
    for corpus in dict.fromkeys(row["corpus"] for row in one):
        pairs = [pair for pair in zip(one, other, strict=True) if pair[0]["corpus"] == corpus]
        metrics = [figure[corpus]["metrics"] for figure in figures]
        yield _drift(names, corpus, pairs, _both(*metrics))


def _place(row: Row) -> tuple[str, str]:
    return row["corpus"], row["id"]


def _both(a: Mapping[str, float | None], b: Mapping[str, float | None]) -> dict[str, tuple[float, float]]:
    known = {name: (a[name], b[name]) for name in a if name in b}
    return {name: (left, right) for name, (left, right) in known.items() if left is not None and right is not None}


def _drift(
    names: tuple[str, ...],
    corpus: str,
    pairs: Sequence[tuple[Row, Row]],
    metrics: Mapping[str, tuple[float, float]],
) -> CellDrift:
    texts = [(left["reply"], right["reply"], left["id"]) for left, right in pairs]
    differing = [(_first_difference(left, right), record) for left, right, record in texts if left != right]
    replies = [(_reply(left), _reply(right)) for left, right, _ in texts]
    parsed = [(left, right) for left, right in replies if left and right]
    gaps = [abs(x - y) for left, right in parsed for x, y in zip(left.triple, right.triple, strict=True)]
    return CellDrift(
        names,
        corpus,
        replies=len(pairs),
        differing=len(differing),
        first=min(differing, default=None),
        relabelled=sum(_labels(left) != _labels(right) for left, right in replies),
        vad_mean=sum(gaps) / len(gaps) if gaps else None,
        vad_max=max(gaps, default=None),
        metrics=metrics,
    )


def _first_difference(a: str, b: str) -> int:
    """The first character at which two different texts differ."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _reply(text: str) -> Reply | None:
    outcome = parse_reply(text, GOEMOTIONS)
    return outcome.reply if isinstance(outcome, Parsed) else None


def _labels(reply: Reply | None) -> frozenset[str] | None:
    return frozenset(reply.labels) if reply else None
