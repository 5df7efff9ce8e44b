"""The labels' appraisal profiles, recomputed from the corpora and from the hand-set values."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, linear_regression

import pytest

from emoloom.contract.affect import AFFECT
from emoloom.data.load_appraised import AppraisedCorpus, load_appraised

ISEAR = {
    "joy": "joy", "fear": "fear", "anger": "anger", "sadness": "sadness", "disgust": "disgust", "embarrassment": "shame",
    "remorse": "guilt",
}  # fmt: skip
ENVENT = {"pride": "pride", "relief": "relief", "surprise": "surprise", "approval": "trust", "neutral": "no-emotion"}
HAND_SET = {
    "admiration": (0.75, 0.50, 0.70, 0.70), "amusement": (0.75, 0.55, 0.60, 0.55), "anger": (0.10, 0.45, 0.70, 0.10),
    "annoyance": (0.20, 0.40, 0.70, 0.30), "approval": (0.70, 0.55, 0.75, 0.75), "caring": (0.55, 0.55, 0.60, 0.60),
    "confusion": (0.35, 0.30, 0.10, 0.50), "curiosity": (0.55, 0.50, 0.25, 0.50), "desire": (0.40, 0.45, 0.45, 0.50),
    "disappointment": (0.10, 0.25, 0.75, 0.35), "disapproval": (0.25, 0.40, 0.75, 0.20), "disgust": (0.15, 0.35, 0.75, 0.25),
    "embarrassment": (0.20, 0.30, 0.65, 0.50), "excitement": (0.85, 0.60, 0.55, 0.65), "fear": (0.15, 0.10, 0.15, 0.40),
    "gratitude": (0.85, 0.45, 0.75, 0.80), "grief": (0.05, 0.05, 0.75, 0.25), "joy": (0.90, 0.60, 0.70, 0.70),
    "love": (0.80, 0.55, 0.70, 0.70), "nervousness": (0.35, 0.25, 0.10, 0.45), "optimism": (0.65, 0.55, 0.50, 0.60),
    "pride": (0.95, 0.90, 0.85, 0.75), "realization": (0.50, 0.45, 0.75, 0.50), "relief": (0.85, 0.45, 0.75, 0.60),
    "remorse": (0.15, 0.65, 0.75, 0.30), "sadness": (0.10, 0.15, 0.65, 0.35), "surprise": (0.50, 0.20, 0.15, 0.50),
    "neutral": (0.50, 0.50, 0.65, 0.50),
}  # fmt: skip
"""Signs after Smith and Ellsworth (1985), where they treat the emotion, else of its nearest neighbour."""
ROUNDING = 0.0051


def means(corpus: AppraisedCorpus, emotion: str) -> list[float]:
    rows = [row.atoms for row in corpus.rows if row.emotion == emotion]
    return [fmean(value for value in atom if value is not None) for atom in zip(*rows, strict=True)]


def test_profiles_are_the_means_of_the_corpora(corpora: Path) -> None:
    loaded = {corpus.name: corpus for corpus in load_appraised(corpora)}
    isear, envent = loaded["isear"], loaded["crowd-envent"]
    for label, emotion in ISEAR.items():
        assert AFFECT[label].appraisal == pytest.approx(means(isear, emotion), abs=ROUNDING)
    pairs = [(means(envent, emotion), means(isear, emotion)) for emotion in ISEAR.values()]
    for atom in range(4):
        line = linear_regression([x[atom] for x, _ in pairs], [y[atom] for _, y in pairs])
        for label, emotion in ENVENT.items():
            scaled = line.intercept + line.slope * means(envent, emotion)[atom]
            assert AFFECT[label].appraisal[atom] == pytest.approx(scaled, abs=ROUNDING)


def test_the_other_profiles_are_hand_set_values_on_the_scale_of_the_data() -> None:
    known = [*ISEAR, *ENVENT]
    for atom in range(4):
        hand, data = ([values[label][atom] for label in known] for values in (HAND_SET, _profiles()))
        line = linear_regression(hand, data)
        assert line.slope > 0
        for label in AFFECT.keys() - set(known):
            scaled = line.intercept + line.slope * HAND_SET[label][atom]
            assert AFFECT[label].appraisal[atom] == pytest.approx(scaled, abs=2 * ROUNDING)


def _profiles() -> dict[str, tuple[float, float, float, float]]:
    return {label: affect.appraisal for label, affect in AFFECT.items()}
