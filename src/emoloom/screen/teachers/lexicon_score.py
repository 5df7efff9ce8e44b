"""How well a lexicon alone predicts gold VAD."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emoloom.contract.affect import AXES
from emoloom.contract.record import Record
from emoloom.data.load import load, splits_of
from emoloom.errors import EmoLoomError
from emoloom.evaluate.metrics import vad_moments
from emoloom.lexicon.load import load_teacher
from emoloom.lexicon.reading import read_text
from emoloom.lexicon.teacher import Teacher


def score_lexicon(lexicon: str, corpus: str, data_dir: Path | None) -> dict[str, Any]:
    """Pearson r and CCC per axis (None where undefined) of the estimate with gold VAD, over all rows and for each split; and what
    it was calibrated on.

    Raises:
        EmoLoomError: the lexicon or corpus cannot be had, or the corpus has no gold VAD.
    """
    teacher = load_teacher(lexicon)
    if teacher.lexicon is None or teacher.calibration is None:
        raise EmoLoomError(
            "there is nothing to score", where=f"--lexicon {lexicon}", remedy="Name a lexicon or a file."
        )
    splits = {split: load(corpus, split, data_dir, whole=True).records for split in splits_of(corpus)}
    gold = {split: [r for r in records if r.vad and r.vad_source == "gold"] for split, records in splits.items()}
    everything = [record for records in gold.values() for record in records]
    if not everything:
        raise EmoLoomError("the corpus has no gold VAD", where=corpus, remedy="Use --corpus emobank.")
    parts = {split: _score(teacher, records) for split, records in gold.items() if records}
    return {**_score(teacher, everything), "calibrated_on": teacher.calibration.fitted_on, "splits": parts}


def _score(teacher: Teacher, records: Sequence[Record]) -> dict[str, Any]:
    assert teacher.lexicon is not None
    gold = np.array([record.vad.triple for record in records if record.vad])
    estimates = np.array([teacher.read_vad(record.text) for record in records])
    moments = vad_moments(gold, estimates, np.ones((1, len(records))))
    coverage = np.mean([read_text(record.text, teacher.lexicon).coverage for record in records])
    return {
        "n": len(records),
        "pearson": _by_axis(moments.pearson[0].tolist()),
        "ccc": _by_axis(moments.ccc[0].tolist()),
        "coverage": float(coverage),
    }


def _by_axis(values: Sequence[float]) -> dict[str, float | None]:
    """None where it is undefined, as the correlation of an estimate that never varies."""
    return {axis: value if math.isfinite(value) else None for axis, value in zip(AXES, values, strict=True)}
