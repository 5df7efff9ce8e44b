"""Records in the contract's form, one JSON object a line."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from emoloom.contract.record import Record, Request
from emoloom.contract.taxonomy import taxonomy
from emoloom.data.splits import Draft
from emoloom.errors import EmoLoomError, unknown_name


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
        EmoLoomError: a line is not JSON or not a record, a label or taxonomy is unknown, an id occurs twice, or lines
            differ in their taxonomy. The message names the file and the line.
    """
    draft = Draft()
    lines: dict[str, int] = {}
    spaces: set[str] = set()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{where}:{number}"
        fields = _object(line, place)
        defaults = {"id": f"{name}-{number}", "corpus": f"jsonl:{name}", "split": split}
        if fields.get("vad") is not None:
            defaults["vad_source"] = "gold"
        record = _record({**defaults, **fields}, place)
        first = lines.setdefault(record.id, number)
        if first != number:
            raise EmoLoomError(f"id {record.id!r} already occurs in line {first}", where=place, remedy="Use it once.")
        spaces.add(record.taxonomy)
        if len(spaces) > 1:
            problem = f"taxonomy {record.taxonomy!r} differs from that of the lines before"
            raise EmoLoomError(problem, where=place, remedy="Keep one taxonomy a file.")
        draft.keep(record)
    return draft


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
    except (json.JSONDecodeError, RecursionError) as error:
        raise EmoLoomError(f"not JSON: {error}", where=where, remedy="Write one JSON object a line.") from error
    if not isinstance(value, dict):
        problem = f"{type(value).__name__} in place of a JSON object"
        raise EmoLoomError(problem, where=where, remedy='Write lines such as {"text": "...", "labels": ["joy"]}.')
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
        return EmoLoomError(f"field {field!r} is missing", where=where)
    # JSON has lists, whatever they are read into.
    expected = first["msg"].replace("a valid tuple", 'a list such as ["joy"]')
    return EmoLoomError(f"field {field!r} is {first['input']!r}", where=where, remedy=f"{expected}.")
