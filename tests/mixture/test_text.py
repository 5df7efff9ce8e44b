from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoloom.mixture.mirrors import TERMS
from emoloom.mixture.text import mirror_text

WORDS = sorted(term for term in TERMS if term.replace(" ", "").isalpha())
FILLERS = ["it", "Really", "one of those", "today", "SO", "[NAME]", "my brother", "and", "the movie"]


def mirrored(text: str) -> str | None:
    found = mirror_text(text)
    return found.text if found else None


@pytest.mark.parametrize(
    ("text", "mirror"),
    [
        ("I love this", "I hate this"),
        ("LOVE THIS", "HATE THIS"),
        ("Hate it", "Love it"),
        ("This is a great idea, an awesome one", "This is a terrible idea, a horrible one"),
        ("What a beautiful man", "What an ugly man"),
        ("An awful day", "A wonderful day"),
        ("He loves her :)", "He hates her :("),
        ("I'm glad you came", "I'm sad you came"),
        ("I’m glad you came", None),  # the table's apostrophe is straight, so the way back would not be the same
        ("I like it", "I dislike it"),
        ("I’m not happy", None),
        ("that isn't art", "that is art"),
        ("it's art", "it's not art"),
        ("I don't recommend it", "I recommend it"),
        ("thanks for the help", "shame on you for the help"),
    ],
)
def test_examples(text: str, mirror: str | None) -> None:
    assert mirrored(text) == mirror


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The train left.",
        "I love it and I hate it",  # both sides
        "I love this great song",  # training and flip test
        "I am in love with my terrible car",
        "It is great but long",
        "I do not think it is good, nor is it bad",
        "Is this art?",
        "a glovelike thing",
        "well-loved by all",
        "LoVe it",
        "I hope you feel better",  # turned twice
        "So upset that my phone was stolen",
        "So happy that we won the lottery",
        "I love " + "this and " * 20 + "that",
    ],
)
def test_declined(text: str) -> None:
    assert mirrored(text) is None


@given(st.text())
def test_any_text_is_read_and_the_same_way_twice(text: str) -> None:
    assert mirror_text(text) == mirror_text(text)


@given(
    st.lists(st.sampled_from([*WORDS, *FILLERS, "not", "an", "a", "ſad", "lİke", ".", ":)"]), max_size=12).map(" ".join)
)
def test_the_mirror_of_the_mirror_is_the_text(text: str) -> None:
    found = mirror_text(text)
    if found and found.pleasant is not None:
        again = mirrored(found.text)
        assert again in (text, None)  # None: an event word may stop the way back
        assert found.text != text


@given(st.sampled_from(WORDS), st.sampled_from([str.lower, str.upper, str.capitalize]))
def test_a_single_term_keeps_its_capitals(term: str, write: object) -> None:
    assert callable(write)
    found = mirror_text(f"{write(term)}")
    if found and found.exchanged == 1:
        assert found.text == write(TERMS[term].mirror)
        assert (found.pleasant, found.held_out) == TERMS[term][1:]
        assert mirrored(found.text) in (write(term), None)


def test_most_terms_are_mirrored_alone() -> None:
    assert sum(mirrored(term) == TERMS[term].mirror for term in WORDS) > 0.9 * len(WORDS)
