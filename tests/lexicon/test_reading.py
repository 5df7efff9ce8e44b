"""What is read out of a text: words, negation, intensifiers, spans, coverage, features."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoloom.lexicon.norms import Lexicon
from emoloom.lexicon.reading import FEATURES, Reading, read_text
from emoloom.lexicon.words import INTENSIFIERS, NEGATORS, PICTOGRAMS, STOP_WORDS

NEUTRAL = (0.5, 0.5, 0.5)
LEXICON = Lexicon(
    name="small",
    entries={
        "good": (0.9, 0.5, 0.7),
        "bad": (0.1, 0.5, 0.3),
        "riot": (0.2, 0.9, 0.4),
        "sleep": (0.8, 0.1, 0.6),
        "happy": (1.0, 0.6, 0.8),
        "laugh": (0.9, 0.7, 0.6),
        "fed up": (0.0, 0.6, 0.2),
        "can't wait": (0.9, 0.9, 0.6),
        "table": NEUTRAL,
        "name": NEUTRAL,
    },
    max_words=2,
    sha256="0" * 64,
)


def read(text: str) -> Reading:
    return read_text(text, LEXICON)


def words(text: str) -> list[str]:
    return sorted(cue.word for cue in read(text).cues)


def feature(text: str, name: str) -> float:
    return read(text).features[FEATURES.index(name)]


def test_one_word_has_its_own_values() -> None:
    assert read("Good.").vad == pytest.approx(LEXICON.entries["good"])


@pytest.mark.parametrize("text", ["", "the of and", "!!!", "qwrtz", "12 3"])
def test_nothing_known_is_the_centre(text: str) -> None:
    reading = read(text)
    assert reading.vad == pytest.approx(LEXICON.centre)
    assert reading.coverage == 0.0
    assert reading.cues == ()


def test_mean_is_weighted_by_distance_from_the_centre() -> None:
    def distance(word: str) -> float:
        values = zip(LEXICON.entries[word], LEXICON.centre, LEXICON.spread, strict=True)
        return math.sqrt(sum(((x - c) / s) ** 2 for x, c, s in values))

    weights = {word: distance(word) + 0.1 for word in ("happy", "table", "riot")}
    expected = [
        sum(weight * LEXICON.entries[word][axis] for word, weight in weights.items()) / sum(weights.values())
        for axis in range(3)
    ]
    reading = read("happy table riot")
    assert reading.vad == pytest.approx(expected)
    assert {cue.word: cue.strength for cue in reading.cues} == pytest.approx({w: distance(w) for w in weights})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She slept through riots", ["riots", "slept"]),
        ("sleeping", ["sleeping"]),
        ("He LAUGHED happily", ["LAUGHED", "happily"]),
        ("a good-for-nothing table", ["good-for-nothing", "table"]),
        ("I am Fed  up", ["Fed  up"]),
        ("fed, up", []),
        ("I can’t wait", ["can’t wait"]),
        ("I can ’ t wait", ["can ’ t wait"]),
        ("so funny 😂 :D", [":D", "😂"]),
        ("good's", ["good"]),
        ("[TABLE] and [NAME]", ["TABLE"]),
    ],
)
def test_finds_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize("text", ["not good", "isn't good", "isn’t good", "isn ’ t good", "isnt good", "never a good"])
def test_negation_turns_and_halves_valence_only(text: str) -> None:
    centre, good = LEXICON.centre, LEXICON.entries["good"]
    assert read(text).vad == pytest.approx((centre[0] - 0.5 * (good[0] - centre[0]), good[1], good[2]))
    assert feature(text, "negated") == 1.0


@pytest.mark.parametrize("text", ["no. good", "not that one; good", "no a b c d e good"])
def test_negation_ends_with_the_clause_or_the_window(text: str) -> None:
    assert read(text).vad == pytest.approx(LEXICON.entries["good"])


def test_negation_reaches_five_words() -> None:
    assert read("not one of those very good").vad[0] < LEXICON.centre[0]


def test_intensifier_moves_away_from_the_centre() -> None:
    small = read("sleep").vad
    large = read("really sleep").vad
    for plain, strong, centre in zip(small, large, LEXICON.centre, strict=True):
        assert strong == pytest.approx(min(1.0, max(0.0, centre + 1.5 * (plain - centre))))


def test_coverage_is_the_known_share_of_content_words() -> None:
    assert read("the good qwrtz and the table").coverage == pytest.approx(2 / 3)
    assert read("not very good").coverage == 1.0


def test_a_mask_is_no_word() -> None:
    assert read("[NAME] was good").coverage == 1.0
    assert read("[NAME] was good").vad == pytest.approx(LEXICON.entries["good"])


def test_cues_are_strongest_first() -> None:
    assert [cue.word for cue in read("table good riot").cues] == ["riot", "good", "table"]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("wow!!", "exclamation", 2.0),
        ("wow!!!!!", "exclamation", 3.0),
        ("really?", "question", 1.0),
        ("Your table", "second_person", 1.0),
        ("I ’ m here", "first_person", 1.0),
        ("We’ve won", "first_person_plural", 1.0),
        ("they won", "first_person", 0.0),
    ],
)
def test_style_features(text: str, name: str, value: float) -> None:
    assert feature(text, name) == value


def test_polarity_features() -> None:
    centre, spread, entries = LEXICON.centre, LEXICON.spread, LEXICON.entries
    up, down = entries["laugh"][0] - centre[0], entries["riot"][0] - centre[0]
    arousals = [(entries[word][1] - centre[1]) / (spread[0] * spread[1]) for word in ("laugh", "riot")]
    text = "laugh riot!"
    assert feature(text, "pleasant") == pytest.approx(up / 3)
    assert feature(text, "unpleasant") == pytest.approx(down / 3)
    assert feature(text, "pleasant_arousal") == pytest.approx(up * arousals[0] / 3)
    assert feature(text, "unpleasant_arousal") == pytest.approx(down * arousals[1] / 3)
    assert feature(text, "exclaimed_valence") == feature(text, "valence")


def test_word_lists_are_normalised_and_disjoint() -> None:
    assert not STOP_WORDS & NEGATORS
    for word in STOP_WORDS | NEGATORS | INTENSIFIERS | set(PICTOGRAMS.values()):
        assert word == word.lower()


PIECES = st.sampled_from(
    [
        "good",
        "Bad",
        "fed up",
        "n't",
        " ’ t",
        "not",
        "very",
        "can",
        "!",
        "?",
        ".",
        ":)",
        "😂",
        "❤️",
        "-",
        "'",
        " ",
        "ly",
        "ﬁ",
        "İ",
        "²",
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES).map("".join), st.lists(PIECES).map(" ".join)))
def test_any_text_can_be_read(text: str) -> None:
    reading = read(text)
    assert all(0.0 <= x <= 1.0 for x in reading.vad)
    assert 0.0 <= reading.coverage <= 1.0
    assert len(reading.features) == len(FEATURES)
    assert all(math.isfinite(x) for x in reading.features)
    assert [cue.strength for cue in reading.cues] == sorted((cue.strength for cue in reading.cues), reverse=True)
    spans = sorted((cue.start, cue.end) for cue in reading.cues)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    for cue in reading.cues:
        assert cue.word == text[cue.start : cue.end] != ""


@given(st.text())
def test_surrounding_space_changes_nothing(text: str) -> None:
    assert read(f" {text}\n").features == read(text).features


def test_a_long_text_takes_no_long_time() -> None:
    assert read("a" * 200_000).coverage == 0.0
    assert read("good " * 20_000).coverage == 1.0
