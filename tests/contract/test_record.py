"""Requests, records and replies: what they accept, and that their lines say all they hold."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from emoloom.contract.affect import ATOMS
from emoloom.contract.record import Appraisal, Record, Reply, ReplyVad, Request, Vad, make_reply, two_decimals
from emoloom.contract.taxonomy import EKMAN, GOEMOTIONS
from emoloom.errors import EmoLoomError

RECORD = {"id": "a", "text": "so good", "corpus": "x", "split": "train"}
LINE = re.compile(
    r'\{"labels":\[("[a-z]+")(,"[a-z]+")*\],"vad":\{"v":(0\.\d\d|1\.00),"a":(0\.\d\d|1\.00),"d":(0\.\d\d|1\.00)\},'
    r'"rationale":"([^"\\\n]|\\.)+"\}'
)
UNIT = st.floats(0, 1)


@pytest.mark.parametrize(
    "broken",
    [
        {"id": ""},
        {"id": 7},
        {"text": None},
        {"labels": "joy"},
        {"labels": [1]},
        {"vad": {"v": 0.5, "a": 0.5}},
        {"vad": {"v": 0.5, "a": 0.5, "d": 1.5}},
        {"vad": {"v": 0.5, "a": 0.5, "d": math.nan}},
        {"vad": {"v": 0.5, "a": 0.5, "d": "0.5"}},
        {"vad": {"v": 0.5, "a": 0.5, "d": True}},
        {"vad_source": "guess"},
        {"vad_weight": 1.1},
        {"vad_coverage": -0.1},
        {"note": "x"},
    ],
    ids=str,
)
def test_record_refuses(broken: dict[str, Any]) -> None:
    Record.model_validate(RECORD)
    with pytest.raises(ValidationError):
        Record.model_validate(RECORD | broken)


def test_lines_are_immutable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Request(id="a", text="b").text = "c"


def test_a_request_needs_no_context() -> None:
    assert Request.model_validate_json('{"id":"a","text":""}').context == ()
    assert Request.model_validate_json('{"id":"a","text":"b","context":["x","y"]}').context == ("x", "y")


UTF8 = st.text(st.characters(exclude_categories=["Cs"]))
TUPLES = st.lists(UTF8, max_size=3).map(tuple)
RECORDS = st.builds(
    Record,
    id=UTF8.filter(bool),
    text=UTF8,
    context=TUPLES,
    labels=TUPLES,
    taxonomy=st.sampled_from(["goemotions", "ekman"]),
    vad=st.none() | st.builds(Vad, v=UNIT, a=UNIT, d=UNIT),
    vad_source=st.sampled_from([None, "gold", "lexicon", "label", "blend"]),
    vad_weight=UNIT,
    vad_coverage=st.none() | UNIT,
    rationale=UTF8,
    corpus=UTF8,
    split=UTF8,
    appraisal=st.none() | st.builds(Appraisal, **dict.fromkeys(ATOMS, UNIT)),
    cues=TUPLES,
)


@settings(deadline=None, derandomize=True)
@given(RECORDS)
def test_a_record_survives_its_line(record: Record) -> None:
    line = record.line()
    assert "\n" not in line
    assert Record.model_validate_json(line) == record
    assert Record.model_validate(json.loads(line)) == record


def test_a_line_leaves_out_what_is_empty() -> None:
    assert Record.model_validate(RECORD).line() == '{"id":"a","text":"so good","corpus":"x","split":"train"}'


def test_triples_and_atoms_keep_their_order() -> None:
    assert Vad(v=0.1, a=0.2, d=0.3).triple == (0.1, 0.2, 0.3)
    appraisal = Appraisal(fairness=0.4, certainty=0.3, controllability=0.2, goal_attainment=0.1)
    assert appraisal.atoms == (0.1, 0.2, 0.3, 0.4)
    assert tuple(Appraisal.model_fields) == ATOMS


@pytest.mark.parametrize("hundredths", range(101))
def test_every_two_decimal_number_is_valid_and_written_exactly(hundredths: int) -> None:
    value = hundredths / 100
    reply = Reply(labels=("joy",), vad=ReplyVad(v=value, a=value, d=value), rationale="x")
    written = f"{hundredths // 100}.{hundredths % 100:02d}"
    assert reply.line() == f'{{"labels":["joy"],"vad":{{"v":{written},"a":{written},"d":{written}}},"rationale":"x"}}'


@pytest.mark.parametrize("value", [0.001, 0.125, 0.999, 1.01, -0.01, math.nan, math.inf])
def test_reply_numbers_have_two_decimals(value: float) -> None:
    with pytest.raises(ValidationError):
        ReplyVad(v=value, a=0.5, d=0.5)


@pytest.mark.parametrize("rationale", ["", " ", "a ", " a", "a  b", "a\nb", "a\n", "a\tb", " ".join("abcdefghijklm")])
def test_reply_rationale_is_1_to_12_words_with_single_spaces(rationale: str) -> None:
    vad = ReplyVad(v=0.5, a=0.5, d=0.5)
    assert Reply(labels=("joy",), vad=vad, rationale=" ".join("abcdefghijkl")).rationale
    with pytest.raises(ValidationError):
        Reply(labels=("joy",), vad=vad, rationale=rationale)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (0.125, 0.12),
        (0.135, 0.14),
        (0.145, 0.14),
        ("0.005", 0.0),
        ("0.015", 0.02),
        (0.995, 1.0),
        (1e-9, 0.0),
        ("0.5", 0.5),
        (Decimal("0.2850000001"), 0.29),
        (0.285, 0.28),
    ],
)
def test_ties_go_to_the_even_digit_as_written(value: float | str | Decimal, rounded: float) -> None:
    assert two_decimals(value) == rounded


@settings(deadline=None, derandomize=True)
@given(st.floats(-2, 2))
def test_rounding_agrees_with_exact_fractions(value: float) -> None:
    assert two_decimals(value) == float(Fraction(round(100 * Fraction(repr(value))), 100))


@settings(deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(GOEMOTIONS.labels), min_size=1),
    st.tuples(*[st.floats(allow_nan=False)] * 3),
    st.lists(UTF8.filter(lambda word: word.split() == [word]), min_size=1, max_size=20),
    st.sampled_from([" ", "  ", "\n", "\u00a0\t"]),
)
def test_make_reply_gives_the_one_right_line(
    labels: list[str], vad: tuple[float, float, float], words: list[str], space: str
) -> None:
    reply = make_reply(labels, vad, space.join(words) + space, GOEMOTIONS)
    line = reply.line()
    assert LINE.fullmatch(line)
    read = json.loads(line)
    assert list(read) == ["labels", "vad", "rationale"]
    assert read["labels"] == sorted(set(labels), key=GOEMOTIONS.labels.index)
    for axis, x in zip("vad", vad, strict=True):
        exact = min(Fraction(1), max(Fraction(0), Fraction(repr(x)))) if math.isfinite(x) else Fraction(x > 0)
        assert read["vad"][axis] == round(100 * exact) / 100
    assert read["rationale"] == " ".join(words[:12])
    assert Reply.model_validate_json(line) == reply


def test_make_reply_writes_no_negative_zero() -> None:
    assert make_reply(["joy"], (-0.0, -1e-9, -3.0), "x", GOEMOTIONS).line() == (
        '{"labels":["joy"],"vad":{"v":0.00,"a":0.00,"d":0.00},"rationale":"x"}'
    )


def test_make_reply_refuses() -> None:
    middle = (0.5, 0.5, 0.5)
    with pytest.raises(EmoLoomError, match="unknown ekman label 'love'"):
        make_reply(["love"], middle, "x", EKMAN)
    with pytest.raises(ValueError, match="labels"):
        make_reply([], middle, "x", GOEMOTIONS)
    with pytest.raises(ValueError, match="rationale"):
        make_reply(["joy"], middle, " \n", GOEMOTIONS)
    for axis in range(3):
        vad = tuple(math.nan if i == axis else 0.5 for i in range(3))
        with pytest.raises(ValueError, match="vad"[axis]):
            make_reply(["joy"], vad, "x", GOEMOTIONS)  # type: ignore[arg-type]
