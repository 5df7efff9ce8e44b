"""Reads a reply out of whatever a model wrote: a :class:`Parsed` reply or a typed :class:`Failure`, no exception."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from emoloom.contract.record import MAX_RATIONALE_WORDS, Reply, ReplyVad, two_decimals
from emoloom.contract.taxonomy import Taxonomy

Reason = Literal[
    "no_json", "truncated", "bad_json", "not_an_object", "missing_key", "extra_key", "duplicate_key", "bad_labels",
    "empty_labels", "unknown_label", "duplicate_label", "bad_vad", "vad_out_of_range", "bad_rationale",
]  # fmt: skip
Repair = Literal["surrounding_text", "white_space", "key_order", "decimals", "label_order", "escapes"]


@dataclass(frozen=True)
class Parsed:
    """A reply, and the tolerances that reading it took."""

    reply: Reply
    repairs: tuple[Repair, ...] = ()


@dataclass(frozen=True)
class Failure:
    """Why there is no reply, and the part of the text that shows it (at most 80 characters)."""

    reason: Reason
    detail: str = ""


class _Number(str):
    """A JSON number as it was written, so that its decimals can be counted and no size of it can overflow."""


class _Object(list[tuple[str, object]]):
    """A JSON object as its key-value pairs in order, so that duplicate keys stay visible."""

    def keys(self) -> tuple[str, ...]:
        return tuple(key for key, _ in self)

    def get(self, key: str) -> object:
        return next(value for name, value in self if name == key)


def _failure(reason: Reason, shown: str = "") -> Failure:
    return Failure(reason, shown[:80].encode("utf-8", "replace").decode())


def _shown(value: object) -> str:
    """A JSON value in a failure's detail; only the outside of a nested one, which may nest deeper than ``repr`` can follow."""
    if isinstance(value, list):
        return "{...}" if isinstance(value, _Object) else "[...]"
    return value if isinstance(value, str) else json.dumps(value)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Object, parse_float=_Number, parse_int=_Number, parse_constant=_refuse_constant
)
_OPENING = re.compile(r'\{(?=\s*+(?:["}]|\Z))')
# Longer than nearly any reply, and how many broken objects are looked at beyond that; without bounds, a megabyte of opening
# braces would take minutes.
_MAX_OBJECT, _LONGER = 2048, 100
_NUMBER = re.compile(r"-?[0-9]+\.[0-9]+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
# Tokens that the end of a text can cut in two; a whole \u escape counts, for the decoder wants a character after it.
_CUT_LITERAL = re.compile(r"-|t(ru?)?|f(a(ls?)?)?|n(ul?)?")
_CUT_NUMBER = re.compile(r"(?<![-+.0-9eE])-?(0|[1-9][0-9]*)(\.|(\.[0-9]+)?[eE][-+]?)\Z")
_CUT_ESCAPE = re.compile(r"u[0-9a-fA-F]{0,4}")


def parse_reply(text: str, space: Taxonomy) -> Parsed | Failure:
    """The reply that ``text`` ends with.

    The last complete JSON object is taken (one that lies inside an unfinished object does not count: that text was cut
    off). Reading is tolerant only where the value is unambiguous: white space, key order, one or more decimals, label
    order, escapes, text around the object; each is named in ``repairs``.
    """
    found = _last_object(text)
    if isinstance(found, Failure):
        return found
    value, raw = found
    failure = _check_keys(value, ("labels", "vad", "rationale"))
    if failure:
        return failure
    labels = _read_labels(value.get("labels"), space)
    if isinstance(labels, Failure):
        return labels
    vad = _read_vad(value.get("vad"))
    if isinstance(vad, Failure):
        return vad
    rationale = _read_rationale(value.get("rationale"))
    if isinstance(rationale, Failure):
        return rationale
    reply = Reply(labels=space.ordered(labels), vad=vad, rationale=rationale)
    return Parsed(reply, _repairs(text, raw, value, reply))


def _last_object(text: str) -> tuple[_Object, str] | Failure:
    """The last complete object, with the text it was written in."""
    found: tuple[_Object, str] | Failure | None = None
    reach, longer = _MAX_OBJECT, _LONGER
    opening = _OPENING.search(text)
    while opening:
        at = opening.start()
        window = text[at : at + reach]
        end = at + 1
        try:
            value, length = _DECODER.raw_decode(window)
        except json.JSONDecodeError as error:
            whole, longer = at + len(window) == len(text), longer - 1
            if (whole or longer > 0) and _cut_off(window, error):
                if whole:
                    found = found or _failure("truncated", window)
                    break
                reach = len(text)
                continue
        except (ValueError, RecursionError):  # NaN and Infinity; nesting beyond any reply
            pass
        else:
            end = at + length
            found = value, window[:length]
        reach = _MAX_OBJECT
        opening = _OPENING.search(text, end)
    if found:
        return found
    if "{" in text:
        return _failure("bad_json", text[text.index("{") :])
    return _failure("not_an_object" if _is_json(text) else "no_json", text.strip()[-80:])


def _cut_off(window: str, error: json.JSONDecodeError) -> bool:
    """Whether ``window`` is the beginning of JSON, so that ``error`` says no more than that the text ends."""
    rest = window[error.pos :]
    if error.msg.startswith("Unterminated string"):
        return True
    if error.msg.startswith("Invalid"):
        return bool(_CUT_ESCAPE.fullmatch(rest))
    if not rest.strip(" \t\n\r"):
        return True
    if error.msg == "Expecting value":
        return bool(_CUT_LITERAL.fullmatch(rest))
    number = _CUT_NUMBER.search(window)
    return number is not None and number.start() < error.pos


def _is_json(text: str) -> bool:
    try:
        _DECODER.decode(text.strip())
    except (ValueError, RecursionError):
        return False
    return True


def _check_keys(value: _Object, wanted: tuple[str, ...]) -> Failure | None:
    keys = value.keys()
    for key in keys:
        if keys.count(key) > 1:
            return _failure("duplicate_key", key)
    for key in wanted:
        if key not in keys:
            return _failure("missing_key", key)
    for key in keys:
        if key not in wanted:
            return _failure("extra_key", key)
    return None


def _read_labels(value: object, space: Taxonomy) -> list[str] | Failure:
    if not isinstance(value, list) or isinstance(value, _Object):
        return _failure("bad_labels", _shown(value))
    if not value:
        return _failure("empty_labels")
    labels: list[str] = []
    for label in value:
        if not isinstance(label, str) or isinstance(label, _Number):
            return _failure("bad_labels", _shown(label))
        if label not in space.index:
            return _failure("unknown_label", label)
        if label in labels:
            return _failure("duplicate_label", label)
        labels.append(label)
    return labels


def _read_vad(value: object) -> ReplyVad | Failure:
    if not isinstance(value, _Object):
        return _failure("bad_vad", _shown(value))
    failure = _check_keys(value, ("v", "a", "d"))
    if failure:
        return failure
    numbers: dict[str, float] = {}
    for axis, written in value:
        if not isinstance(written, _Number) or not _NUMBER.fullmatch(written):
            return _failure("bad_vad", f"{axis}:{_shown(written)}")
        if not 0 <= Decimal(written) <= 1:
            return _failure("vad_out_of_range", f"{axis}:{written}")
        numbers[axis] = abs(two_decimals(written))
    return ReplyVad(**numbers)


def _read_rationale(value: object) -> str | Failure:
    if not isinstance(value, str) or isinstance(value, _Number):
        return _failure("bad_rationale", _shown(value))
    words = value.split()
    if not 1 <= len(words) <= MAX_RATIONALE_WORDS or any("\ud800" <= c <= "\udfff" for c in value):
        return _failure("bad_rationale", value)
    return " ".join(words)


def _repairs(text: str, raw: str, value: _Object, reply: Reply) -> tuple[Repair, ...]:
    repairs: list[Repair] = []
    around = text.strip() != raw
    if around:
        repairs.append("surrounding_text")
    labels, vad, rationale = (value.get(key) for key in ("labels", "vad", "rationale"))
    assert isinstance(vad, _Object)
    spaced = re.search(r"\s", _STRING.sub("", raw)) or (text != raw and not around)
    if spaced or rationale != reply.rationale:
        repairs.append("white_space")
    if value.keys() != ("labels", "vad", "rationale") or vad.keys() != ("v", "a", "d"):
        repairs.append("key_order")
    if any(not re.fullmatch(r"[01]\.[0-9]{2}", str(number)) for _, number in vad):
        repairs.append("decimals")
    if labels != list(reply.labels):
        repairs.append("label_order")
    if any(string != json.dumps(json.loads(string), ensure_ascii=False) for string in _STRING.findall(raw)):
        repairs.append("escapes")
    return tuple(repairs)
