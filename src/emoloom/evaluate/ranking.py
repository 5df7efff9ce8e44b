"""The ranking score: one figure for a candidate over all evaluation corpora."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emoloom.errors import EmoLoomError
from emoloom.evaluate.bootstrap import Estimate, mean_estimate

KINDS = ("strict_macro_f1", "vad_ccc_mean")
"""What is averaged over the corpora that have labels, and over those that have VAD."""


def ranking_score(corpora: Sequence[Mapping[str, Estimate]]) -> Estimate:
    """Half the mean strict Macro-F1 over corpora with labels, half the mean floored CCC over those with VAD, in [0, 1].

    Where one kind is absent the other takes it all. A figure that is undefined counts as 0, so that nobody gains by it.

    Args:
        corpora: the estimates of each evaluation corpus by metric name, all with the same number of resamples.

    Raises:
        EmoLoomError: no corpus has labels or VAD.
    """
    kinds = [[corpus[kind] for corpus in corpora if kind in corpus] for kind in KINDS]
    present = [mean_estimate(estimates) for estimates in kinds if estimates]
    if not present:
        raise EmoLoomError(
            "no evaluation corpus has labels or VAD", remedy="Evaluate on at least one corpus that has either."
        )
    return mean_estimate(present)
