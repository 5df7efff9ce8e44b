"""The records of a run: which are trained on, which are judged, and in what order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emoloom.config import Recipe, ScreenConfig
from emoloom.contract.affect import ATOMS
from emoloom.contract.record import Appraisal, Record
from emoloom.contract.taxonomy import GOEMOTIONS, convert, taxonomy
from emoloom.data.load import JSONL, load, parse_place, splits_of
from emoloom.data.splits import HUB, SPLITS, SplitReport, normalise
from emoloom.errors import EmoLoomError
from emoloom.evaluate.ranking import KINDS, kinds_of, nothing_to_rank_by
from emoloom.lexicon.teacher import Teacher
from emoloom.mixture.flip import FLIP_SUFFIX, flip, flip_test_pairs
from emoloom.store.files import digest

Atoms = npt.NDArray[np.float32]

FLIP = "flip:"
_HELD_OUT = 5
TUNE_LIMIT = 1000
"""Records that thresholds are tuned on: their F1 then hangs on some ten examples of a rare label."""


@dataclass(frozen=True)
class EvalSet:
    """An evaluation corpus: its completed records in the order in which they are judged.

    ``pairs`` is filled for a flip test: the ids of an original and its mirror, and whether the original is the pleasant one.
    """

    name: str
    records: tuple[Record, ...]
    report: SplitReport
    pairs: tuple[tuple[str, str, bool], ...] = ()

    @property
    def digest(self) -> str:
        """sha256 of the records."""
        return records_digest(self.records)


@dataclass(frozen=True)
class Corpora:
    """All records of a run.

    Attributes:
        train: completed, in the order of the seed.
        flips: mirror images of those that have one, where a recipe asks for them.
        unlabelled: how many training records were dropped because they have no labels, beside others that have some.
        overlap: how many others were dropped because an evaluation set holds their text.
        tune: labelled records of the training corpora's dev splits that are neither trained on nor judged: the
            ``scored`` readout is tuned on them. Empty unless a readout needs them, and where no training corpus has a dev split.
        dev: what the rungs of a race are judged on and early stopping watches, of the same splits (at most half of their records
            where ``scored`` needs the others), or held out of the training records where there is no such split; empty without
            either.
    """

    train: tuple[Record, ...]
    train_reports: tuple[SplitReport, ...]
    unlabelled: int
    overlap: int
    evals: tuple[EvalSet, ...]
    tune: tuple[Record, ...]
    flips: tuple[Record, ...]
    dev: EvalSet

    def appraised(self, appraise: Callable[[Sequence[str]], Atoms]) -> Corpora:
        """With appraisals of what is trained on, which ``appraise`` reads from texts where the corpus has none of its own."""
        return replace(
            self, train=tuple(_appraised(self.train, appraise)), flips=tuple(_appraised(self.flips, appraise))
        )

    @property
    def unappraised(self) -> bool:
        """Whether something that is trained on lacks appraisals of its own."""
        return any(record.appraisal is None for record in (*self.train, *self.flips))

    def fitted_on(self, recipe: Recipe, examples: int) -> tuple[Record, ...]:
        """What the heads of a ``scored`` cell are fitted to: what the recipe trains on; at a rung of the race as many of them as
        ``examples`` (else 0) lie behind."""
        pool = self.train + self.flips if recipe.flip else self.train
        return pool[:examples] if examples else pool

    def watched_by(self, recipe: Recipe) -> tuple[Record, ...]:
        """What ends a training early."""
        return self.dev.records if recipe.early_stop else ()

    def tuned_on(self, stage: str, dev_limit: int) -> tuple[Record, ...]:
        """What a ``scored`` cell is tuned on: a rung of the race, which is to be cheap, on no more records than judge it."""
        return self.tune[:dev_limit] if stage == "race" else self.tune

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What identifies the data, without any text."""
        return {
            "train": {
                "records": len(self.train),
                "sha256": records_digest(self.train),
                "vad_sources": dict(sorted(Counter(record.vad_source or "gold" for record in self.train).items())),
                "unlabelled_dropped": self.unlabelled,
                "overlap_dropped": self.overlap,
                "sources": [report.to_dict() for report in self.train_reports],
            },
            "flips": {"records": len(self.flips), "sha256": records_digest(self.flips)},
            "tune": {"records": len(self.tune), "sha256": records_digest(self.tune)},
            "dev": {"records": len(self.dev.records), "sha256": self.dev.digest},
            "eval": [
                {"corpus": e.name, "records": len(e.records), "sha256": e.digest, "source": e.report.to_dict()}
                for e in self.evals
            ],
        }

    @property
    def read_from(self) -> dict[str, str]:
        """The hub's address of each split that was read from there."""
        reports = [*self.train_reports, *(e.report for e in self.evals)]
        return {f"{r.corpus}:{r.split}": r.source for r in reports if r.source.startswith(HUB)}


def records_digest(records: Sequence[Record]) -> str:
    """sha256 over the records' lines, in order."""
    return digest([record.line() for record in records])


def load_corpora(config: ScreenConfig, teacher: Teacher, recipes: Sequence[Recipe]) -> Corpora:
    """Loads, samples and completes the records of a run; the same settings give the same records in the same order.

    Mirrored records are made if any of the ``recipes`` draws them.

    Training records of all corpora are shuffled together before ``train_limit`` cuts them, so that each corpus gives its
    share; evaluation records are shuffled, so that a limit takes a sample and not the head of a file.

    Raises:
        EmoLoomError: a corpus or split is unknown, cannot be read or has no usable record.
    """
    evals = load_evals(config.eval, config.limit, config.seed, config.data_dir, teacher)
    judged = [record for e in evals for record in e.records if not e.pairs]
    has = dict(zip(KINDS, (any(r.labels for r in judged), any(r.vad for r in judged)), strict=True))
    if not any(has[kind] for kind in kinds_of(config.rank_by)):
        raise nothing_to_rank_by(config.rank_by, ", ".join(config.eval))
    held_out = {normalise(record.text) for e in evals for record in e.records}
    splits = [load(*place, config.data_dir) for place in _places(config.train, SPLITS[0])]
    for split in splits:
        if not any(record.labels for record in split.records):
            raise EmoLoomError(
                "no record has labels to train on",
                where=split.report.corpus,
                remedy="Leave it out, or judge on it; train on a corpus with labels, such as starter.",
            )
    pool = [record for split in splits for record in split.records]
    usable = [_in_goemotions(record) for record in pool if record.labels]
    kept = [record for record in usable if normalise(record.text) not in held_out]
    if not kept:
        raise EmoLoomError(
            "every training record is also judged",
            where=", ".join(config.train),
            remedy="Train on other records, or judge others.",
        )
    order = _sample(kept, None, config.seed)
    seen = held_out | {normalise(record.text) for record in kept}
    stopping = any(recipe.early_stop for recipe in recipes)
    wanted = config.dev_limit if stopping or config.rungs > 1 else 0
    scored = "scored" in config.readout
    fresh = _dev_records(config, seen) if wanted or scored else []
    # Thresholds need records, too.
    size = min(wanted, len(fresh) // 2) if scored and fresh else wanted
    dev, rest, order = _set_aside(size, fresh, order)
    if wanted and not dev:
        raise EmoLoomError(
            f"too few records to set aside: {len(fresh)} in dev splits, and a fifth of {len(order)} is none",
            where="recipe.early_stop" if stopping else "rungs",
            remedy="Train on more records, or leave it out.",
        )
    tune = rest[:TUNE_LIMIT] if scored else []
    train = [teacher.complete(record) for record in order[: config.train_limit]]
    mirrored = [flip(record, teacher) for record in train] if any(recipe.flip for recipe in recipes) else []
    flips = [
        record.model_copy(update={"corpus": record.corpus + FLIP_SUFFIX})
        for record in mirrored
        # A mirror may be a text that somebody wrote, too: judged, or known with its true labels.
        if record and normalise(record.text) not in seen
    ]
    return Corpora(
        tuple(train),
        tuple(split.report for split in splits),
        len(pool) - len(usable),
        len(usable) - len(kept),
        evals,
        tuple(teacher.complete(record) for record in tune),
        tuple(flips),
        _dev_set([teacher.complete(record) for record in dev]),
    )


def _appraised(records: Sequence[Record], appraise: Callable[[Sequence[str]], Atoms]) -> list[Record]:
    """The records with the verifier's atoms, but for those whose corpus has its own."""
    texts = {record.text: None for record in records if record.appraisal is None}
    read = dict(zip(texts, appraise(list(texts)), strict=True)) if texts else {}
    return [
        record if record.appraisal else record.model_copy(update={"appraisal": _appraisal(read[record.text])})
        for record in records
    ]


def _appraisal(atoms: Atoms) -> Appraisal:
    # Rounded, because the last bits of a sum may differ between machines and these go into the records' hash.
    return Appraisal(**{name: round(float(value), 4) for name, value in zip(ATOMS, atoms, strict=True)})


def _dev_records(config: ScreenConfig, seen: Set[str]) -> list[Record]:
    """The labelled records of the training corpora's dev splits whose text is not in ``seen``, in random order."""
    names = [name for name, _ in _places(config.train, SPLITS[0]) if "dev" in splits_of(name)]
    pool = [record for name in names for record in load(name, "dev", config.data_dir).records if record.labels]
    fresh = [_in_goemotions(record) for record in pool if normalise(record.text) not in seen]
    return _sample(fresh, None, config.seed)


def _set_aside(size: int, dev: list[Record], train: list[Record]) -> tuple[list[Record], list[Record], list[Record]]:
    """At most ``size`` records of ``dev``, or of ``train`` where there are none; then what is left of the two."""
    if dev:
        cut = len(dev) - min(size, len(dev))
        return dev[cut:], dev[:cut], train
    # Where training has to give, it gives a fifth at most.
    cut = len(train) - min(size, len(train) // _HELD_OUT)
    return train[cut:], [], train[:cut]


def _dev_set(records: list[Record]) -> EvalSet:
    # Replies are kept by their records' ids, which are one file's own.
    repeated = [name for name, times in Counter(record.id for record in records).items() if times > 1]
    if repeated:
        raise EmoLoomError(
            f"records of two training files have the id {repeated[0]}, and both are set aside to watch the training",
            where="train",
            remedy="Rename one of the files, or give its records ids of their own.",
        )
    report = SplitReport("dev", "dev", len(records), len(records), {}, records_digest(records), "")
    return EvalSet("dev", tuple(records), report)


def load_evals(
    names: Sequence[str], limit: int | None, seed: int, data_dir: Path | None, teacher: Teacher
) -> tuple[EvalSet, ...]:
    """The evaluation sets called ``CORPUS[:SPLIT]`` (the test split by default), at most ``limit`` records of each, then the
    flip tests called ``flip:CORPUS[:SPLIT]``, at most ``limit // 2`` pairs of each.

    Raises:
        EmoLoomError: a corpus or split is unknown, cannot be read or has no usable record.
    """
    plain = [name for name in names if not name.startswith(FLIP)]
    flipped = [name.removeprefix(FLIP) for name in names if name.startswith(FLIP)]
    sets = [_eval_set(*place, limit, seed, data_dir, teacher) for place in _places(plain, SPLITS[-1])]
    sets += [_flip_set(*place, limit, seed, data_dir, teacher) for place in _places(flipped, SPLITS[-1])]
    for name in {e.name for e in sets}:
        if [e.name for e in sets].count(name) > 1:
            raise EmoLoomError("two evaluation files have this name", where=name, remedy="Rename one of them.")
    return tuple(sets)


def corpora_named(config: ScreenConfig) -> set[str]:
    """The corpora that are trained on or judged."""
    names = [*config.train, *(name.removeprefix(FLIP) for name in config.eval)]
    return {corpus for corpus, _ in _places(names, SPLITS[0])}


def _places(names: Sequence[str], default_split: str) -> list[tuple[str, str]]:
    """Corpus and split of each name, each once."""
    return list(dict.fromkeys(parse_place(name, default_split) for name in names))


def _eval_set(
    corpus: str, split: str, limit: int | None, seed: int, data_dir: Path | None, teacher: Teacher
) -> EvalSet:
    loaded = load(corpus, split, data_dir)
    records = tuple(teacher.complete(record) for record in _sample(loaded.records, limit, seed))
    shown = loaded.report.corpus if corpus.startswith(JSONL) else f"{corpus}:{split}"
    return EvalSet(shown, records, loaded.report)


def _flip_set(
    corpus: str, split: str, limit: int | None, seed: int, data_dir: Path | None, teacher: Teacher
) -> EvalSet:
    loaded = load(corpus, split, data_dir)
    completed = [teacher.complete(record) for record in loaded.records]
    pairs = flip_test_pairs(completed, teacher, None if limit is None else max(1, limit // 2), seed)
    if not pairs:
        raise EmoLoomError(
            "no record of it has a mirror image for the flip test",
            where=f"{FLIP}{corpus}:{split}",
            remedy="Take a larger corpus, or leave the flip test out.",
        )
    shown = loaded.report.corpus if corpus.startswith(JSONL) else f"{corpus}:{split}"
    records = [record for pair in pairs for record in (pair.original, pair.mirrored)]
    named = tuple((pair.original.id, pair.mirrored.id, pair.original_is_pleasant) for pair in pairs)
    return EvalSet(FLIP + shown, tuple(records), loaded.report, named)


def _in_goemotions(record: Record) -> Record:
    labels = convert(record.labels, taxonomy(record.taxonomy), GOEMOTIONS)
    return record.model_copy(update={"labels": labels, "taxonomy": GOEMOTIONS.name})


def _sample(records: Sequence[Record], limit: int | None, seed: int) -> list[Record]:
    order = np.random.default_rng(seed).permutation(len(records))
    return [records[i] for i in order[:limit]]
