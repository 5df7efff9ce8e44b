"""The parser against the slow second reader, on generated texts."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.slow_parser import GOOD, GOOD_REPLIES, Values, hold, values

from emoloom.contract.parse import Parsed, parse_reply
from emoloom.contract.taxonomy import GOEMOTIONS

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
    elif before or after:
        repairs.add("white_space")
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
