"""Begun rationales: their gloss, and the words of the text that they go on with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoloom.decode.rationale import complete_gloss, complete_rationale, words_of


def is_beginning(begun: str, word: str) -> bool:
    return word.startswith(begun)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        # What is expected, as far as it holds; as many cues as rationales have.
        ("", "joy: such, day"),
        ("joy: s", "joy: such, day"),
        ("joy: such,", "joy: such, day"),
        # Another gloss, known or not.
        ("thank", "thankfulness: such, day"),
        ("heat", "heat: such, day"),
        ("heat:", "heat: such, day"),
        # Other words of the text, in lower case; words that it does not have stand as they are.
        ("joy: d", "joy: day, such"),
        ("joy: day, p", "joy: day, patience"),
        ("joy: Zeb", "joy: Zeb, such"),
        ("joy: such, day", "joy: such, day"),
    ],
)
def test_a_begun_rationale_goes_on_with_words_of_the_text(written: str, expected: str) -> None:
    words = words_of("Such a day of patience")
    begun, colon, _ = written.partition(":")
    gloss = begun if colon else complete_gloss(begun, ["joy"], is_beginning)
    assert complete_rationale(written, gloss, ["such", "day"], words, 2, is_beginning) == expected


@pytest.mark.parametrize(
    ("begun", "expected"),
    # What is likely first, then the glosses that training writes, then the labels' names.
    [
        ("", "strong wind"),
        ("strong", "strong wind"),
        ("strong d", "strong displeasure"),
        ("optim", "optimism"),
        ("q", "q"),
    ],
)
def test_a_begun_gloss_is_completed(begun: str, expected: str) -> None:
    assert complete_gloss(begun, ["strong wind"], is_beginning) == expected


def test_one_telling_word_stands_for_all_cues() -> None:
    assert complete_rationale("joy:", "joy", ["day"], ["day"], 2, is_beginning) == "joy: day, day"
    assert complete_rationale("joy: day,", "joy", ["day"], ["day"], 2, is_beginning) == "joy: day, day"
    assert complete_rationale("", "joy", [], [], 2, is_beginning) == "joy"


@given(st.text(max_size=30), st.lists(st.text("abc", min_size=1), max_size=3), st.text(max_size=30), st.integers(0, 3))
def test_no_rationale_upsets_it(written: str, expected: list[str], text: str, cues: int) -> None:
    assert isinstance(complete_rationale(written, "joy", expected, words_of(text), cues, is_beginning), str)
