"""Bootstrap resamples of records, and figures that carry theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from emoloom.evaluate.metrics import Floats

LEVEL = 0.95
_BLOCK = 100  # resamples at a time: bounds the memory for large corpora


@dataclass(frozen=True, eq=False)
class Estimate:
    """A figure (None: undefined) and its values ``samples`` (R,) in R bootstrap resamples (NaN: undefined in that one)."""

    value: float | None
    samples: Floats

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% percentile interval over the resamples in which the figure is defined."""
        return None if self.value is None else percentile_interval(self.samples)


def mean_estimate(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of several figures with as many resamples; one that is undefined counts as 0, so that nobody gains by it."""
    samples: Floats = np.mean([np.nan_to_num(estimate.samples) for estimate in estimates], axis=0)
    return Estimate(float(np.mean([estimate.value or 0.0 for estimate in estimates])), samples)


def percentile_interval(samples: Floats) -> tuple[float, float] | None:
    """The central 95% of ``samples`` (R,) leaving out NaN; None when nothing else is there."""
    defined = samples[~np.isnan(samples)]
    if not defined.size:
        return None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(defined, (tail, 1 - tail))
    return float(low), float(high)


def resample_weights(n: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each of ``n`` records is drawn, in blocks (<= 100, n) that make up ``resamples`` rows.

    Each row is n draws with replacement; the rows depend on the three arguments alone.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    for start in range(0, resamples, _BLOCK):
        rows = min(_BLOCK, resamples - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
