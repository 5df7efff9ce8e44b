"""The mirror of each GoEmotions label on the valence axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from emoloom.contract.affect import AFFECT
from emoloom.contract.taxonomy import GOEMOTIONS

_BOTH_WAYS = {
    "joy": "sadness",
    "love": "anger",
    "admiration": "disapproval",
    "gratitude": "annoyance",
    "optimism": "disappointment",
    "pride": "embarrassment",
    "relief": "nervousness",
    "excitement": "grief",
}
# Labels whose natural opposite is the partner of another label already. Their mirror's mirror is that other label, so they
# lead one way only; what is left without a partner is too uneven (four pleasant labels, three unpleasant) to pair up.
_ONE_WAY = {
    "approval": "disapproval",  # "you're right" and "you're wrong"
    "amusement": "annoyance",  # "hilarious" and "infuriating": the same arousal
    "fear": "excitement",  # "terrified" and "thrilled": both far up on arousal
    "disgust": "admiration",  # what repels against what attracts
    "remorse": "joy",  # "I'm sorry I came" and "I'm glad I came"
}
LABEL_MIRRORS: Mapping[str, str] = {**_BOTH_WAYS, **{b: a for a, b in _BOTH_WAYS.items()}, **_ONE_WAY}
"""Label to its mirror. An involution on the sixteen labels of the eight pairs; see `_ONE_WAY` for the other five."""

UNTURNED = frozenset({"confusion", "curiosity", "realization", "surprise", "neutral"})
"""Labels without a valence of their own: they stay as they are beside a label that turns.

The last two of the 28, ``caring`` and ``desire``, make a record unflippable: the opposite of either is its absence, for which
there is no label.
"""


class MirroredLabels(NamedTuple):
    """``labels`` in the order of ``goemotions``; ``pleasant`` says on which side the *original* ones lie."""

    labels: tuple[str, ...]
    pleasant: bool


def mirror_labels(labels: Iterable[str]) -> MirroredLabels | None:
    """The mirrors of GoEmotions labels; None where none turns, one has no mirror, or they lie on both sides."""
    found = set(labels)
    turned = found - UNTURNED
    sides = {AFFECT[label].vad[0] > 0.5 for label in turned}
    if len(sides) != 1 or not turned <= LABEL_MIRRORS.keys():
        return None
    mirrors = {LABEL_MIRRORS[label] for label in turned} | (found & UNTURNED)
    return MirroredLabels(GOEMOTIONS.ordered(mirrors), sides.pop())
