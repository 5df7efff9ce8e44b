from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoloom.assets.lexicons import lexicon_path
from emoloom.contract.record import Appraisal, Record, Vad, VadSource
from emoloom.data.load import load
from emoloom.lexicon.calibrate import Calibration
from emoloom.lexicon.norms import Lexicon
from emoloom.lexicon.reading import FEATURES, read_text
from emoloom.lexicon.teacher import Teacher
from emoloom.mixture.flip import AROUSAL_BAND, MIN_DISTANCE, VALENCE_BAND, flip, flip_test_pairs

ENTRIES = {
    "love": (0.9, 0.6, 0.6), "hate": (0.1, 0.6, 0.4), "great": (0.8, 0.5, 0.6), "terrible": (0.2, 0.5, 0.4),
    "good": (0.8, 0.4, 0.6), "bad": (0.2, 0.9, 0.4), "nice": (0.7, 0.4, 0.5), "sad": (0.2, 0.4, 0.3),
    "cake": (0.8, 0.4, 0.5), "flood": (0.2, 0.5, 0.3), "useful": (0.7, 0.4, 0.5),
}  # fmt: skip
LEXICON = Lexicon("small", ENTRIES, 1, hashlib.sha256(b"small").hexdigest())
CALIBRATION = Calibration("small", LEXICON.sha256, "none", 1, (0.5, 0.5, 0.5), dict.fromkeys(FEATURES, (0.1, 0.1, 0.1)))
TEACHER = Teacher(LEXICON, CALIBRATION)

# Asked for before any test has a cache of its own.
WARRINER = lexicon_path("warriner")


def record(text: str, *labels: str, taxonomy: str = "goemotions", gold: Vad | None = None, **more: object) -> Record:
    source: VadSource | None = "gold" if gold else None
    fields = {
        "id": "x",
        "text": text,
        "labels": labels,
        "taxonomy": taxonomy,
        "vad": gold,
        "vad_source": source,
        **more,
    }
    return Record.model_validate({"corpus": "c", "split": "dev", **fields})


def flipped(text: str, *labels: str, teacher: Teacher = TEACHER, **more: object) -> Record | None:
    return flip(teacher.complete(record(text, *labels, **more)), teacher)  # type: ignore[arg-type]


def test_a_flip_is_completed_anew() -> None:
    done = flipped("I love this", "love", context=["Well?"], cues=["love"])
    assert done is not None
    assert (done.id, done.text, done.context, done.labels) == ("x~flip", "I hate this", ("Well?",), ("anger",))
    assert done == TEACHER.complete(record("I hate this", "anger", id="x~flip", context=["Well?"]))
    assert done.rationale == "strong displeasure: hate"


def test_gold_vad_turns_on_the_valence_axis_only() -> None:
    appraisal = Appraisal(goal_attainment=1.0, controllability=0.5, certainty=0.5, fairness=0.5)
    done = flipped("I love this", "love", gold=Vad(v=0.9, a=0.6, d=0.7), appraisal=appraisal)
    assert done is not None
    assert (done.vad, done.vad_source, done.appraisal) == (Vad(v=0.1, a=0.6, d=0.7), "gold", None)


def test_a_record_without_labels_needs_gold_vad_on_the_same_side() -> None:
    assert flipped("I love this", gold=Vad(v=0.9, a=0.6, d=0.7)) is not None
    for valence in (0.5, 0.2):
        assert flipped("I love this", gold=Vad(v=valence, a=0.6, d=0.7)) is None
    assert flipped("I love this") is None


def test_labels_of_another_space_are_mirrored_in_goemotions() -> None:
    done = flipped("I hate this", "furious", taxonomy="empathetic")
    assert done is not None
    assert (done.labels, done.taxonomy) == (("love",), "goemotions")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("I love this", ("anger",)),  # sarcasm: the words are not on the labels' side
        ("I love this", ("neutral",)),
        ("so good", ("joy",)),  # arousal leaves its band
        ("I love this cake cake cake cake cake cake", ("joy",)),  # what stays outweighs what turns
        ("this is great", ("joy",)),  # held out
        ("the train left", ("joy",)),
    ],
)
def test_declined(text: str, labels: tuple[str, ...]) -> None:
    assert flipped(text, *labels) is None


def test_without_a_lexicon_the_table_and_the_labels_decide() -> None:
    assert flipped("so good", "joy", teacher=Teacher()) is not None
    assert flipped("I love this", "anger", teacher=Teacher()) is None
    assert flipped("that is useful", "approval", teacher=Teacher()) is not None
    assert flipped("it's art", "admiration", teacher=Teacher()) is None  # a mere negation, which nothing confirms


def test_the_flip_test_uses_held_out_terms_only() -> None:
    records = [
        TEACHER.complete(record(text, "joy", id=text)) for text in ("I love it", "great", "so great", "great one")
    ]
    pairs = flip_test_pairs(records, TEACHER)
    assert [pair.mirrored.text for pair in pairs] == ["terrible", "so terrible", "terrible one"]
    assert all(pair.original_is_pleasant for pair in pairs)
    assert all(flip(pair.original, TEACHER) is None for pair in pairs)


def test_a_limited_flip_test_is_a_draw_by_seed_in_order() -> None:
    records = [TEACHER.complete(record(f"great {'x' * i}", "joy", id=str(i))) for i in range(1, 20)]
    every = flip_test_pairs(records, TEACHER)
    some = flip_test_pairs(records, TEACHER, limit=5, seed=1)
    assert len(some) == 5
    assert some == [pair for pair in every if pair in some]
    assert (
        some == flip_test_pairs(records, TEACHER, limit=5, seed=1) != flip_test_pairs(records, TEACHER, limit=5, seed=2)
    )


WORDS = st.sampled_from([*ENTRIES, "not", "I", "the", "a", "very", "isn't", "it's", ".", "!"])


@given(st.lists(WORDS, max_size=8).map(" ".join), st.sampled_from(["joy", "anger", "fear", "surprise", "desire"]))
def test_accepted_flips_meet_the_rule(text: str, label: str) -> None:
    original = TEACHER.complete(record(text, label))
    pairs = flip_test_pairs([original], TEACHER)
    done = flip(original, TEACHER)
    assert not (pairs and done)
    for mirrored in [done] if done else [pair.mirrored for pair in pairs]:
        assert_mirrored(original, mirrored, LEXICON)
        assert mirrored == (done or flip_test_pairs([original], TEACHER)[0].mirrored)


@given(st.text(), st.sampled_from(["joy", "sadness"]))
def test_any_text_can_be_tried(text: str, label: str) -> None:
    done = flipped(text, label)
    assert done is None or done.text != text


@pytest.mark.skipif(WARRINER is None, reason="the Warriner norms have not been fetched")
def test_the_flip_test_is_large_enough_on_real_text() -> None:
    folder = Path(os.environ.get("EMOLOOM_DATA", "../shared/data"))
    if not (folder / "goemotions").is_dir():
        pytest.skip(f"no corpora in {folder}")
    assert WARRINER is not None
    lexicon = Lexicon.read(WARRINER, name="warriner")
    teacher = Teacher.of(lexicon)
    records = [teacher.complete(r) for name in ("goemotions", "empathetic") for r in load(name, "dev", folder).records]
    pairs = flip_test_pairs(records, teacher)
    assert len(pairs) >= 150
    for pair in pairs:
        assert_mirrored(pair.original, pair.mirrored, lexicon)
        assert pair.original.vad is not None
        assert pair.mirrored.vad is not None


def assert_mirrored(original: Record, mirrored: Record, lexicon: Lexicon) -> None:
    before, after = read_text(original.text, lexicon).vad, read_text(mirrored.text, lexicon).vad
    v, mirrored_v = ((x[0] - lexicon.centre[0]) / lexicon.spread[0] for x in (before, after))
    assert v * mirrored_v < 0
    assert min(abs(v), abs(mirrored_v)) >= MIN_DISTANCE - 1e-9
    assert abs(v + mirrored_v) <= VALENCE_BAND + 1e-9
    assert abs(before[1] - after[1]) / lexicon.spread[1] <= AROUSAL_BAND + 1e-9
