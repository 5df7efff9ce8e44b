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


def ablation(arms: Mapping[str, Mapping[str, Scores]], seed: int) -> dict[str, Any]:
    """The content of ``ablation.json``.

    ``arms`` holds each arm's figures, means over its seeds. ``full_minus_ARM`` holds the paired differences on the seeds that
    both have, with 95% intervals from resampling records and, where there are several, seeds; ``differences`` lists these keys.

    Args:
        arms: ``ARM/SEED`` -> scores by evaluation set.
        seed: of the resampling of seeds.
    """
    names = list(dict.fromkeys(name.partition("/")[0] for name in arms))
    by_arm = {name: [dict(scores) for key, scores in arms.items() if key.partition("/")[0] == name] for name in names}
    content: dict[str, Any] = {"arms": [], "differences": []}
    for name in names:
        figures = {metric: _shown(_mean_over_seeds(by_arm[name], metric, seed)) for metric in METRICS}
        by_corpus = {
            corpus: {
                key: float(np.mean([s[corpus].metrics[key] or 0.0 for s in by_arm[name]])) for key in found.metrics
            }
            for corpus, found in by_arm[name][0].items()
        }
        content["arms"].append({"arm": name, "seeds": len(by_arm[name]), "metrics": figures, "corpora": by_corpus})
    for name in names[1:]:
        key = f"{names[0]}_minus_{name.replace('-', '_')}"
        shared = min(len(by_arm[names[0]]), len(by_arm[name]))
        content["differences"].append(key)
        content[key] = {"seeds": shared} | {
            metric: _difference(by_arm[names[0]][:shared], by_arm[name][:shared], metric, seed) for metric in METRICS
        }
    return content


def _difference(
    full: Sequence[Mapping[str, Scores]], other: Sequence[Mapping[str, Scores]], metric: str, seed: int
) -> dict[str, Any] | None:
    one, two = _mean_over_seeds(full, metric, seed), _mean_over_seeds(other, metric, seed)
    gap = difference(one, two) if one and two else None
    return {"difference": gap.value, "interval": [gap.low, gap.high]} if gap else None


def _mean_over_seeds(seeds: Sequence[Mapping[str, Scores]], metric: str, seed: int) -> Estimate | None:
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


def _shown(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None or estimate.interval is None:
        return None
    return {"value": estimate.value, "interval": list(estimate.interval)}
