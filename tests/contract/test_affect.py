"""Anchors and appraisal profiles: complete, on their grid, and in keeping with the published valence grouping."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoloom.contract.affect import AFFECT, ATOMS, AXES, anchor
from emoloom.contract.taxonomy import GOEMOTIONS, MAPS

LABELS = GOEMOTIONS.labels


def test_every_label_has_its_place_in_order() -> None:
    assert tuple(AFFECT) == LABELS


@pytest.mark.parametrize("label", LABELS)
def test_values_lie_on_the_grid_of_the_unit_cube(label: str) -> None:
    affect = AFFECT[label]
    assert len(affect.vad) == len(AXES) == 3
    assert len(affect.appraisal) == len(ATOMS) == 4
    for values, grid in ((affect.vad, "0.05"), (affect.appraisal, "0.01")):
        for value in values:
            assert 0 <= value <= 1
            assert (Fraction(str(value)) / Fraction(grid)).denominator == 1


def test_neutral_is_fixed() -> None:
    assert AFFECT["neutral"].vad == (0.50, 0.30, 0.50)
    assert anchor(["neutral"]) == (0.50, 0.30, 0.50)


@pytest.mark.parametrize("label", LABELS)
def test_valence_agrees_with_the_published_grouping(label: str) -> None:
    valence, goal_attainment = AFFECT[label].vad[0], AFFECT[label].appraisal[0]
    match MAPS["goemotions", "sentiment"][label]:
        case "positive":
            assert valence > 0.5
            assert goal_attainment > 0.5 or label == "desire"  # what is desired is not attained yet
        case "negative":
            assert valence < 0.5
            assert goal_attainment < 0.5
        case _:
            assert 0.3 < valence < 0.7


def test_no_two_labels_share_an_anchor_and_a_profile() -> None:
    assert len({(affect.vad, affect.appraisal) for affect in AFFECT.values()}) == len(LABELS)


def test_glosses_are_short_and_do_not_repeat_a_label() -> None:
    glosses = [affect.gloss for affect in AFFECT.values()]
    assert len(set(glosses)) == len(glosses)
    assert all(1 <= len(gloss.split()) <= 3 for gloss in glosses)
    assert not set(glosses) & set(LABELS)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(LABELS), min_size=1))
def test_anchor_is_the_mean(labels: list[str]) -> None:
    for axis, value in enumerate(anchor(labels)):
        exact = sum(Fraction(str(AFFECT[label].vad[axis])) for label in labels) / len(labels)
        assert value == pytest.approx(float(exact), abs=1e-12)
        assert 0 <= value <= 1


def test_anchor_of_one_label_is_exact() -> None:
    assert {label: anchor([label]) for label in LABELS} == {label: affect.vad for label, affect in AFFECT.items()}
