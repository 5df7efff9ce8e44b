"""The mirrored pairs that ``emoloom data show --flip`` prints, for people to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import typer

from emoloom.contract.record import Record
from emoloom.errors import EmoLoomError


def show_flips(records: Iterable[Record], limit: int, where: str) -> None:
    """Prints the first ``limit`` records that have a mirror image, each with it: text, labels, V before and after.

    Raises:
        EmoLoomError: no record has one.
    """
    shown = 0
    for line in islice(_pairs(records), limit):
        typer.echo(line)
        shown += 1
    if not shown:
        raise EmoLoomError(
            "no record here has a mirror image",
            where=where,
            remedy="Flips need English texts with words such as `love` or `terrible`, and labels that say the same.",
        )


def _pairs(records: Iterable[Record]) -> Iterator[str]:
    from emoloom.lexicon.load import load_teacher
    from emoloom.mixture.flip import flip, flip_test_pairs

    teacher = load_teacher(None)
    for record in map(teacher.complete, records):
        mirrored = flip(record, teacher)
        if mirrored:
            yield _shown(record, mirrored, "training")
        for pair in flip_test_pairs([record], teacher):
            yield _shown(pair.original, pair.mirrored, "flip test")


def _shown(record: Record, mirrored: Record, use: str) -> str:
    sides = (f"  V {_valence(r)}  [{', '.join(r.labels)}]  {' '.join(r.text.split())}" for r in (record, mirrored))
    return "\n".join([f"{record.id} ({use})", *sides, ""])


def _valence(record: Record) -> str:
    return f"{record.vad.v:.2f}" if record.vad else "–"
