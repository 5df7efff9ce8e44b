"""The prompt names every label once, and shows a reply that the parser takes without repair."""

from __future__ import annotations

import pytest

from emoloom.contract.parse import Parsed, parse_reply
from emoloom.contract.prompt import instruction, question
from emoloom.contract.record import Request
from emoloom.contract.taxonomy import GOEMOTIONS, TAXONOMIES, Taxonomy

SPACES = pytest.mark.parametrize("space", TAXONOMIES.values(), ids=lambda space: space.name)


@SPACES
def test_the_instruction_lists_the_labels_in_order(space: Taxonomy) -> None:
    line = next(line for line in instruction(space).splitlines() if line.startswith("labels: "))
    assert line == f"labels: one or more of {', '.join(space.labels)}"


@SPACES
def test_the_example_is_a_right_reply(space: Taxonomy) -> None:
    line = next(line for line in instruction(space).splitlines() if line.startswith("Example: "))
    read = parse_reply(line.removeprefix("Example: "), space)
    assert isinstance(read, Parsed)
    assert read.repairs == ()


def test_the_question_gives_the_turns_oldest_first_and_the_text_last() -> None:
    assert question(Request(id="a", text="so good")) == "Text: so good"
    request = Request(id="b", text="so good", context=("first", "second"))
    assert question(request) == "Before: first\nBefore: second\nText: so good"


def test_the_instruction_is_fixed_for_its_version() -> None:
    assert instruction(GOEMOTIONS) == (
        "Which emotions does the writer of the text express? Reply with one line of JSON.\n"
        "labels: one or more of admiration, amusement, anger, annoyance, approval, caring, confusion, curiosity, desire, "
        "disappointment, disapproval, disgust, embarrassment, excitement, fear, gratitude, grief, joy, love, nervousness, "
        "optimism, pride, realization, relief, remorse, sadness, surprise, neutral\n"
        "vad: valence, arousal and dominance from 0.00 to 1.00\n"
        "rationale: at most 12 words\n"
        'Example: {"labels":["admiration"],"vad":{"v":0.80,"a":0.50,"d":0.55},"rationale":"respect: well done"}\n'
    )
