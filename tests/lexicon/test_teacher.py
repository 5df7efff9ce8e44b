"""What records are taught: weak VAD worked out by hand, what is known kept, rationales that fit the contract."""

from __future__ import annotations

import os
from pathlib import Path
from statistics import fmean, pstdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoloom.contract.affect import AFFECT
from emoloom.contract.record import MAX_RATIONALE_WORDS, Record, Vad, make_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.data.load import load
from emoloom.lexicon.calibrate import Calibration
from emoloom.lexicon.norms import Lexicon
from emoloom.lexicon.reading import FEATURES
from emoloom.lexicon.teacher import READERS_MEAN, READERS_SD, UNFITTED, Teacher, rationale, readers_anchor

EMOBANK = Path(os.environ.get("EMOLOOM_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
# Mean (0.5, 0.5, 0.5), so that `good` alone has the offset (0.4, 0, 0.2).
NORMS = "# scale: 0..1\nword,v,a,d\ngood,0.9,0.5,0.7\nbad,0.1,0.5,0.3\n"
# v = 0.4 + valence / 2, a = 0.5 + coverage / 10, d = 0.3 + dominance.
WEIGHTS = {"valence": (0.5, 0.0, 0.0), "dominance": (0.0, 0.0, 1.0), "coverage": (0.0, 0.1, 0.0)}
CALIBRATION = Calibration(
    "small", "0" * 64, "nothing", 1, (0.4, 0.5, 0.3), {name: WEIGHTS.get(name, (0.0, 0.0, 0.0)) for name in FEATURES}
)
LABELS = st.lists(st.sampled_from(GOEMOTIONS.labels), min_size=1, max_size=5, unique=True)


@pytest.fixture
def teacher(tmp_path: Path) -> Teacher:
    (tmp_path / "small.csv").write_text(NORMS)
    return Teacher(Lexicon.read(tmp_path / "small.csv"), CALIBRATION)


def record(text: str, *labels: str, taxonomy: str = "goemotions", **fields: object) -> Record:
    known = {"id": "r", "text": text, "labels": labels, "taxonomy": taxonomy, "corpus": "c", "split": "train"}
    return Record.model_validate(known | fields)


def expected_anchor(label: str) -> list[float]:
    """The label's anchor, standardised among all anchors, on the readers' scale."""
    axes = zip(*(affect.vad for affect in AFFECT.values()), strict=True)
    own = AFFECT[label].vad
    return [
        mean + sd * (x - fmean(axis)) / pstdev(axis)
        for x, axis, mean, sd in zip(own, axes, READERS_MEAN, READERS_SD, strict=True)
    ]


def test_lexicon_and_label_are_blended_by_coverage(teacher: Teacher) -> None:
    done = teacher.complete(record("A good zebra.", "joy"))
    # One of two content words is known: coverage 1/2, so the lexicon counts 1/4.
    estimate = (0.4 + 0.4 / 2, 0.5 + 0.5 / 10, 0.3 + 0.2)
    blend = [0.25 * x + 0.75 * y for x, y in zip(estimate, expected_anchor("joy"), strict=True)]
    assert done.vad
    assert done.vad.triple == pytest.approx(blend, abs=5e-5)
    assert (done.vad_source, done.vad_weight, done.vad_coverage) == ("blend", 0.75, 0.5)


@pytest.mark.parametrize(
    ("text", "weight", "coverage"), [("a good bad good", 1.0, 1.0), ("good zebra zebra", 0.6667, 0.3333)]
)
def test_the_blend_weighs_more_the_more_is_known(teacher: Teacher, text: str, weight: float, coverage: float) -> None:
    done = teacher.complete(record(text, "joy"))
    assert (done.vad_source, done.vad_weight, done.vad_coverage) == ("blend", weight, coverage)


def test_a_full_lexicon_counts_half(teacher: Teacher) -> None:
    done = teacher.complete(record("good", "grief"))
    half = [(x + y) / 2 for x, y in zip((0.6, 0.6, 0.5), expected_anchor("grief"), strict=True)]
    assert done.vad
    assert done.vad.triple == pytest.approx(half, abs=5e-5)


def test_an_unknown_text_leaves_the_label(teacher: Teacher) -> None:
    done = teacher.complete(record("zebra", "joy"))
    assert done.vad
    assert done.vad.triple == pytest.approx(expected_anchor("joy"), abs=5e-5)
    assert (done.vad_source, done.vad_weight, done.vad_coverage) == ("blend", 0.5, 0.0)


def test_without_labels_the_lexicon_stands_alone(teacher: Teacher) -> None:
    done = teacher.complete(record("good zebra"))
    assert done.vad == Vad(v=0.6, a=0.55, d=0.5)
    assert (done.vad_source, done.vad_weight, done.vad_coverage, done.rationale) == ("lexicon", 0.5, 0.5, "")


def test_without_a_lexicon_the_label_stands_alone() -> None:
    done = Teacher().complete(record("good", "joy"))
    assert done.vad
    assert done.vad.triple == pytest.approx(expected_anchor("joy"), abs=5e-5)
    assert (done.vad_source, done.vad_weight, done.vad_coverage) == ("label", 0.5, None)
    assert Teacher().read_vad("good") == READERS_MEAN


def test_nothing_known_stays_unknown() -> None:
    bare = record("good")
    assert Teacher().complete(bare) == bare


def test_what_is_known_is_kept(teacher: Teacher) -> None:
    gold = record(
        "good zebra", "joy", vad=Vad(v=0.1, a=0.2, d=0.3), vad_source="gold", vad_weight=0.9, rationale="my own words"
    )
    assert teacher.complete(gold) == gold
    no_rationale = gold.model_copy(update={"rationale": ""})
    done = teacher.complete(no_rationale)
    assert done.rationale == "delight: good"
    assert done == no_rationale.model_copy(update={"rationale": done.rationale})
    no_vad = gold.model_copy(update={"vad": None, "vad_source": None})
    assert teacher.complete(no_vad).vad_source == "blend"
    assert teacher.complete(no_vad).rationale == "my own words"


def test_completing_again_changes_nothing(teacher: Teacher) -> None:
    done = teacher.complete(record("a good zebra", "joy", "love"))
    assert teacher.complete(done) == done


def test_cues_of_the_authors_come_before_those_of_the_lexicon(teacher: Teacher) -> None:
    assert teacher.complete(record("Good zebra, very BAD", "joy")).rationale == "delight: bad, good"
    assert teacher.complete(record("good zebra", "joy", cues=("zebra",))).rationale == "delight: zebra"
    assert Teacher().complete(record("good zebra", "joy")).rationale == "delight"


def test_labels_of_another_space_are_translated(teacher: Teacher) -> None:
    done = teacher.complete(record("zebra", "terrified", taxonomy="empathetic"))
    assert (done.labels, done.taxonomy, done.rationale) == (("terrified",), "empathetic", "sense of threat")
    assert done.vad == Teacher().complete(record("zebra", "fear")).vad


def test_labels_without_a_translation_say_nothing(teacher: Teacher) -> None:
    assert teacher.complete(record("good", "positive", taxonomy="sentiment")).vad_source == "lexicon"


def test_estimates_are_those_of_the_calibration(teacher: Teacher) -> None:
    assert teacher.read_vad("good zebra") == pytest.approx((0.6, 0.55, 0.5))


def test_a_lexicon_without_its_calibration_is_standardised() -> None:
    entries = {"good": (0.9, 0.2, 0.7), "bad": (0.1, 0.6, 0.3), "dull": (0.4, 0.1, 0.4)}
    lexicon = Lexicon("small", entries, 1, "f" * 64)
    teacher = Teacher.of(lexicon)
    assert teacher.calibration
    assert (teacher.calibration.fitted_on, teacher.calibration.n) == (UNFITTED, 0)
    for word, vad in entries.items():
        scores = (np.array(vad) - lexicon.centre) / lexicon.spread
        assert teacher.read_vad(f"zebra, {word}") == pytest.approx(READERS_MEAN + np.array(READERS_SD) * scores)
        assert teacher.read_vad(word) == pytest.approx(teacher.word_values()[word])
    assert teacher.read_vad("zebra") == pytest.approx(READERS_MEAN)


@given(LABELS, st.lists(st.text(), max_size=4))
def test_every_rationale_makes_a_reply(labels: list[str], cues: list[str]) -> None:
    reply = make_reply(labels, (0.5, 0.5, 0.5), rationale(labels, cues), GOEMOTIONS)
    assert reply.rationale.startswith(AFFECT[labels[0]].gloss)


@given(LABELS, st.lists(st.text("ab c", min_size=1, max_size=40).map(str.strip).filter(bool), max_size=4))
def test_a_rationale_has_at_most_twelve_words_and_whole_cues(labels: list[str], cues: list[str]) -> None:
    made = rationale(labels, cues)
    assert len(made.split()) <= MAX_RATIONALE_WORDS == 12
    _, colon, shown = made.partition(": ")
    assert not colon or set(shown.split(", ")) <= set(cues[:2])


def test_a_cue_that_does_not_fit_is_left_out() -> None:
    meaning = "sense of achievement and release from distress"
    six, seven = "a b c d e", "a b c d e f"
    assert rationale(["pride", "relief"], [six]) == f"{meaning}: {six}"
    assert rationale(["pride", "relief"], [seven]) == meaning
    assert rationale(["pride", "relief"], [seven, "x"]) == f"{meaning}: x"
    assert rationale(["joy"], ["x", "y", "z"]) == "delight: x, y"
    assert rationale(["joy", "love", "pride"], []) == "delight and strong affection"


def test_anchors_have_the_mean_and_spread_of_emobank() -> None:
    anchors = np.array([readers_anchor([label]) for label in GOEMOTIONS.labels])
    np.testing.assert_allclose(anchors.mean(axis=0), READERS_MEAN, atol=1e-12)
    np.testing.assert_allclose(anchors.std(axis=0), READERS_SD, atol=1e-12)
    order = np.argsort([AFFECT[label].vad[0] for label in GOEMOTIONS.labels], kind="stable")
    assert (np.diff(anchors[order, 0]) >= -1e-12).all()


def test_the_anchor_of_two_labels_lies_between() -> None:
    joy, grief, both = (readers_anchor(labels) for labels in (["joy"], ["grief"], ["joy", "grief"]))
    assert both == pytest.approx([(x + y) / 2 for x, y in zip(joy, grief, strict=True)])


def test_the_readers_constants_are_those_of_emobank_train() -> None:
    if not (EMOBANK / "emobank").is_dir():
        pytest.skip(f"EmoBank is not in {EMOBANK}: set EMOLOOM_DATA")
    records = load("emobank", "train", EMOBANK, whole=True).records
    ratings = np.array([record.vad.triple for record in records if record.vad])
    assert len(ratings) == 8062
    np.testing.assert_allclose(ratings.mean(axis=0), READERS_MEAN, atol=5e-5)
    np.testing.assert_allclose(ratings.std(axis=0), READERS_SD, atol=5e-5)
