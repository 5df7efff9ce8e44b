"""Valence Flip: a record's mirror image, kept only where the lexicon reads it as one."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import NamedTuple

from emoloom.contract.record import Record, Vad
from emoloom.contract.taxonomy import GOEMOTIONS, MAPS, convert, taxonomy
from emoloom.lexicon.norms import Lexicon
from emoloom.lexicon.reading import read_text
from emoloom.lexicon.teacher import Teacher
from emoloom.mixture.labels import MirroredLabels, mirror_labels
from emoloom.mixture.text import MirroredText, mirror_text

MIN_DISTANCE = 0.25
"""How far either reading's valence lies from the lexicon's centre at least, in standard deviations of its words."""
VALENCE_BAND = 1.5
"""How far the two distances from the centre may differ, in the same unit."""
AROUSAL_BAND = 1.75
"""How far the two readings' arousal may differ, in standard deviations of the lexicon's words."""
FLIP_SUFFIX = "~flip"


class FlipPair(NamedTuple):
    """A record of the flip test, its mirror, and which of the two should be the pleasant one."""

    original: Record
    mirrored: Record
    original_is_pleasant: bool


def flip(record: Record, teacher: Teacher) -> Record | None:
    """The mirror image of a record that ``teacher`` has completed, for training; None where there is none.

    The text is mirrored by :func:`~emoloom.mixture.text.mirror_text` without the terms of the flip test, the labels, in
    ``goemotions``, by :func:`~emoloom.mixture.labels.mirror_labels`. Gold VAD (v, a, d) becomes (1 - v, a, d); weak VAD and the
    rationale are made anew. Context stays; cues and appraisal, known for the original text only, are dropped.
    """
    pair = _flipped(record, teacher, held_out=False)
    return pair.mirrored if pair else None


def flip_test_pairs(
    records: Iterable[Record], teacher: Teacher, limit: int | None = None, seed: int = 0
) -> list[FlipPair]:
    """The pairs of the flip test: records that :func:`flip` would never touch, mirrored by terms that it never uses.

    Args:
        records: completed records, of a split that is not trained on.
        teacher: what completed them.
        limit: number of pairs at most; where there are more, ``seed`` alone decides which are drawn. All by default.
        seed: of the draw.

    Returns:
        the pairs, in the order of ``records``.
    """
    pairs = [pair for record in records if (pair := _flipped(record, teacher, held_out=True))]
    if limit is None or len(pairs) <= limit:
        return pairs
    return [pairs[i] for i in sorted(random.Random(seed).sample(range(len(pairs)), limit))]


def _flipped(record: Record, teacher: Teacher, *, held_out: bool) -> FlipPair | None:
    text = mirror_text(record.text)
    labels = _mirrored_labels(record)
    if text is None or text.held_out != held_out or (record.labels and labels is None):
        return None
    sides = _sides(record, labels, text)
    if len(sides) != 1 or not _reads_mirrored(record.text, text, sides, teacher.lexicon):
        return None
    changes: dict[str, object] = {"id": record.id + FLIP_SUFFIX, "text": text.text}
    changes |= {"rationale": "", "appraisal": None, "cues": ()}
    if labels:
        changes |= {"labels": labels.labels, "taxonomy": GOEMOTIONS.name}
    mirrored = record.model_copy(update=changes | _mirrored_vad(record))
    return FlipPair(record, teacher.complete(mirrored), sides.pop())


def _mirrored_labels(record: Record) -> MirroredLabels | None:
    if record.taxonomy != GOEMOTIONS.name and (record.taxonomy, GOEMOTIONS.name) not in MAPS:
        return None
    return mirror_labels(convert(record.labels, taxonomy(record.taxonomy), GOEMOTIONS))


def _sides(record: Record, labels: MirroredLabels | None, text: MirroredText) -> set[bool]:
    """On which side (pleasant: True) the record lies by its labels, its gold valence and the exchanged terms."""
    sides = {labels.pleasant} if labels else set()
    if record.vad and record.vad_source == "gold":
        sides |= {record.vad.v > 0.5, record.vad.v >= 0.5}
    # The terms' side alone is not enough: a sarcastic text has none but the wrong one.
    return sides | ({text.pleasant} if sides and text.pleasant is not None else set())


def _reads_mirrored(text: str, mirrored: MirroredText, sides: set[bool], lexicon: Lexicon | None) -> bool:
    """Whether the uncalibrated readings lie on the two right sides, about equally far from the centre, with like arousal.

    Uncalibrated, because the calibration also weighs punctuation, pronouns and coverage, which have no mirror. Without a
    lexicon the exchanged terms have to do, and a mere negation is not trusted.
    """
    if lexicon is None:
        return mirrored.exchanged > 0
    [pleasant] = sides
    (v, a, _), (mirrored_v, mirrored_a, _) = (read_text(t, lexicon).vad for t in (text, mirrored.text))
    towards = (1 if pleasant else -1) / lexicon.spread[0]
    before, after = (towards * (x - lexicon.centre[0]) for x in (v, mirrored_v))
    return (
        min(before, -after) >= MIN_DISTANCE
        and abs(before + after) <= VALENCE_BAND
        and abs(a - mirrored_a) <= AROUSAL_BAND * lexicon.spread[1]
    )


def _mirrored_vad(record: Record) -> dict[str, object]:
    """The fields of gold VAD mirrored; those of weak VAD emptied, to be completed anew."""
    if record.vad and record.vad_source == "gold":
        v, a, d = record.vad.triple
        return {"vad": Vad(v=round(1 - v, 4), a=a, d=d)}
    return {"vad": None, "vad_source": None, "vad_weight": 1.0, "vad_coverage": None}
