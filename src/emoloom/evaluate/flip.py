"""The flip test: does the predicted valence change side when the text's valence does?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emoloom.contract.affect import VAD
from emoloom.contract.parse import Parsed
from emoloom.errors import EmoLoomError
from emoloom.evaluate.bootstrap import Estimate, resample_weights
from emoloom.evaluate.metrics import Floats
from emoloom.evaluate.score import Outcome

MIDDLE = 0.5


def flip_score(
    originals: Sequence[Outcome],
    mirrored: Sequence[Outcome],
    original_is_pleasant: Sequence[bool],
    *,
    constant: VAD,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """The share of pairs whose pleasant text is put above V = 0.5 and whose unpleasant one below, resampled by pair.

    Exactly 0.5 is on no side. A constant prediction therefore scores 0, and guessing a side for each text 0.25.

    Args:
        originals: n parsed replies or failures.
        mirrored: those to the n mirrored texts, in the same order.
        original_is_pleasant: for each pair, whether its original is the pleasant one.
        constant: the VAD that stands in for a failure.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap; candidates to be compared pairwise need the same.

    Raises:
        EmoLoomError: there are no pairs.
        ValueError: the three sequences differ in length.
    """
    if not originals:
        raise EmoLoomError(
            "there are no flip pairs to score", remedy="Take a corpus that `data show --flip` finds some in."
        )
    n = len(originals)
    turned = [
        _turned(_valence(original, constant), _valence(mirror, constant), pleasant)
        for original, mirror, pleasant in zip(originals, mirrored, original_is_pleasant, strict=True)
    ]
    hits: Floats = np.array(turned, dtype=np.float64)
    samples = [weights @ hits / n for weights in resample_weights(n, resamples, seed)]
    return Estimate(float(hits.mean()), np.concatenate(samples))


def _turned(original: float, mirrored: float, original_is_pleasant: bool) -> bool:
    pleasant, unpleasant = (original, mirrored) if original_is_pleasant else (mirrored, original)
    return pleasant > MIDDLE > unpleasant


def _valence(outcome: Outcome, constant: VAD) -> float:
    return (outcome.reply.triple if isinstance(outcome, Parsed) else constant)[0]
