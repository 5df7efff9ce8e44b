"""The ranking score: one figure for a candidate over all evaluation corpora."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emoloom.errors import EmoLoomError
from emoloom.evaluate.bootstrap import Estimate, mean_estimate

KINDS = ("strict_macro_f1", "vad_ccc_mean")
"""What is averaged over the corpora that have labels, and over those that have VAD."""
BOTH = "score"
"""Ranks by both kinds alike."""


def ranking_score(corpora: Sequence[Mapping[str, Estimate]], by: str = BOTH) -> Estimate:
    """Half the mean strict Macro-F1 over corpora with labels, half the mean floored CCC over those with VAD, in [0, 1].

    Where one kind is absent the other takes it all. A figure that is undefined counts as 0, so that nobody gains by it.

    Args:
        corpora: the estimates of each evaluation corpus by metric name, all with the same number of resamples.
        by: one of :data:`KINDS` to leave the other out.

    Raises:
        EmoLoomError: no corpus has labels or VAD, or what it is to be ranked by.
    """
    kinds = [[corpus[kind] for corpus in corpora if kind in corpus] for kind in kinds_of(by)]
    present = [mean_estimate(estimates) for estimates in kinds if estimates]
    if not present:
        raise nothing_to_rank_by(by)
    return mean_estimate(present)


def kinds_of(by: str) -> tuple[str, ...]:
    """Those of :data:`KINDS` that count in a ranking ``by`` one of them or both."""
    return KINDS if by == BOTH else (by,)


def nothing_to_rank_by(by: str, where: str = "") -> EmoLoomError:
    """The error for evaluation corpora that have nothing of what they are to be ranked by."""
    lacking = {BOTH: "labels or VAD", KINDS[0]: "labels", KINDS[1]: "VAD"}[by]
    return EmoLoomError(
        f"no evaluation record has {lacking}",
        where=where,
        remedy=f"Add a corpus with {lacking}, such as --eval starter:test.",
    )
