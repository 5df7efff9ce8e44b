"""The probe: what a candidate's frozen features give away of labels and VAD, before it has answered or learned anything.

One forward a record, several records a forward; then closed forms (:mod:`emoloom.evaluate.transfer`). It says how much there
is for a linear reading to find, and takes no part in the ranking.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from emoloom.contract.affect import AXES
from emoloom.contract.record import Record
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.evaluate.metrics import ROUNDING, Floats, vad_moments
from emoloom.evaluate.transfer import evidence_gains, factors, h_scores, ridge_loo
from emoloom.model.load import Candidate
from emoloom.screen.cells import Cell
from emoloom.screen.cost import Cost, Progress
from emoloom.screen.features import frozen_features
from emoloom.store.run import CellFolder, RunFolder

_DIGITS = 6
"""Decimals of a figure: where packing changes bits, those of a sum over records still agree so far."""


def probe(
    candidate: Candidate, records: Sequence[Record], folder: CellFolder, *, progress: Progress, cost: Cost
) -> dict[str, Any]:
    """The content of a probe, ready for JSON: see :func:`judge_features`.

    The features of each pack are kept in the cell's scratch folder as they come, so that a crash loses none of them.

    Args:
        records: completed ones, at least one.
    """
    cost.examples += len(records)
    cost.tokens += sum(len(candidate.prompter.encode(record).own) for record in records)
    features = frozen_features(candidate, records, folder.scratch, f"probing {candidate.name}", progress)
    cost.decoded = len(records)
    return judge_features(features, records)


def judge_features(features: Floats, records: Sequence[Record]) -> dict[str, Any]:
    r"""What features (n, d) give away of n records' labels and VAD.

    ``metrics``: ``logme`` and ``h_score``, means over the labels that some but not all records have; ``label_r``, the
    correlation :math:`\sqrt{1 - e^{-2 \text{logme}}}` that such a gain stands for (Linfoot 1957); ``vad_ccc_v|a|d`` and
    ``vad_ccc_mean`` (each at least 0) of what ridge regression predicts for left-out records; ``probe``, the mean of
    ``label_r`` and ``vad_ccc_mean``, or the one there is. What has no gold, or gold that never varies, has no figure;
    ``notes`` say so.
    """
    of = factors(features)
    metrics: dict[str, float] = {}
    notes: list[str] = []
    if (labels := _label_targets(records)).size:
        gain = float(evidence_gains(of, labels).mean())
        metrics |= {"h_score": float(h_scores(of, labels).mean()), "logme": gain}
        metrics["label_r"] = math.sqrt(-math.expm1(-2 * gain))
    else:
        notes.append("No label score: the records have no labels, or all the same.")
    axes, vad = _vad_targets(records)
    if axes:
        moments = vad_moments(vad, ridge_loo(of, vad), np.ones((1, len(records))))
        metrics |= {f"vad_ccc_{axis}": float(ccc) for axis, ccc in zip(axes, moments.ccc[0], strict=True)}
        metrics["vad_ccc_mean"] = float(moments.floored_ccc[0])
    if len(axes) < len(AXES):
        lacking = ", ".join(axis for axis in AXES if axis not in axes)
        notes.append(f"No VAD score on {lacking}: the records have no VAD, or all the same.")
    halves = [metrics[name] for name in ("label_r", "vad_ccc_mean") if name in metrics]
    if halves:
        metrics["probe"] = sum(halves) / len(halves)
    return {
        "n": len(records),
        "labels": labels.shape[1],
        "vad_sources": dict(sorted(Counter(record.vad_source or "gold" for record in records if record.vad).items())),
        "metrics": {name: round(value, _DIGITS) for name, value in metrics.items()},
        "notes": notes,
    }


def _label_targets(records: Sequence[Record]) -> Floats:
    """Indicators (n, k) of the labels that some but not all records have; none where a record is not labelled."""
    labelled = all(record.labels for record in records)
    names = [label for label in GOEMOTIONS.labels if labelled and 0 < _count(label, records) < len(records)]
    return np.array([[float(label in record.labels) for label in names] for record in records])


def _count(label: str, records: Sequence[Record]) -> int:
    return sum(label in record.labels for record in records)


def _vad_targets(records: Sequence[Record]) -> tuple[list[str], Floats]:
    """The axes that vary and their values (n, m); none where a record has no VAD."""
    triples = [record.vad.triple for record in records if record.vad]
    if len(triples) < len(records):
        return [], np.zeros((len(records), 0))
    values = np.array(triples)
    varies = values.var(axis=0) > ROUNDING
    return [axis for axis, kept in zip(AXES, varies, strict=True) if kept], values[:, varies]


def probes(run: RunFolder, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """What the finished probes among ``cells`` found, by candidate."""
    metrics = [run.cell(cell.key).metrics() for cell in cells if cell.stage == "probe"]
    return [{"candidate": found["candidate"], **found["probe"]} for found in metrics if found]
