"""The parser against tables: what each reason stands for, what is mended, where a reply is cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product

import pytest
from tests.contract.slow_parser import GOOD, GOOD_REPLIES, REASONS

from emoloom.contract.parse import Failure, Parsed, Reason, parse_reply
from emoloom.contract.taxonomy import EKMAN, GOEMOTIONS


def reply(labels: str = '["joy"]', vad: str = '{"v":0.90,"a":0.50,"d":0.50}', rationale: str = '"warm words"') -> str:
    return f'{{"labels":{labels},"vad":{vad},"rationale":{rationale}}}'


def with_v(number: str) -> str:
    return reply(vad=f'{{"v":{number},"a":0.50,"d":0.50}}')


NASTY: dict[str, tuple[str, Reason]] = {
    "empty": ("", "no_json"),
    "prose": ("I feel joy.", "no_json"),
    "white space": (" \r\n\t", "no_json"),
    "a megabyte of closing braces": ("}" * 2**20, "no_json"),
    "a megabyte of brackets": ("[" * 2**20, "no_json"),
    "a bare NaN": ("NaN", "no_json"),
    "a lone surrogate": ("\ud800", "no_json"),
    "a byte-order mark": ("\ufeff", "no_json"),
    "an array": ("[1, 2]", "not_an_object"),
    "a string": ('"joy"', "not_an_object"),
    "a number of 10,000 digits": ("9" * 10_000, "not_an_object"),
    "null": ("null", "not_an_object"),
    "an opening brace": ("{", "truncated"),
    "an opening brace and space": ("Sure: {\n ", "truncated"),
    "a megabyte of opening braces": ("{" * 2**20, "truncated"),
    "deep nesting, never closed": ('{"a":' * 5000, "truncated"),
    "complete inside incomplete": ('{"x":' + GOOD, "truncated"),
    "cut in a number": ('{"labels":["joy"],"vad":{"v":-1.25E+', "truncated"),
    "cut in a literal": ('{"labels":fals', "truncated"),
    "cut in an escape": ('{"labels":["\\u00', "truncated"),
    "cut after an escape": ('{"labels":["\\u00e9', "truncated"),
    "cut in a surrogate pair": ('{"labels":["\\ud83d\\ude0', "truncated"),
    "curly prose": ("use {braces} here", "bad_json"),
    "a word as a value": ('{"labels":bad', "bad_json"),
    "a literal where a colon belongs": ('{"labels" t', "bad_json"),
    "a number with two points": ('{"labels":1.5.', "bad_json"),
    "a space inside a number": ('{"labels":1. ', "bad_json"),
    "an unknown escape": ('{"labels":["\\a', "bad_json"),
    "a raw line end in a string": ('{"labels":["joy\n', "bad_json"),
    "a raw line end in a whole reply": (reply(rationale='"a\nb"'), "missing_key"),
    "single quotes": ("{'labels':['joy']}", "bad_json"),
    "bare keys": ("{labels:['joy']}", "bad_json"),
    "a trailing comma": ('{"labels":["joy"],}', "bad_json"),
    "NaN": ('{"v":NaN}', "bad_json"),
    "NaN as a number": (with_v("NaN"), "bad_json"),
    "Infinity": ('{"v":Infinity}', "bad_json"),
    "minus Infinity": ('{"v":-Infinity}', "bad_json"),
    "a leading zero": ('{"v":00.5}', "bad_json"),
    "a leading plus": ('{"v":+0.5}', "bad_json"),
    "an empty object": ("{}", "missing_key"),
    "an object around the reply": (f'{{"reply":{GOOD}}}', "missing_key"),
    "no rationale": ('{"labels":["joy"],"vad":{"v":0.90,"a":0.50,"d":0.50}}', "missing_key"),
    "no dominance": (reply(vad='{"v":0.90,"a":0.50}'), "missing_key"),
    "an object after the reply": (f"{GOOD} {{}}", "missing_key"),
    "keys in capitals": (GOOD.replace("labels", "Labels"), "missing_key"),
    "a note beside the reply": (reply()[:-1] + ',"note":1}', "extra_key"),
    "a fourth axis": (reply(vad='{"v":0.90,"a":0.50,"d":0.50,"x":0.50}'), "extra_key"),
    "a surrogate as a key": (reply()[:-1] + ',"\\ud800":1}', "extra_key"),
    "labels twice": (reply()[:-1] + ',"labels":["joy"]}', "duplicate_key"),
    "labels twice, once escaped": (reply()[:-1] + ',"l\\u0061bels":["joy"]}', "duplicate_key"),
    "valence twice": (reply(vad='{"v":0.90,"v":0.90,"a":0.50,"d":0.50}'), "duplicate_key"),
    "labels as a string": (reply('"joy"'), "bad_labels"),
    "labels as an object": (reply('{"joy":1}'), "bad_labels"),
    "labels as null": (reply("null"), "bad_labels"),
    "a number among the labels": (reply('["joy",1]'), "bad_labels"),
    "labels nested": (reply('[["joy"]]'), "bad_labels"),
    "labels nested deep": (reply("[" * 400 + "]" * 400), "bad_labels"),
    "labels nested deep in objects": (reply('[{"":' * 240 + "0" + "}]" * 240), "bad_labels"),
    "no labels": (reply("[]"), "empty_labels"),
    "a label of another taxonomy": (reply('["happiness"]'), "unknown_label"),
    "a label in capitals": (reply('["Joy"]'), "unknown_label"),
    "a label with a space": (reply('["joy "]'), "unknown_label"),
    "a surrogate as a label, escaped": (reply('["\\udc00"]'), "unknown_label"),
    "a surrogate as a label, raw": (reply('["\udc00"]'), "unknown_label"),
    "a label twice": (reply('["joy","joy"]'), "duplicate_label"),
    "vad as an array": (reply(vad="[0.90,0.50,0.50]"), "bad_vad"),
    "an integer": (with_v("1"), "bad_vad"),
    "an integer beyond range": (with_v("7"), "bad_vad"),
    "an integer of 1,900 digits": (with_v("9" * 1900), "bad_vad"),
    "an exponent": (with_v("5.0e-1"), "bad_vad"),
    "a capital exponent": (with_v("0.5E0"), "bad_vad"),
    "an exponent beyond any float": (with_v("1.0e999999999"), "bad_vad"),
    "true as a number": (with_v("true"), "bad_vad"),
    "null as a number": (with_v("null"), "bad_vad"),
    "a number in quotes": (with_v('"0.50"'), "bad_vad"),
    "an array as a number": (with_v("[0.50]"), "bad_vad"),
    "just over one": (with_v("1.01"), "vad_out_of_range"),
    "over one beyond two decimals": (with_v("1.0000000000000000000000000001"), "vad_out_of_range"),
    "just below zero": (with_v("-0.001"), "vad_out_of_range"),
    "1,800 digits before the point": (with_v("9" * 1800 + ".5"), "vad_out_of_range"),
    "13 words": (reply(rationale='"' + " ".join(["word"] * 13) + '"'), "bad_rationale"),
    "no words": (reply(rationale='""'), "bad_rationale"),
    "only white space": (reply(rationale='" \\n\\u00a0"'), "bad_rationale"),
    "a number as rationale": (reply(rationale="0.5"), "bad_rationale"),
    "null as rationale": (reply(rationale="null"), "bad_rationale"),
    "a list as rationale": (reply(rationale='["warm words"]'), "bad_rationale"),
    "a surrogate as rationale, escaped": (reply(rationale='"x\\ud83d"'), "bad_rationale"),
    "a surrogate as rationale, raw": (reply(rationale='"x\ud83d"'), "bad_rationale"),
    "an integer of 10,000 digits": (with_v("9" * 10_000), "bad_vad"),
}


@pytest.mark.parametrize("name", NASTY)
def test_reason(name: str) -> None:
    text, reason = NASTY[name]
    read = parse_reply(text, GOEMOTIONS)
    assert isinstance(read, Failure)
    assert read.reason == reason
    assert len(read.detail.encode("utf-8").decode()) <= 80


def test_nesting_beyond_the_decoder_is_a_failure() -> None:
    read = parse_reply('{"labels":' + "[" * 2000, GOEMOTIONS)
    assert isinstance(read, Failure)
    assert read.reason in ("bad_json", "truncated")  # as deep as the interpreter's stack allows


def test_what_can_be_decoded_can_be_shown() -> None:
    text = reply('[{"":' * 240 + "0" + "}]" * 240)

    def read_from(depth: int) -> Parsed | Failure:
        return read_from(depth - 1) if depth else parse_reply(text, GOEMOTIONS)

    assert read_from(300) == Failure("bad_labels", "{...}")


def test_every_reason_has_a_text() -> None:
    assert {reason for _, reason in NASTY.values()} == set(REASONS)


TOLERATED: dict[str, tuple[str, set[str]]] = {
    "exact": (GOOD, set()),
    "white space around it": (f"\r\n {GOOD} \n", {"white_space"}),
    "a code fence": (f"```json\n{GOOD}\n```", {"surrounding_text"}),
    "a byte-order mark": (f"\ufeff{GOOD}", {"surrounding_text"}),
    "a brace before it": (f"{{ {GOOD}", {"surrounding_text"}),
    "an array around it": (f"[{GOOD}]", {"surrounding_text"}),
    "a cut object after it": (f'{GOOD}{{"labels":["anger', {"surrounding_text"}),
    "bad JSON around it": (f'{{"x":NaN,"y":{GOOD}}}', {"surrounding_text"}),
    "two replies": (f"{with_v('0.10')}\n{GOOD}", {"surrounding_text"}),
    "lines with CRLF": (GOOD.replace(",", ",\r\n"), {"white_space"}),
    "an escape and a space": (GOOD.replace("joy", "j\\u006fy").replace('":', '": '), {"escapes", "white_space"}),
}


@pytest.mark.parametrize("name", TOLERATED)
def test_repairs(name: str) -> None:
    text, repairs = TOLERATED[name]
    read = parse_reply(text, GOEMOTIONS)
    assert isinstance(read, Parsed)
    assert read.reply.line() == GOOD
    assert set(read.repairs) == repairs


@pytest.mark.parametrize("before", ["", "{ " * 5, "Well: "])
def test_a_reply_of_any_length_is_read_whole(before: str) -> None:
    whole = reply(rationale=json.dumps("y" * 100_000))
    outcome = parse_reply(before + whole, GOEMOTIONS)
    assert isinstance(outcome, Parsed)
    assert outcome.reply.rationale == "y" * 100_000


def test_the_last_of_several_replies_counts() -> None:
    first, second = GOOD_REPLIES[:2]
    read = parse_reply(f"{first} or rather {second}", GOEMOTIONS)
    assert isinstance(read, Parsed)
    assert read.reply.line() == second


def offsets(text: str) -> Iterator[str]:
    return (text[:end] for end in range(1, len(text)))


@pytest.mark.parametrize(
    "whole",
    [*GOOD_REPLIES, *(json.dumps(json.loads(good), indent=2) for good in GOOD_REPLIES)],
    ids=lambda whole: whole[:40],
)
def test_a_reply_cut_anywhere_is_truncated(whole: str) -> None:
    for start, text in product(("", "Here you are: "), offsets(whole)):
        read = parse_reply(start + text, GOEMOTIONS)
        assert isinstance(read, Failure)
        assert (read.reason, read.detail) == ("truncated", text[:80])


def test_labels_are_those_of_the_space() -> None:
    text = reply('["anger"]')
    assert isinstance(parse_reply(text, EKMAN), Parsed)
    assert parse_reply(reply('["love"]'), EKMAN) == Failure("unknown_label", "love")


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (reply('["happy"]'), "happy"),
        (reply("[true]"), "true"),
        (reply('[{"a":1}]'), "{...}"),
        (reply(vad="[0.5]"), "[...]"),
        (with_v("1.50"), "v:1.50"),
        (with_v("null"), "v:null"),
        (reply()[:-1] + f',"{"k" * 100}":1}}', "k" * 80),
        (reply('["\\ud800"]'), "?"),
        ("x" * 100 + "end", "x" * 77 + "end"),
    ],
)
def test_detail_shows_the_place(text: str, detail: str) -> None:
    read = parse_reply(text, GOEMOTIONS)
    assert isinstance(read, Failure)
    assert read.detail == detail
