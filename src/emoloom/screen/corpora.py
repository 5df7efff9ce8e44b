"""The records of a run: which are trained on, which are judged, and in what order."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emoloom.config import ScreenConfig
from emoloom.contract.record import Record
from emoloom.contract.taxonomy import GOEMOTIONS, convert, taxonomy
from emoloom.data.load import JSONL, load, splits_of
from emoloom.data.splits import SPLITS, SplitReport, normalise
from emoloom.errors import EmoLoomError, unknown_name
from emoloom.lexicon.teacher import Teacher
from emoloom.store.files import digest

TUNE_LIMIT = 1000
"""Records that thresholds are tuned on: their F1 then hangs on some ten examples of a rare label."""


@dataclass(frozen=True)
class EvalSet:
    """An evaluation corpus: its completed records in the order in which they are judged."""

    name: str
    records: tuple[Record, ...]
    report: SplitReport

    @property
    def digest(self) -> str:
        """sha256 of the records."""
        return records_digest(self.records)


@dataclass(frozen=True)
class Corpora:
    """All records of a run.

    Attributes:
        train: completed, in the order of the seed.
        overlap: how many training records were dropped because an evaluation set holds their text.
        tune: labelled records of the training corpora's dev splits that are neither trained on nor judged: thresholds are
            tuned on them. Empty unless a readout needs them, and where no training corpus has a dev split.
    """

    train: tuple[Record, ...]
    train_reports: tuple[SplitReport, ...]
    overlap: int
    evals: tuple[EvalSet, ...]
    tune: tuple[Record, ...] = ()

    def manifest(self) -> dict[str, Any]:
        """What identifies the data, without any text."""
        return {
            "train": {
                "records": len(self.train),
                "sha256": records_digest(self.train),
                "overlap_dropped": self.overlap,
                "sources": [report.to_dict() for report in self.train_reports],
            },
            "tune": {"records": len(self.tune), "sha256": records_digest(self.tune)},
            "eval": [
                {"corpus": e.name, "records": len(e.records), "sha256": e.digest, "source": e.report.to_dict()}
                for e in self.evals
            ],
        }


def records_digest(records: Sequence[Record]) -> str:
    """sha256 over the records' lines, in order."""
    return digest([record.line() for record in records])


def load_corpora(config: ScreenConfig, teacher: Teacher) -> Corpora:
    """Loads, samples and completes the records of a run; the same settings give the same records in the same order.

    Training records of all corpora are shuffled together before ``train_limit`` cuts them, so that each corpus gives its
    share; evaluation records are shuffled, so that a limit takes a sample and not the head of a file.

    Raises:
        EmoLoomError: a corpus or split is unknown, cannot be read or has no usable record.
    """
    evals = load_evals(config.eval, config.limit, config.seed, config.data_dir, teacher)
    if not any(record.labels or record.vad for e in evals for record in e.records):
        raise EmoLoomError(
            "no evaluation record has labels or VAD", where=", ".join(config.eval), remedy="Add --eval starter:test."
        )
    held_out = {normalise(record.text) for e in evals for record in e.records}
    splits = [load(*place, config.data_dir) for place in _places(config.train, SPLITS[0])]
    pool = [record for split in splits for record in split.records]
    usable = [_in_goemotions(record) for record in pool if record.labels]
    if not usable:
        raise EmoLoomError(
            "no record has labels to train on", where=", ".join(config.train), remedy="Add --train starter."
        )
    kept = [record for record in usable if normalise(record.text) not in held_out]
    if not kept:
        raise EmoLoomError(
            "every training record is also judged", where=", ".join(config.train), remedy="Train on another split."
        )
    train = [teacher.complete(record) for record in _sample(kept, config.train_limit, config.seed)]
    seen = held_out | {normalise(record.text) for record in kept}
    return Corpora(
        tuple(train),
        tuple(split.report for split in splits),
        len(usable) - len(kept),
        evals,
        _tuning_records(config, seen) if "scored" in config.readout else (),
    )


def _tuning_records(config: ScreenConfig, seen: Set[str]) -> tuple[Record, ...]:
    """At most :data:`TUNE_LIMIT` labelled records of the training corpora's dev splits whose text is not in ``seen``."""
    names = [name for name, _ in _places(config.train, SPLITS[0]) if "dev" in splits_of(name)]
    pool = [record for name in names for record in load(name, "dev", config.data_dir).records if record.labels]
    fresh = [_in_goemotions(record) for record in pool if normalise(record.text) not in seen]
    return tuple(_sample(fresh, TUNE_LIMIT, config.seed))


def load_evals(
    names: Sequence[str], limit: int | None, seed: int, data_dir: Path | None, teacher: Teacher
) -> tuple[EvalSet, ...]:
    """The evaluation sets called ``CORPUS[:SPLIT]`` (the test split by default), at most ``limit`` records of each.

    Raises:
        EmoLoomError: a corpus or split is unknown, cannot be read or has no usable record.
    """
    sets = [_eval_set(*place, limit, seed, data_dir, teacher) for place in _places(names, SPLITS[-1])]
    for name in {e.name for e in sets}:
        if [e.name for e in sets].count(name) > 1:
            raise EmoLoomError("two evaluation files have this name", where=name, remedy="Rename one of them.")
    return tuple(sets)


def _places(names: Sequence[str], default_split: str) -> list[tuple[str, str]]:
    """Corpus and split of each name, each once."""
    return list(dict.fromkeys(_parse(name, default_split) for name in names))


def _eval_set(
    corpus: str, split: str, limit: int | None, seed: int, data_dir: Path | None, teacher: Teacher
) -> EvalSet:
    loaded = load(corpus, split, data_dir)
    records = tuple(teacher.complete(record) for record in _sample(loaded.records, limit, seed))
    shown = loaded.report.corpus if corpus.startswith(JSONL) else f"{corpus}:{split}"
    return EvalSet(shown, records, loaded.report)


def _parse(name: str, default_split: str) -> tuple[str, str]:
    """``CORPUS[:SPLIT]`` or ``jsonl:FILE``, whose one split is taken for whatever is asked."""
    if name.startswith(JSONL):
        return name, splits_of(name)[0]
    corpus, _, split = name.partition(":")
    if split and split not in SPLITS:
        raise unknown_name("split", split, SPLITS, where=name)
    return corpus, split or default_split


def _in_goemotions(record: Record) -> Record:
    labels = convert(record.labels, taxonomy(record.taxonomy), GOEMOTIONS)
    return record.model_copy(update={"labels": labels, "taxonomy": GOEMOTIONS.name})


def _sample(records: Sequence[Record], limit: int | None, seed: int) -> list[Record]:
    order = np.random.default_rng(seed).permutation(len(records))
    return [records[i] for i in order[:limit]]
