"""Label spaces are complete and agree with the corpora's own files."""

from __future__ import annotations

import csv
import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoloom.contract.taxonomy import (
    DAILYDIALOG,
    EKMAN,
    EMPATHETIC,
    GOEMOTIONS,
    MAPS,
    SENTIMENT,
    TAXONOMIES,
    Taxonomy,
    convert,
    evaluation_space,
    taxonomy,
)
from emoloom.errors import EmoLoomError


def corpus(name: str) -> Path:
    """The folder of a real corpus; the test is skipped where there is none."""
    root = Path(os.environ.get("EMOLOOM_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not (root / name).is_dir():
        pytest.skip(f"no {name} corpus under {root}; set EMOLOOM_DATA")
    return root / name


@pytest.mark.parametrize(
    ("name", "size"), [("goemotions", 28), ("ekman", 7), ("sentiment", 4), ("empathetic", 32), ("dailydialog", 7)]
)
def test_sizes(name: str, size: int) -> None:
    space = taxonomy(name)
    assert space.name == name
    assert len(space.labels) == len(set(space.labels)) == size
    assert [space.index[label] for label in space.labels] == list(range(size))


def test_no_other_taxonomy() -> None:
    assert sorted(TAXONOMIES) == ["dailydialog", "ekman", "empathetic", "goemotions", "sentiment"]


def test_neutral() -> None:
    assert {name: space.neutral for name, space in TAXONOMIES.items()} == {
        "goemotions": "neutral",
        "ekman": "neutral",
        "sentiment": "neutral",
        "dailydialog": "no emotion",
        "empathetic": None,
    }
    for (source, target), table in MAPS.items():
        if (neutral := taxonomy(source).neutral) is not None:
            assert table[neutral] == taxonomy(target).neutral


@pytest.mark.parametrize("pair", MAPS, ids="->".join)
def test_every_label_maps_to_a_label(pair: tuple[str, str]) -> None:
    source, target = map(taxonomy, pair)
    assert set(MAPS[pair]) == set(source.labels)
    for label in source.labels:
        assert convert([label], source, target) == (MAPS[pair][label],)
        assert MAPS[pair][label] in target.labels


def test_a_label_that_two_spaces_share_maps_to_itself() -> None:
    changed = {
        (source, target, label)
        for (source, target), table in MAPS.items()
        for label, image in table.items()
        if label in taxonomy(target).labels and image != label
    }
    assert changed == set()


@pytest.mark.parametrize("space", [EKMAN, DAILYDIALOG], ids=lambda space: space.name)
def test_training_on_a_coarser_corpus_loses_nothing(space: Taxonomy) -> None:
    for label in space.labels:
        assert convert(convert([label], space, GOEMOTIONS), GOEMOTIONS, space) == (label,)


@pytest.mark.parametrize("space", TAXONOMIES.values(), ids=lambda space: space.name)
def test_every_corpus_can_be_evaluated(space: Taxonomy) -> None:
    target = evaluation_space(space)
    assert set(convert(space.labels, space, target)) <= set(target.labels)
    assert convert(GOEMOTIONS.labels, GOEMOTIONS, target) == target.labels


def test_evaluation_space() -> None:
    for space in (GOEMOTIONS, EKMAN, SENTIMENT, DAILYDIALOG):
        assert evaluation_space(space) == space
    assert evaluation_space(EMPATHETIC) == GOEMOTIONS


def test_a_label_without_an_image_of_its_own_is_neutral_only_where_nothing_else_is_left() -> None:
    assert convert(["approval", "joy"], GOEMOTIONS, DAILYDIALOG) == ("happiness",)
    assert convert(["approval", "desire"], GOEMOTIONS, DAILYDIALOG) == ("no emotion",)
    assert convert(["neutral", "joy"], GOEMOTIONS, DAILYDIALOG) == ("no emotion", "happiness")


@settings(deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(GOEMOTIONS.labels)))
def test_convert_orders_and_drops_duplicates(labels: list[str]) -> None:
    for target in (EKMAN, SENTIMENT, DAILYDIALOG, GOEMOTIONS):
        table = MAPS.get(("goemotions", target.name), {label: label for label in labels})
        converted = convert(labels, GOEMOTIONS, target)
        assert sorted(converted, key=target.labels.index) == list(converted)
        images = {table[label] for label in labels}
        if "neutral" not in labels and images != {target.neutral}:
            images.discard(str(target.neutral))
        assert sorted(converted) == sorted(images)


def test_unknown_names_are_answered_with_close_ones() -> None:
    with pytest.raises(
        EmoLoomError, match=r"^records\.jsonl:3: unknown goemotions label 'sadnes'\. Did you mean sadness"
    ):
        GOEMOTIONS.ordered(["joy", "sadnes"], where="records.jsonl:3")
    with pytest.raises(EmoLoomError, match=r"unknown taxonomy 'goemotion'\. Did you mean goemotions\?"):
        taxonomy("goemotion")
    with pytest.raises(EmoLoomError, match=r"^--taxonomy: unknown taxonomy 'xyz'\. Known: dailydialog, ekman"):
        taxonomy("xyz", where="--taxonomy")


def test_convert_refuses_unknown_labels_and_missing_maps() -> None:
    with pytest.raises(EmoLoomError, match="unknown ekman label 'happiness'"):
        convert(["happiness"], EKMAN, GOEMOTIONS)
    with pytest.raises(EmoLoomError, match="unknown ekman label 'love'"):
        convert(["love"], EKMAN, EKMAN)
    with pytest.raises(EmoLoomError, match="there is no map from sentiment labels to empathetic labels"):
        convert(["positive"], SENTIMENT, EMPATHETIC)


def test_goemotions_order_is_that_of_the_corpus() -> None:
    labels = (corpus("goemotions") / "emotions.txt").read_text(encoding="utf-8").split()
    assert tuple(labels) == GOEMOTIONS.labels


@pytest.mark.parametrize(("target", "file"), [("ekman", "ekman_mapping.json"), ("sentiment", "sentiment_mapping.json")])
def test_goemotions_groupings_are_those_of_the_corpus(target: str, file: str) -> None:
    groups = json.loads((corpus("goemotions") / file).read_text(encoding="utf-8"))
    published = {label: group for group, labels in groups.items() for label in labels}
    assert MAPS["goemotions", target] == {**published, "neutral": "neutral"}


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_empathetic_labels_are_those_of_the_corpus(split: str) -> None:
    with gzip.open(corpus("empatheticdialogues") / f"{split}.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        found = {row["context"] for row in csv.DictReader(lines, quoting=csv.QUOTE_NONE)}
    assert found == set(EMPATHETIC.labels)


def test_dailydialog_has_an_id_for_every_label() -> None:
    ids = (corpus("dailydialog") / "test" / "dialogues_emotion_test.txt").read_text(encoding="utf-8").split()
    counts = {label: ids.count(str(i)) for i, label in enumerate(DAILYDIALOG.labels)}
    # Test-split counts published with the corpus: none, anger, disgust, fear, happiness, sadness, surprise.
    assert list(counts.values()) == [6321, 118, 47, 17, 1019, 102, 116]
    assert sum(counts.values()) == len(ids)
