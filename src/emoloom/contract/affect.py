"""What each GoEmotions label means in affect space: gloss, VAD anchor, appraisal profile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

VAD = tuple[float, float, float]
AXES = ("v", "a", "d")
ATOMS = ("goal_attainment", "controllability", "certainty", "fairness")


class Affect(NamedTuple):
    """One label's place in affect space.

    ``vad``: valence, arousal, dominance in [0, 1], where 0.5 is the middle of each axis. EmoLoom's own values on a 0.05
    grid, after the three-factor theory of Russell and Mehrabian (1977); ``neutral`` is fixed at (0.50, 0.30, 0.50).

    ``appraisal``: goal attainment, controllability, certainty and fairness in [0, 1] as the speaker appraises the event, 0.5
    meaning "not an issue". Signs after Smith and Ellsworth (1985, "Patterns of cognitive appraisal in emotion": certainty,
    control, obstacle, legitimacy) where they treat the emotion; the others take the profile of their nearest neighbour.

    ``gloss``: one to three words for the label's meaning, after the definitions in Demszky et al. (2020, Appendix A).
    """

    gloss: str
    vad: VAD
    appraisal: tuple[float, float, float, float]


AFFECT: Mapping[str, Affect] = {
    "admiration": Affect("respect", (0.80, 0.50, 0.55), (0.75, 0.50, 0.70, 0.70)),
    "amusement": Affect("finds it funny", (0.85, 0.60, 0.60), (0.75, 0.55, 0.60, 0.55)),
    "anger": Affect("strong displeasure", (0.15, 0.85, 0.60), (0.10, 0.45, 0.70, 0.10)),
    "annoyance": Affect("mild irritation", (0.25, 0.65, 0.50), (0.20, 0.40, 0.70, 0.30)),
    "approval": Affect("favourable opinion", (0.75, 0.40, 0.60), (0.70, 0.55, 0.75, 0.75)),
    "caring": Affect("kindness", (0.80, 0.40, 0.55), (0.55, 0.55, 0.60, 0.60)),
    "confusion": Affect("lack of understanding", (0.35, 0.55, 0.30), (0.35, 0.30, 0.10, 0.50)),
    "curiosity": Affect("wish to know", (0.65, 0.60, 0.50), (0.55, 0.50, 0.25, 0.50)),
    "desire": Affect("strong wish", (0.70, 0.70, 0.50), (0.40, 0.45, 0.45, 0.50)),
    "disappointment": Affect("unmet hopes", (0.20, 0.40, 0.30), (0.10, 0.25, 0.75, 0.35)),
    "disapproval": Affect("unfavourable opinion", (0.25, 0.50, 0.55), (0.25, 0.40, 0.75, 0.20)),
    "disgust": Affect("revulsion", (0.10, 0.65, 0.45), (0.15, 0.35, 0.75, 0.25)),
    "embarrassment": Affect("self-consciousness", (0.20, 0.65, 0.25), (0.20, 0.30, 0.65, 0.50)),
    "excitement": Affect("eagerness", (0.85, 0.90, 0.65), (0.85, 0.60, 0.55, 0.65)),
    "fear": Affect("sense of threat", (0.10, 0.85, 0.20), (0.15, 0.10, 0.15, 0.40)),
    "gratitude": Affect("thankfulness", (0.85, 0.45, 0.50), (0.85, 0.45, 0.75, 0.80)),
    "grief": Affect("mourning", (0.05, 0.55, 0.15), (0.05, 0.05, 0.75, 0.25)),
    "joy": Affect("delight", (0.95, 0.70, 0.65), (0.90, 0.60, 0.70, 0.70)),
    "love": Affect("strong affection", (0.95, 0.65, 0.60), (0.80, 0.55, 0.70, 0.70)),
    "nervousness": Affect("worry", (0.30, 0.80, 0.25), (0.35, 0.25, 0.10, 0.45)),
    "optimism": Affect("hopefulness", (0.80, 0.50, 0.65), (0.65, 0.55, 0.50, 0.60)),
    "pride": Affect("sense of achievement", (0.85, 0.60, 0.80), (0.95, 0.90, 0.85, 0.75)),
    "realization": Affect("becoming aware", (0.55, 0.45, 0.55), (0.50, 0.45, 0.75, 0.50)),
    "relief": Affect("release from distress", (0.75, 0.30, 0.55), (0.85, 0.45, 0.75, 0.60)),
    "remorse": Affect("regret", (0.15, 0.50, 0.25), (0.15, 0.65, 0.75, 0.30)),
    "sadness": Affect("sorrow", (0.10, 0.30, 0.20), (0.10, 0.15, 0.65, 0.35)),
    "surprise": Affect("astonishment", (0.60, 0.80, 0.40), (0.50, 0.20, 0.15, 0.50)),
    "neutral": Affect("no clear emotion", (0.50, 0.30, 0.50), (0.50, 0.50, 0.65, 0.50)),
}


def anchor(labels: Iterable[str]) -> VAD:
    """Mean VAD anchor of one or more GoEmotions labels, each component in [0, 1]."""
    triples = [AFFECT[label].vad for label in labels]
    v, a, d = (sum(axis) / len(triples) for axis in zip(*triples, strict=True))
    return v, a, d
