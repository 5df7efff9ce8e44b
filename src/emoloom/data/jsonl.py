"""Records in the contract's form, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from emoloom.contract.record import Record, Request
from emoloom.contract.taxonomy import taxonomy
from emoloom.data.splits import Draft
from emoloom.errors import EmoLoomError, unknown_name

WRITE_LINES = 'Write lines such as {"text": "...", "labels": ["joy"]}.'
"""The remedy for a file or line without what is needed."""
# Pydantic speaks of tuples and models, JSON has lists and objects.
_MISSHAPEN = {"tuple_type", "model_type"}
_SHAPES = {
    "labels": 'a list such as ["joy"]',
    "context": 'a list such as ["How are you?"]',
    "cues": 'a list such as ["so glad"]',
    "vad": 'an object such as {"v": 0.8, "a": 0.5, "d": 0.6}',
    "appraisal": "an object of the four atoms",
}
_LONG = {"v": "valence", "a": "arousal", "d": "dominance"}


def records(text: str, split: str, *, name: str, where: str) -> Draft:
    """The records of a JSONL text; blank lines are passed over.

    A line may be as short as ``{"text": "..."}``. What is not given is filled in: ``id`` from ``name`` and the line
    number, ``corpus`` as ``jsonl:NAME``, ``split``, and ``vad_source`` as ``gold`` where there is a ``vad``.

    Args:
        text: the content of the file.
        split: the split of records that name none.
        name: what the corpus is called.
        where: the file, for error messages.

    Raises:
        EmoLoomError: the first of the lines that :func:`scan` finds to be bad.
    """
    draft, bad = scan(text, split, name=name, where=where)
    if bad:
        raise bad[0]
    return draft


def scan(text: str, split: str, *, name: str, where: str) -> tuple[Draft, list[EmoLoomError]]:
    """As :func:`records`, without stopping at a bad line.

    Returns:
        The good records, and one error a bad line, in order, that names the file and the line: it is not JSON or not a
        record, a label or taxonomy is unknown, its id occurs before, or its taxonomy is not that of the first record.
    """
    draft = Draft()
    bad: list[EmoLoomError] = []
    lines: dict[str, int] = {}
    space = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{where}:{number}"
        defaults = {"id": f"{name}-{number}", "corpus": f"jsonl:{name}", "split": split}
        try:
            record = _gold_record(_object(line, place), defaults, place)
            first = lines.setdefault(record.id, number)
            space = space or record.taxonomy
            _check_beside_others(record, first if first != number else None, space, place)
        except EmoLoomError as error:
            bad.append(error)
        else:
            draft.keep(record)
    return draft, bad


def _gold_record(fields: dict[str, Any], defaults: dict[str, Any], where: str) -> Record:
    source = {"vad_source": "gold"} if fields.get("vad") is not None else {}
    return _record({**defaults, **source, **fields}, where)


def _check_beside_others(record: Record, same_id: int | None, space: str, where: str) -> None:
    if same_id:
        raise EmoLoomError(f"id {record.id!r} already occurs in line {same_id}", where=where, remedy="Use it once.")
    if record.taxonomy != space:
        problem = f"taxonomy {record.taxonomy!r} differs from that of the lines before"
        raise EmoLoomError(problem, where=where, remedy="Keep one taxonomy a file.")


def request(line: str, number: int, where: str) -> Request:
    """The request in a line of the contract's form; what a record holds beyond it is passed over.

    Args:
        line: one JSON object with at least ``text``.
        number: stands in for a missing ``id``.
        where: file and line, for error messages.

    Raises:
        EmoLoomError: the line is not JSON or not a record.
    """
    defaults = {"id": str(number), "corpus": "requests", "split": "test"}
    record = _record({**defaults, **_object(line, where)}, where)
    return Request(id=record.id, text=record.text, context=record.context)


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise EmoLoomError(
            f"half a character (a lone surrogate, {error.object[error.start]!a})",
            where=where,
            remedy="Leave it out; it comes from a text that was cut within a character.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise EmoLoomError(f"not JSON: {error}", where=where, remedy="Write one JSON object a line.") from error
    if not isinstance(value, dict):
        problem = f"{type(value).__name__} in place of a JSON object"
        raise EmoLoomError(problem, where=where, remedy=WRITE_LINES)
    return value


def _record(fields: dict[str, Any], where: str) -> Record:
    try:
        record = Record.model_validate(fields)
    except ValidationError as error:
        raise _explained(error, where) from error
    space = taxonomy(record.taxonomy, where=where)
    return record.model_copy(update={"labels": space.ordered(record.labels, where=where)})


def _explained(error: ValidationError, where: str) -> EmoLoomError:
    """The first complaint of pydantic, as a user error."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
        return unknown_name("field", field, Record.model_fields, where=where)
    if first["type"] == "missing":
        return _missing(field, str(first["loc"][-1]), first["input"], where)
    told = f"Write {_SHAPES[field]}." if first["type"] in _MISSHAPEN and field in _SHAPES else f"{first['msg']}."
    return EmoLoomError(f"field {field!r} is {first['input']!r}", where=where, remedy=told)


def _missing(field: str, key: str, given: Mapping[str, Any], where: str) -> EmoLoomError:
    """The error for a field that is not there, with the key that was meant for it."""
    names = {key, f"{key}s", _LONG.get(key)}
    meant = next((other for other in given if other.lower() in names), None)
    remedy = f"Write {key} in place of {meant}." if meant else WRITE_LINES if key == "text" else ""
    return EmoLoomError(f"field {field!r} is missing", where=where, remedy=remedy)
