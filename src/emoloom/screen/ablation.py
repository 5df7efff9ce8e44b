"""What each part of a recipe is worth: every arm against the full recipe, on the same records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from emoloom.evaluate.bootstrap import Estimate, mean_estimate
from emoloom.evaluate.paired import difference
from emoloom.evaluate.score import Scores
from emoloom.screen.arms import PLAIN

METRICS = {"strict_macro_f1": "strict_macro_f1", "ccc_mean": "vad_ccc_mean", "flip_test": "flip_test"}
"""Name in ``ablation.json`` -> metric of a corpus. Each is the mean over the corpora that have it; CCC only against gold VAD."""


Seeds = Sequence[Mapping[str, Scores]]
"""An arm's scores by evaluation set, seed by seed."""


def ablation(
    arms: Mapping[tuple[str, str], Mapping[str, Scores]], readouts: Sequence[str], seed: int
) -> dict[str, Any]:
    """The content of ``ablation.json``.

    ``arms`` holds the figures of each arm by each readout, means over its seeds. ``full_minus_ARM`` compares every arm by the
    first of the ``readouts``, but plain fine-tuning by the first in which it writes, as it is used: the ``scored`` readout is a
    part of the method. ``full_minus_ARM_READOUT`` compares both by one. Paired differences on the seeds that both have, with 95%
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
    for key, full, other in _comparisons(names, list(seeds)):
        shared = min(len(seeds[full]), len(seeds[other]))
        content["differences"].append(key)
        content[key] = {"readouts": [full[1], other[1]], "seeds": shared} | {
            metric: _difference(seeds[full][:shared], seeds[other][:shared], metric, seed) for metric in METRICS
        }
    return content


def _comparisons(
    names: Sequence[str], known: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, tuple[str, str], tuple[str, str]]]:
    """The key of each difference and the two (arm, readout) that it is between."""
    by_arm = {name: [readout for arm, readout in known if arm == name] for name in names}
    full, *others = names
    for name in others:
        key = f"{full}_minus_{name.replace('-', '_')}"
        written = [readout for readout in by_arm[name] if readout != "scored"]
        first = by_arm[full][0], (written or by_arm[name])[0] if name == PLAIN else by_arm[name][0]
        yield key, (full, first[0]), (name, first[1])
        for readout in by_arm[full]:
            if readout in by_arm[name] and (readout, readout) != first:
                yield f"{key}_{readout}", (full, readout), (name, readout)


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
