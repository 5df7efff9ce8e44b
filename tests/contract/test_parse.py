"""The parser against a slow second reader, on generated texts, and against a table of what each reason stands for."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from typing import NamedTuple, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emoloom.contract.parse import Failure, Parsed, Reason, parse_reply
from emoloom.contract.record import make_reply
from emoloom.contract.taxonomy import EKMAN, GOEMOTIONS

GOOD = '{"labels":["joy","love"],"vad":{"v":0.90,"a":0.62,"d":0.58},"rationale":"warm words for a friend"}'
GOOD_REPLIES = (
    GOOD,
    '{"labels":["neutral"],"vad":{"v":0.00,"a":1.00,"d":0.50},"rationale":"calm"}',
    '{"labels":["anger"],"vad":{"v":0.10,"a":0.90,"d":0.60},"rationale":"\\"no\\" \\\\ \\u0001 caf\u00e9 \U0001f600"}',
    make_reply(GOEMOTIONS.labels, (0.5, 0.3, 0.5), " ".join(["word"] * 12), GOEMOTIONS).line(),
)
REASONS = get_args(Reason)


# --- A second reader: the same contract, written plainly and without regard to speed. ---------------------------------


class Number(str):
    """A JSON number as written."""


class Pairs(list[tuple[str, object]]):
    """A JSON object as written."""


class Values(NamedTuple):
    """A reply: its labels, its numbers in hundredths, its rationale."""

    labels: tuple[str, ...]
    hundredths: tuple[int, ...]
    rationale: str


def loads(text: str) -> object:
    def refuse(name: str) -> object:
        raise ValueError(name)

    return json.loads(text, object_pairs_hook=Pairs, parse_float=Number, parse_int=Number, parse_constant=refuse)


def loads_or_none(text: str) -> object | None:
    try:
        return loads(text)
    except ValueError:
        return None


def begins_json(text: str) -> bool:
    """Whether some ending makes ``text`` valid JSON: tries every way to finish the last token, then closes what is open."""
    open_brackets, in_string, escaped = "", False, False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = not escaped and character == "\\"
        elif character == '"':
            in_string = True
        elif character in "{[":
            open_brackets += character
        elif character in "}]":
            open_brackets = open_brackets[:-1]
    if in_string:
        endings = [f'{escape}"{value}' for escape in ("", "n", "0", "00", "000", "0000") for value in ("", ":0")]
    else:
        endings = ["", "0", ":0", '"":0', "rue", "ue", "e", "alse", "lse", "se", "ull", "ll", "l"]
    closing = open_brackets[::-1].translate(str.maketrans("{[", "}]"))
    return any(loads_or_none(text + ending + closing) is not None for ending in endings)


def slow_read(text: str) -> Values | str:
    """The reply in ``text``, or the reason why there is none."""
    value: Pairs | None = None
    at = text.find("{")
    while at >= 0:
        ends = (i + 1 for i in range(at, len(text)) if text[i] == "}")
        found = next(((end, v) for end in ends if isinstance(v := loads_or_none(text[at:end]), Pairs)), None)
        if found:
            at, value = found
        elif begins_json(text[at:]):
            return check(value) if value is not None else "truncated"
        else:
            at += 1
        at = text.find("{", at)
    if value is not None:
        return check(value)
    if "{" in text:
        return "bad_json"
    return "not_an_object" if text.strip() == "null" or loads_or_none(text.strip()) is not None else "no_json"


def check_keys(value: Pairs, wanted: set[str]) -> str | None:
    names = [name for name, _ in value]
    if len(names) != len(set(names)):
        return "duplicate_key"
    if wanted - set(names):
        return "missing_key"
    return "extra_key" if set(names) - wanted else None


def check_labels(labels: object) -> str | None:
    if type(labels) is not list:
        return "bad_labels"
    if not labels:
        return "empty_labels"
    for i, label in enumerate(labels):
        if type(label) is not str:
            return "bad_labels"
        if label not in GOEMOTIONS.labels:
            return "unknown_label"
        if label in labels[:i]:
            return "duplicate_label"
    return None


def check_vad(vad: object) -> str | None:
    if type(vad) is not Pairs:
        return "bad_vad"
    for _, number in vad if not check_keys(vad, {"v", "a", "d"}) else ():
        if type(number) is not Number or "." not in number or "e" in number.lower():
            return "bad_vad"
        if not 0 <= Fraction(number) <= 1:
            return "vad_out_of_range"
    return check_keys(vad, {"v", "a", "d"})


def check(value: Pairs) -> Values | str:
    fields = dict(value)
    reason = check_keys(value, {"labels", "vad", "rationale"})
    reason = reason or check_labels(fields["labels"]) or check_vad(fields["vad"])
    if reason:
        return reason
    labels, vad, rationale = fields["labels"], fields["vad"], fields["rationale"]
    assert isinstance(labels, list)
    assert isinstance(vad, Pairs)
    if type(rationale) is not str or not 1 <= len(rationale.split()) <= 12 or any(map(is_surrogate, rationale)):
        return "bad_rationale"
    numbers = dict(vad)
    hundredths = tuple(round(100 * Fraction(str(numbers[axis]))) for axis in "vad")
    return Values(tuple(sorted(labels, key=GOEMOTIONS.labels.index)), hundredths, " ".join(rationale.split()))


def is_surrogate(character: str) -> bool:
    return 0xD800 <= ord(character) <= 0xDFFF


def values(parsed: Parsed) -> Values:
    reply = parsed.reply
    return Values(reply.labels, tuple(round(100 * x) for x in reply.triple), reply.rationale)


def hold(text: str) -> Parsed | Failure:
    """What must be true of the reading of any text whatever."""
    read = parse_reply(text, GOEMOTIONS)
    if isinstance(read, Parsed):
        assert values(read) == slow_read(text)
        line = read.reply.line()
        assert parse_reply(line, GOEMOTIONS) == Parsed(read.reply)
        assert bool(read.repairs) == (text.strip() != line)
    else:
        assert read.reason == slow_read(text)
        assert read.reason in REASONS
        assert len(read.detail.encode("utf-8").decode()) <= 80
    return read


# --- Generated texts. -------------------------------------------------------------------------------------------------

ANY_TEXT = st.text(st.one_of(st.characters(), st.characters(categories=["Cs"]), st.sampled_from('{}[]",:\\ \n')))
FRAGMENTS = st.lists(
    st.one_of(
        st.sampled_from(
            [*'{}[]",:\\ 0.-e\n', '{"', '"}', "{}", "0.5", "1e5", "1.", "NaN", "-Infinity", "true", "tru", "null"]
        ),
        st.sampled_from(
            ['{"labels":["joy"],', '"vad":{"v":0.50,"a":0.50,"d":0.50},', '"rationale":"x"', '{"x":1}', GOOD]
        ),
        st.sampled_from(['"labels":', '["joy"]', '"vad":', '{"v":', '"rationale":', '"a b"', "```json\n", "\\u00e9"]),
        st.sampled_from(["\\ud83d", "\ud800", "\ufeff", "\u2028"]),
    ),
    max_size=12,
).map("".join)
PIECES = st.sampled_from(
    ['"', "}", "{", "]", "[", ",", ":", ".", "-", "0", "9", "e", "\\", "\\u", " ", "\n", "joy", "\ud800"]
)


def mutated(good: str, edits: list[tuple[int, int, str]], end: int) -> str:
    """``good`` up to ``end`` after edits, each of which replaces ``length`` characters at ``at`` (taken modulo the length)."""
    for at, length, piece in edits:
        at %= len(good) + 1
        good = good[:at] + piece + good[at + length :]
    return good[:end]


EDITS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 3), st.one_of(st.just(""), PIECES, st.characters())),
    min_size=1,
    max_size=4,
)
MUTATED = st.builds(mutated, st.sampled_from(GOOD_REPLIES), EDITS, st.one_of(st.just(10**6), st.integers(0, 150)))


def written(fields: dict[str, st.SearchStrategy[str]]) -> st.SearchStrategy[str]:
    """JSON objects with these keys, in order, and their generated values."""
    values = st.tuples(*fields.values())
    return values.map(
        lambda texts: "{" + ",".join(f'"{key}":{text}' for key, text in zip(fields, texts, strict=True)) + "}"
    )


LABELS = ('["love","joy"]', '["joy","joy"]', '["sad"]', "[]", '"joy"', '["joy",0]', "[null]", "{}")
NUMERALS = ("0.125", "1.00", "1.000001", "-0.00", "-0.1", "1.5", "1", "0", "5.0e-1", '"0.5"', "true", "NaN", "[]")
RATIONALES = ('" so  warm"', '""', '"\\ud800"', f'"{"w " * 13}"', "0.5", "null", '["so"]', '{"v":0.5}')
AXIS = st.sampled_from(("0.50",) * 9 + NUMERALS)
CUBE = st.lists(st.sampled_from("vadvadvadx"), max_size=4).flatmap(lambda axes: written(dict.fromkeys(axes, AXIS)))
VAD = st.one_of(
    written({"v": AXIS, "a": AXIS, "d": AXIS}), CUBE, st.sampled_from(["null", "[0.50,0.50,0.50]", '"0.50"'])
)
PARTS = {
    "labels": st.sampled_from(('["joy"]',) * 9 + LABELS),
    "vad": VAD,
    "rationale": st.sampled_from(('"so warm"',) * 9 + RATIONALES),
}
EXTRA = st.lists(st.sampled_from(['"labels":["joy"]', '"vad":{}', '"x":1', '"rationale":"x"']), max_size=1).map(
    ",".join
)
WRONG_PARTS = st.builds(lambda good, extra: good[:-1] + "," * bool(extra) + extra + "}", written(PARTS), EXTRA)


def many(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@many(2500)
@given(ANY_TEXT)
def test_any_text_is_read_or_refused_for_the_right_reason(text: str) -> None:
    hold(text)


@many(2500)
@given(FRAGMENTS)
def test_fragments_of_json_are_read_or_refused_for_the_right_reason(text: str) -> None:
    hold(text)


@many(3000)
@given(MUTATED)
def test_damaged_replies_are_read_or_refused_for_the_right_reason(text: str) -> None:
    hold(text)


@many(1000)
@given(ANY_TEXT, st.sampled_from(GOOD_REPLIES), ANY_TEXT)
def test_replies_inside_other_text_are_read_or_refused_for_the_right_reason(before: str, good: str, after: str) -> None:
    hold(before + good + after)


@many(2500)
@given(WRONG_PARTS)
def test_objects_with_wrong_parts_are_refused_for_the_right_reason(text: str) -> None:
    hold(text)


class Spelling(NamedTuple):
    """A way to write a reply, what it must be read as, and the repairs that this takes."""

    text: str
    values: Values
    repairs: frozenset[str]


NUMBERS = st.one_of(
    st.integers(0, 99).map("0.{:02d}".format),
    st.text("0123456789", min_size=1, max_size=20).map("0.{}".format),
    st.sampled_from(["1.00", "1.0", "1.00000", "-0.0", "-0.00", "0.125", "0.135", "0.995", "0.9950001", "0.004999"]),
)
WORDS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5).filter(
        lambda word: word.split() == [word]
    ),
    min_size=1,
    max_size=12,
)
AROUND = st.one_of(
    st.just(""), st.just(" \n"), st.text(st.characters(exclude_characters="{}"), max_size=10), st.just("```json\n")
)


def escaped(string: str, chance: random.Random) -> str:
    """``string`` as JSON with some characters written as ``\\u`` escapes."""

    def spell(character: str) -> str:
        spelt = json.dumps(character, ensure_ascii=chance.random() < 0.5)[1:-1]
        return f"\\u{ord(character):04x}" if ord(character) < 0x80 and chance.random() < 0.2 else spelt

    return '"' + "".join(map(spell, string)) + '"'


@st.composite
def spellings(draw: st.DrawFn) -> Spelling:
    labels = draw(st.lists(st.sampled_from(GOEMOTIONS.labels), min_size=1, max_size=8, unique=True))
    numbers = dict(zip("vad", draw(st.tuples(NUMBERS, NUMBERS, NUMBERS)), strict=True))
    words, before, after = draw(WORDS), draw(AROUND), draw(AROUND)
    loose = {name: draw(st.booleans()) for name in ("spaces", "blanks", "keys", "escapes")}
    chance = random.Random(draw(st.integers(0, 2**32)))
    repairs: set[str] = set()

    def string(text: str) -> str:
        spelt, exact = escaped(text, chance), json.dumps(text, ensure_ascii=False)
        if not loose["escapes"] or spelt == exact:
            return exact
        repairs.add("escapes")
        return spelt

    def gap() -> str:
        white = chance.choice(["", "", " ", "\t", "\r\n", "   "]) if loose["spaces"] else ""
        if white:
            repairs.add("white_space")
        return white

    def joined(parts: list[str]) -> str:
        return ",".join(f"{gap()}{part}{gap()}" for part in parts)

    def braced(fields: dict[str, Callable[[], str]]) -> str:
        names = list(fields)
        if loose["keys"]:
            chance.shuffle(names)
        if names != list(fields):
            repairs.add("key_order")
        return "{" + joined([f"{string(name)}{gap()}:{gap()}{fields[name]()}" for name in names]) + "}"

    rationale = " ".join(words)
    if loose["blanks"]:
        rationale = chance.choice(["", " ", "\n"]) + chance.choice([" ", "  ", "\u00a0", "\t"]).join(words)
    if rationale != " ".join(words):
        repairs.add("white_space")
    if any(len(number) != 4 or number.startswith("-") for number in numbers.values()):
        repairs.add("decimals")
    if labels != sorted(labels, key=GOEMOTIONS.labels.index):
        repairs.add("label_order")
    body = braced(
        {
            "labels": lambda: "[" + joined([string(label) for label in labels]) + "]",
            "vad": lambda: braced({axis: lambda axis=axis: numbers[axis] for axis in numbers}),  # type: ignore[misc]
            "rationale": lambda: string(rationale),
        }
    )
    if before.strip() or after.strip():
        repairs.add("surrounding_text")
    hundredths = tuple(round(100 * Fraction(number)) for number in numbers.values())
    expected = Values(tuple(sorted(labels, key=GOEMOTIONS.labels.index)), hundredths, " ".join(words))
    return Spelling(before + body + after, expected, frozenset(repairs))


@many(2500)
@given(spellings())
def test_every_spelling_of_a_reply_gives_its_values_and_names_its_repairs(spelling: Spelling) -> None:
    read = parse_reply(spelling.text, GOEMOTIONS)
    assert isinstance(read, Parsed), (read, spelling)
    assert values(read) == spelling.values
    assert sorted(read.repairs) == sorted(spelling.repairs)
    assert parse_reply(read.reply.line(), GOEMOTIONS) == Parsed(read.reply)


# --- Tables. ----------------------------------------------------------------------------------------------------------


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
    "an integer of 10,000 digits": (with_v("9" * 10_000), "bad_json"),
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
    "white space around it": (f"\r\n {GOOD} \n", set()),
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
