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

    ``appraisal``: goal attainment, controllability, certainty and fairness in [0, 1]: what people who tell of an event with
    this emotion say of it on average, on the scale of the ISEAR questionnaire (certainty is how far the event was expected).
    From ISEAR: anger, disgust, fear, joy, sadness, embarrassment (shame) and remorse (guilt). From crowd-enVENT, brought onto
    ISEAR's scale: approval (trust), pride, relief, surprise and neutral (no-emotion). The others keep the signs of Smith and
    Ellsworth (1985, "Patterns of cognitive appraisal in emotion") or of their nearest neighbour there, brought onto the same
    scale. docs/decisions/004-appraisal-verifier.md has the table and the lines.

    ``gloss``: one to three words for the label's meaning, after the definitions in Demszky et al. (2020, Appendix A).
    """

    gloss: str
    vad: VAD
    appraisal: tuple[float, float, float, float]


AFFECT: Mapping[str, Affect] = {
    "admiration": Affect("respect", (0.80, 0.50, 0.55), (0.74, 0.56, 0.33, 0.88)),
    "amusement": Affect("finds it funny", (0.85, 0.60, 0.60), (0.74, 0.57, 0.30, 0.73)),
    "anger": Affect("strong displeasure", (0.15, 0.85, 0.60), (0.26, 0.54, 0.21, 0.24)),
    "annoyance": Affect("mild irritation", (0.25, 0.65, 0.50), (0.38, 0.53, 0.33, 0.49)),
    "approval": Affect("favourable opinion", (0.75, 0.40, 0.60), (0.74, 0.59, 0.33, 0.79)),
    "caring": Affect("kindness", (0.80, 0.40, 0.55), (0.61, 0.57, 0.30, 0.78)),
    "confusion": Affect("lack of understanding", (0.35, 0.55, 0.30), (0.48, 0.51, 0.17, 0.68)),
    "curiosity": Affect("wish to know", (0.65, 0.60, 0.50), (0.61, 0.56, 0.21, 0.68)),
    "desire": Affect("strong wish", (0.70, 0.70, 0.50), (0.51, 0.55, 0.26, 0.68)),
    "disappointment": Affect("unmet hopes", (0.20, 0.40, 0.30), (0.31, 0.49, 0.34, 0.54)),
    "disapproval": Affect("unfavourable opinion", (0.25, 0.50, 0.55), (0.41, 0.53, 0.34, 0.39)),
    "disgust": Affect("revulsion", (0.10, 0.65, 0.45), (0.34, 0.52, 0.23, 0.37)),
    "embarrassment": Affect("self-consciousness", (0.20, 0.65, 0.25), (0.34, 0.53, 0.25, 0.59)),
    "excitement": Affect("eagerness", (0.85, 0.90, 0.65), (0.81, 0.58, 0.29, 0.83)),
    "fear": Affect("sense of threat", (0.10, 0.85, 0.20), (0.37, 0.44, 0.24, 0.56)),
    "gratitude": Affect("thankfulness", (0.85, 0.45, 0.50), (0.81, 0.55, 0.34, 0.98)),
    "grief": Affect("mourning", (0.05, 0.55, 0.15), (0.28, 0.44, 0.34, 0.44)),
    "joy": Affect("delight", (0.95, 0.70, 0.65), (0.91, 0.70, 0.53, 0.97)),
    "love": Affect("strong affection", (0.95, 0.65, 0.60), (0.78, 0.57, 0.33, 0.88)),
    "nervousness": Affect("worry", (0.30, 0.80, 0.25), (0.48, 0.49, 0.17, 0.64)),
    "optimism": Affect("hopefulness", (0.80, 0.50, 0.65), (0.68, 0.57, 0.27, 0.78)),
    "pride": Affect("sense of achievement", (0.85, 0.60, 0.80), (0.83, 0.60, 0.37, 0.89)),
    "realization": Affect("becoming aware", (0.55, 0.45, 0.55), (0.58, 0.55, 0.34, 0.68)),
    "relief": Affect("release from distress", (0.75, 0.30, 0.55), (0.67, 0.53, 0.30, 0.81)),
    "remorse": Affect("regret", (0.15, 0.50, 0.25), (0.36, 0.56, 0.30, 0.60)),
    "sadness": Affect("sorrow", (0.10, 0.30, 0.20), (0.28, 0.39, 0.32, 0.46)),
    "surprise": Affect("astonishment", (0.60, 0.80, 0.40), (0.76, 0.50, 0.10, 0.83)),
    "neutral": Affect("no clear emotion", (0.50, 0.30, 0.50), (0.57, 0.58, 0.50, 0.80)),
}


def anchor(labels: Iterable[str]) -> VAD:
    """Mean VAD anchor of one or more GoEmotions labels, each component in [0, 1]."""
    triples = [AFFECT[label].vad for label in labels]
    v, a, d = (sum(axis) / len(triples) for axis in zip(*triples, strict=True))
    return v, a, d
