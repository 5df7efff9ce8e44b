from __future__ import annotations

import pytest

from emoloom.contract.affect import AFFECT
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.mixture.labels import LABEL_MIRRORS, UNTURNED, mirror_labels

DESIGN = [
    ("joy", "sadness"), ("love", "anger"), ("admiration", "disapproval"), ("gratitude", "annoyance"),
    ("optimism", "disappointment"), ("pride", "embarrassment"), ("relief", "nervousness"), ("excitement", "grief"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), DESIGN)
def test_the_pairs_mirror_each_other(one: str, other: str) -> None:
    assert (LABEL_MIRRORS[one], LABEL_MIRRORS[other]) == (other, one)


def test_every_label_is_decided_and_every_mirror_changes_side() -> None:
    assert set(LABEL_MIRRORS) | UNTURNED | {"caring", "desire"} == set(GOEMOTIONS.labels)
    for label, mirror in LABEL_MIRRORS.items():
        assert (AFFECT[label].vad[0] - 0.5) * (AFFECT[mirror].vad[0] - 0.5) < 0


def test_labels_come_in_taxonomy_order_and_those_without_valence_stay() -> None:
    found = mirror_labels(["surprise", "joy", "admiration"])
    assert found is not None
    assert (found.labels, found.pleasant) == (("disapproval", "sadness", "surprise"), True)


def test_two_labels_may_share_a_mirror() -> None:
    found = mirror_labels(["approval", "admiration"])
    assert found is not None
    assert found.labels == ("disapproval",)


@pytest.mark.parametrize("labels", [(), ("neutral",), ("surprise", "neutral"), ("joy", "anger"), ("joy", "desire")])
def test_nothing_to_mirror(labels: tuple[str, ...]) -> None:
    assert mirror_labels(labels) is None
