"""What each part of a recipe is worth: every arm against the full recipe, on the same records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emoloom.evaluate.bootstrap import Estimate, mean_estimate
from emoloom.evaluate.paired import difference
from emoloom.evaluate.score import Scores

METRICS = {"strict_macro_f1": "strict_macro_f1", "ccc_mean": "vad_ccc_mean", "flip_test": "flip_test"}
"""Name in ``ablation.json`` -> metric of a corpus. Each is the mean over the corpora that have it; CCC only against gold VAD."""


Seeds = Sequence[Mapping[str, Scores]]
"""An arm's scores by evaluation set, seed by seed."""


def ablation(
    arms: Mapping[tuple[str, str], Mapping[str, Scores]], readouts: Sequence[str], seed: int
) -> dict[str, Any]:
    """The content of ``ablation.json``.

    ``arms`` holds the figures of each arm by each readout, means over its seeds. ``full_minus_ARM`` compares by the
    first of the ``readouts``, ``full_minus_ARM_READOUT`` by another. Paired differences on the seeds that both have, with 95%
    intervals from resampling records and, where there are several, seeds. ``differences`` lists these keys.

    Args:
        arms: (``ARM/SEED``, readout) -> scores by evaluation set.
        seed: of the resampling of seeds.
    """
    names = list(dict.fromkeys(name.partition("/")[0] for name, _ in arms))
    seeds: dict[tuple[str, str], Seeds] = {
        (name, readout): found
        for name in names
        for readout in readouts
        if (found := [one for key, one in arms.items() if (key[0].partition("/")[0], key[1]) == (name, readout)])
    }
    content: dict[str, Any] = {"arms": [], "differences": []}
    for (name, readout), scored in seeds.items():
        figures = {metric: _shown(_mean_over_seeds(scored, metric, seed)) for metric in METRICS}
        by_corpus = {
            corpus: {key: _mean([s[corpus].metrics[key] for s in scored]) for key in first.metrics}
            for corpus, first in scored[0].items()
        }
        arm = {"arm": name, "readout": readout, "seeds": len(scored), "metrics": figures, "corpora": by_corpus}
        content["arms"].append(arm)
    full, *others = names
    for name, readout in seeds:
        if name in others and (full, readout) in seeds:
            key = f"{full}_minus_{name.replace('-', '_')}" + (f"_{readout}" if readout != readouts[0] else "")
            one, other = seeds[full, readout], seeds[name, readout]
            shared = min(len(one), len(other))
            content["differences"].append(key)
            content[key] = {"readout": readout, "seeds": shared} | {
                metric: _difference(one[:shared], other[:shared], metric, seed) for metric in METRICS
            }
    return content


def _difference(full: Seeds, other: Seeds, metric: str, seed: int) -> dict[str, Any] | None:
    one, two = _mean_over_seeds(full, metric, seed), _mean_over_seeds(other, metric, seed)
    gap = difference(one, two) if one and two else None
    return {"difference": gap.value, "interval": [gap.low, gap.high]} if gap else None


def _mean_over_seeds(seeds: Seeds, metric: str, seed: int) -> Estimate | None:
    """The mean over seeds of the mean over corpora; None where no corpus has the metric.

    Each resample also draws the seeds with replacement, the same for every arm with as many seeds.
    """
    estimates = [_mean_over_corpora(scores, METRICS[metric]) for scores in seeds]
    known = [estimate for estimate in estimates if estimate is not None]
    if not known:
        return None
    samples = np.stack([estimate.samples for estimate in known])
    rows = samples.shape[1]
    drawn = np.random.default_rng(seed).integers(len(known), size=(len(known), rows))
    mean = float(np.mean([estimate.value or 0.0 for estimate in known]))
    return Estimate(mean, samples[drawn, np.arange(rows)].mean(axis=0))


def _mean_over_corpora(scores: Mapping[str, Scores], name: str) -> Estimate | None:
    found = [
        score.estimates[name]
        for score in scores.values()
        if name in score.estimates and (name != "vad_ccc_mean" or set(score.vad_sources) == {"gold"})
    ]
    return mean_estimate(found) if found else None


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean; None where one of the values is not defined."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _shown(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None or estimate.interval is None:
        return None
    return {"value": estimate.value, "interval": list(estimate.interval)}
