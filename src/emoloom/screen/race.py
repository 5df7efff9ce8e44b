"""Successive halving (Jamieson & Talwalkar 2016): who trains on after each rung of the race, and why the others leave.

Training pauses at a rung and is continued, not begun again: whoever reaches the end has the weights of a training that nobody
raced. A rung doubles the examples of the one before and leaves room for half of its candidates.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from emoloom.evaluate.bootstrap import Estimate
from emoloom.evaluate.paired import difference


def rungs(total: int, count: int) -> tuple[int, ...]:
    """After how many of ``total`` examples the candidates of a race with ``count`` rungs are judged, growing.

    The last rung, the whole training, is judged on other records and left out here; so are rungs of less than one example.
    """
    found = [total // 2**halvings for halvings in range(count - 1, 0, -1)]
    return tuple(sorted({n for n in found if n > 0}))


@dataclass(frozen=True)
class Standing:
    """A candidate at a rung.

    Attributes:
        score: its ranking score on the race's records.
        gap: by how much it trails the rung's best, with the paired 95% interval; None for the best itself.
        decision: ``leads``, ``stays``, ``kept`` (it would have left, and was asked for), ``separated`` (it leaves because its
            interval against the best lies below 0) or ``halved`` (it leaves because there is no room for it).
    """

    candidate: str
    score: float
    gap: tuple[float, float, float] | None
    decision: str

    @property
    def leaves(self) -> bool:
        """Whether it trains no further."""
        return self.decision in ("separated", "halved")


def judge_rung(scores: Mapping[str, Estimate], keep: Collection[str]) -> list[Standing]:
    """The standings at a rung, best first.

    Those that separate from the best leave. Of the others the better half of all that came to the rung has room; the rest leaves,
    too, since the budget of halving asks it. Candidates in ``keep`` stay whatever they score, and take no room.

    Args:
        scores: by candidate, from the same records, resamples and seed.
    """
    ranked = sorted(scores, key=lambda name: (-(scores[name].value or 0.0), name))
    room = math.ceil(len(ranked) / 2)
    standings: list[Standing] = []
    for name in ranked:
        gap = difference(scores[name], scores[ranked[0]]) if standings else None
        separated = gap is not None and gap.high < 0
        decision = "leads" if not standings else "separated" if separated else "stays" if room > 0 else "halved"
        if name in keep and decision in ("separated", "halved"):
            decision = "kept"
        elif decision in ("leads", "stays"):
            room -= 1
        interval = (gap.value, gap.low, gap.high) if gap else None
        standings.append(Standing(name, scores[name].value or 0.0, interval, decision))
    return standings
