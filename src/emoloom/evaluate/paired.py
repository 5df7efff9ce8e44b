"""Paired bootstrap: does one candidate beat another on the same records?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emoloom.evaluate.bootstrap import Estimate, percentile_interval


@dataclass(frozen=True)
class Difference:
    """``value`` = a - b and its 95% percentile interval."""

    value: float
    low: float
    high: float

    @property
    def separates(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def difference(a: Estimate, b: Estimate) -> Difference | None:
    """The paired difference of a figure between two candidates; None when it is undefined for one of them.

    Both must come from the same records, resamples and seed, so that row r of both is the same draw of records.
    """
    interval = percentile_interval(a.samples - b.samples)
    if a.value is None or b.value is None or interval is None:
        return None
    return Difference(a.value - b.value, *interval)


def tie_groups(candidates: Mapping[str, Estimate]) -> list[list[str]]:
    """The candidates from best to worst, in groups whose members do not separate from the group's first.

    The best that is left leads a group, and everyone left whose paired interval against it includes 0 joins. A candidate
    whose figure is undefined comes last and joins nobody.
    """
    left = sorted(candidates, key=lambda name: (-_rank_value(candidates[name]), name))
    groups: list[list[str]] = []
    while left:
        leader = candidates[left[0]]
        group = [left[0], *(name for name in left[1:] if _tied(leader, candidates[name]))]
        groups.append(group)
        left = [name for name in left if name not in group]
    return groups


def probability_of_best(candidates: Mapping[str, Estimate]) -> dict[str, float]:
    """For each candidate the share of resamples in which its figure is the highest; equals share it. An undefined figure is
    never the highest."""
    if not candidates:
        return {}
    samples = np.array([np.nan_to_num(estimate.samples, nan=-np.inf) for estimate in candidates.values()])
    best = samples == samples.max(axis=0)
    return dict(zip(candidates, (best / best.sum(axis=0)).mean(axis=1).tolist(), strict=True))


def _rank_value(estimate: Estimate) -> float:
    return -np.inf if estimate.value is None else estimate.value


def _tied(a: Estimate, b: Estimate) -> bool:
    gap = difference(a, b)
    return gap is not None and not gap.separates
