"""A second reader of replies: the same contract, written plainly and without regard to speed."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import NamedTuple, get_args

from emoloom.contract.parse import Failure, Parsed, Reason, parse_reply
from emoloom.contract.record import make_reply
from emoloom.contract.taxonomy import GOEMOTIONS

GOOD = '{"labels":["joy","love"],"vad":{"v":0.90,"a":0.62,"d":0.58},"rationale":"warm words for a friend"}'
GOOD_REPLIES = (
    GOOD,
    '{"labels":["neutral"],"vad":{"v":0.00,"a":1.00,"d":0.50},"rationale":"calm"}',
    '{"labels":["anger"],"vad":{"v":0.10,"a":0.90,"d":0.60},"rationale":"\\"no\\" \\\\ \\u0001 caf\u00e9 \U0001f600"}',
    make_reply(GOEMOTIONS.labels, (0.5, 0.3, 0.5), " ".join(["word"] * 12), GOEMOTIONS).line(),
)
REASONS = get_args(Reason)


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
        assert bool(read.repairs) == (text != line)
    else:
        assert read.reason == slow_read(text)
        assert read.reason in REASONS
        assert len(read.detail.encode("utf-8").decode()) <= 80
    return read
