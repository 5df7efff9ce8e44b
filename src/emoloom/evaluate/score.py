"""Scores a candidate's replies on one corpus.

*Strict* figures count an output that could not be parsed as an empty label set and as the constant VAD; *parsed* ones leave
it out, as the literature does, which rewards failing on hard inputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emoloom.contract.affect import AXES, VAD
from emoloom.contract.parse import Failure, Parsed
from emoloom.contract.record import Record
from emoloom.contract.taxonomy import GOEMOTIONS, Taxonomy, convert, evaluation_space, taxonomy
from emoloom.errors import EmoLoomError
from emoloom.evaluate.bootstrap import Estimate, resample_weights
from emoloom.evaluate.calibration import expected_calibration_error
from emoloom.evaluate.metrics import Bools, Floats, Ints, VadMoments, label_counts, multi_hot, vad_moments

Outcome = Parsed | Failure


@dataclass(frozen=True)
class LabelScore:
    """One label's strict figures; ``support`` is its number of gold records."""

    label: str
    support: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class AxisScore:
    """One axis's strict figures; None where undefined."""

    axis: str
    one_minus_rmse: float
    skill: float | None
    pearson: float | None
    ccc: float | None


@dataclass(frozen=True)
class Scores:
    """All figures of one candidate on one corpus.

    Attributes:
        n: number of records.
        estimates: metric name to its estimate; a metric whose kind of gold the corpus lacks is absent.
        space: name of the label space of the label metrics, None without labels.
        labels_scored: the labels with gold support, over which the strict macro averages run.
        per_label: strict figures of every label of the space.
        per_axis: strict figures of v, a and d; empty without VAD.
        failures: number of outputs by reason why they could not be parsed.
        repairs: number of parsed outputs by the tolerance that reading them took.
        vad_sources: number of records by where their VAD comes from; only ``gold`` is not weak.
    """

    n: int
    estimates: dict[str, Estimate]
    space: str | None
    labels_scored: tuple[str, ...]
    per_label: tuple[LabelScore, ...]
    per_axis: tuple[AxisScore, ...]
    failures: dict[str, int]
    repairs: dict[str, int]
    vad_sources: dict[str, int]

    @property
    def metrics(self) -> dict[str, float | None]:
        """Metric name to its value, None where undefined."""
        return {name: estimate.value for name, estimate in self.estimates.items()}

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Metric name to its 95% bootstrap interval, for the metrics that are defined."""
        found = {name: estimate.interval for name, estimate in self.estimates.items()}
        return {name: interval for name, interval in found.items() if interval is not None}

    def to_dict(self) -> dict[str, Any]:
        """Everything but the resamples, ready for JSON."""
        return {
            "n": self.n,
            "metrics": self.metrics,
            "intervals": {name: list(interval) for name, interval in self.intervals.items()},
            "space": self.space,
            "labels_scored": list(self.labels_scored),
            "per_label": [asdict(row) for row in self.per_label],
            "per_axis": [asdict(row) for row in self.per_axis],
            "failures": self.failures,
            "repairs": self.repairs,
            "vad_sources": self.vad_sources,
        }


def score(
    outcomes: Sequence[Outcome],
    gold: Sequence[Record],
    *,
    constant: VAD,
    probabilities: Floats | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Scores:
    """Judges ``outcomes``, in the ``goemotions`` space, against ``gold``, record by record.

    Labels are compared in the gold records' :func:`~emoloom.contract.taxonomy.evaluation_space`; records without labels
    take no part in label metrics, records without VAD none in VAD metrics.

    Args:
        outcomes: n parsed replies or failures.
        gold: the n records, in the same order.
        constant: the VAD that stands in for a failure: what the majority baseline always answers.
        probabilities: (n, 28) of the ``goemotions`` labels, where the readout has them; their calibration error is taken on
            records that are labelled in that space.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap; candidates to be compared pairwise need the same.

    Raises:
        EmoLoomError: there are no records, or their labels come from several taxonomies.
        ValueError: the two sequences differ in length.
    """
    if not gold:
        raise EmoLoomError(
            "there are no records to score", remedy="Give an evaluation corpus with at least one record."
        )
    parsed = np.array([isinstance(outcome, Parsed) for outcome in outcomes])
    pairs = list(zip(outcomes, gold, strict=True))
    labels = _LabelTask.of(pairs)
    vad = _VadTask.of(pairs, constant)
    calibration = _CalibrationTask.of(gold, probabilities)
    tasks = [task for task in (labels, vad, calibration) if task]

    def figures(weights: Floats) -> dict[str, Floats]:
        found = {"parse_ok": weights @ parsed / weights.sum(axis=1)}
        for task in tasks:
            found |= task.figures(weights)
        return found

    values = figures(np.ones((1, len(gold))))
    blocks = [figures(weights) for weights in resample_weights(len(gold), resamples, seed)]
    return Scores(
        n=len(gold),
        estimates={
            name: Estimate(_defined(value[0]), np.concatenate([block[name] for block in blocks]))
            for name, value in values.items()
        },
        space=labels.space.name if labels else None,
        labels_scored=labels.scored if labels else (),
        per_label=labels.table() if labels else (),
        per_axis=vad.table() if vad else (),
        failures=_tally(outcome.reason for outcome in outcomes if isinstance(outcome, Failure)),
        repairs=_tally(repair for outcome in outcomes if isinstance(outcome, Parsed) for repair in outcome.repairs),
        vad_sources=_tally(record.vad_source or "gold" for record in gold if record.vad),
    )


@dataclass(frozen=True)
class _LabelTask:
    """The m records that have labels: their positions (m,), gold and strict predictions (m, k), and which were parsed (m,)."""

    space: Taxonomy
    labels: tuple[str, ...]
    rows: Ints
    gold: Bools
    predicted: Bools
    parsed: Bools

    @classmethod
    def of(cls, pairs: Sequence[tuple[Outcome, Record]]) -> _LabelTask | None:
        rows = [row for row, (_, record) in enumerate(pairs) if record.labels]
        if not rows:
            return None
        outcomes, records = zip(*(pairs[row] for row in rows), strict=True)
        corpus = _one_taxonomy(records)
        space = evaluation_space(corpus)
        labels = space.labels
        return cls(
            space,
            labels,
            np.array(rows),
            multi_hot([convert(record.labels, corpus, space) for record in records], labels),
            multi_hot([_reply_labels(outcome, space) for outcome in outcomes], labels),
            np.array([isinstance(outcome, Parsed) for outcome in outcomes]),
        )

    def figures(self, weights: Floats) -> dict[str, Floats]:
        """Metric name to its values (R,) under ``weights`` (R, n)."""
        strict = label_counts(self.gold, self.predicted, weights[:, self.rows])
        parsed_rows = self.rows[self.parsed]
        parsed = label_counts(self.gold[self.parsed], self.predicted[self.parsed], weights[:, parsed_rows])
        every = np.ones(len(self.labels), dtype=np.bool_)
        found = {
            "strict_macro_f1": strict.macro_f1,
            "strict_macro_recall": strict.macro_recall,
            "strict_micro_f1": strict.micro_f1(every),
            "parsed_macro_f1": parsed.macro_f1,
            "parsed_macro_recall": parsed.macro_recall,
            "parsed_micro_f1": parsed.micro_f1(every),
        }
        if self.space.neutral in self.labels:
            emotions = np.array([label != self.space.neutral for label in self.labels])
            found["strict_micro_f1_no_neutral"] = strict.micro_f1(emotions)
        return found

    @property
    def scored(self) -> tuple[str, ...]:
        """The labels with gold support."""
        return tuple(label for label, having in zip(self.labels, self.gold.T, strict=True) if having.any())

    def table(self) -> tuple[LabelScore, ...]:
        counts = label_counts(self.gold, self.predicted, np.ones((1, len(self.rows))))
        columns = (counts.gold[0].astype(int), counts.precision[0], counts.recall[0], counts.f1[0])
        rows = zip(self.labels, *(column.tolist() for column in columns), strict=True)
        return tuple(LabelScore(*row) for row in rows)


@dataclass(frozen=True)
class _VadTask:
    """The m records that have VAD: their positions (m,), gold and strict predictions (m, 3)."""

    rows: Ints
    gold: Floats
    predicted: Floats

    @classmethod
    def of(cls, pairs: Sequence[tuple[Outcome, Record]], constant: VAD) -> _VadTask | None:
        known = [(row, outcome, record.vad) for row, (outcome, record) in enumerate(pairs) if record.vad]
        if not known:
            return None
        rows, outcomes, vads = zip(*known, strict=True)
        predicted = [outcome.reply.triple if isinstance(outcome, Parsed) else constant for outcome in outcomes]
        return cls(np.array(rows), np.array([vad.triple for vad in vads]), np.array(predicted))

    def moments(self, weights: Floats) -> VadMoments:
        return vad_moments(self.gold, self.predicted, weights)

    def figures(self, weights: Floats) -> dict[str, Floats]:
        """Metric name to its values (R,) under ``weights`` (R, n)."""
        moments = self.moments(weights[:, self.rows])
        return {
            "vad_1_minus_rmse": moments.pooled_one_minus_rmse,
            "vad_skill": moments.pooled_skill,
            **{f"vad_r_{axis}": moments.pearson[:, i] for i, axis in enumerate(AXES)},
            **{f"vad_ccc_{axis}": moments.ccc[:, i] for i, axis in enumerate(AXES)},
            "vad_ccc_mean": moments.floored_ccc,
        }

    def table(self) -> tuple[AxisScore, ...]:
        moments = self.moments(np.ones((1, len(self.rows))))
        return tuple(
            AxisScore(
                axis,
                float(moments.one_minus_rmse[0, i]),
                _defined(moments.skill[0, i]),
                _defined(moments.pearson[0, i]),
                _defined(moments.ccc[0, i]),
            )
            for i, axis in enumerate(AXES)
        )


@dataclass(frozen=True)
class _CalibrationTask:
    """The m records labelled in ``goemotions``: their positions (m,), gold and probabilities (m, k)."""

    rows: Ints
    gold: Bools
    probabilities: Floats

    @classmethod
    def of(cls, gold: Sequence[Record], probabilities: Floats | None) -> _CalibrationTask | None:
        rows = [row for row, record in enumerate(gold) if record.labels and record.taxonomy == GOEMOTIONS.name]
        if probabilities is None or not rows:
            return None
        return cls(
            np.array(rows), multi_hot([gold[row].labels for row in rows], GOEMOTIONS.labels), probabilities[rows]
        )

    def figures(self, weights: Floats) -> dict[str, Floats]:
        """Metric name to its values (R,) under ``weights`` (R, n)."""
        return {"ece": expected_calibration_error(self.probabilities, self.gold, weights[:, self.rows])}


def _one_taxonomy(records: Iterable[Record]) -> Taxonomy:
    names = sorted({record.taxonomy for record in records})
    if len(names) > 1:
        raise EmoLoomError(
            f"one evaluation corpus mixes the taxonomies {', '.join(names)}",
            remedy="Evaluate the records of each taxonomy as a corpus of their own.",
        )
    return taxonomy(names[0])


def _reply_labels(outcome: Outcome, space: Taxonomy) -> tuple[str, ...]:
    return convert(outcome.reply.labels, GOEMOTIONS, space) if isinstance(outcome, Parsed) else ()


def _defined(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def _tally(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
