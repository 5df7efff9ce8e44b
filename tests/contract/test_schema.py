"""The committed schemas are the models' own, and an independent validator agrees with the models."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from emoloom.contract.record import Record, make_reply
from emoloom.contract.schema import FOLDER, render, reply_schema, schemas
from emoloom.contract.taxonomy import EKMAN, GOEMOTIONS, TAXONOMIES, Taxonomy

GOOD: dict[str, Any] = {"labels": ["joy"], "vad": {"v": 0.9, "a": 0.62, "d": 0.58}, "rationale": "warm words"}


def exact(text: str) -> Any:
    """JSON with its decimals kept: in binary floats 0.29 is no multiple of 0.01."""
    return json.loads(text, parse_float=Decimal)


def validator(file: str) -> Draft202012Validator:
    return Draft202012Validator(exact((FOLDER / file).read_text(encoding="utf-8")))


def test_committed_files_are_the_models_schemas() -> None:
    assert {file.name for file in FOLDER.iterdir()} == set(schemas())
    for name, schema in schemas().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == render(schema)
        Draft202012Validator.check_schema(schema)


def test_reply_numbers_are_multiples_of_a_hundredth_in_the_unit_interval() -> None:
    numbers = exact((FOLDER / "reply.schema.json").read_text(encoding="utf-8"))["$defs"]["ReplyVad"]["properties"]
    assert list(numbers) == ["v", "a", "d"]
    for number in numbers.values():
        assert (number["type"], number["minimum"], number["maximum"]) == ("number", 0, 1)
        assert number["multipleOf"] == Decimal("0.01")


@pytest.mark.parametrize("space", TAXONOMIES.values(), ids=lambda space: space.name)
def test_reply_labels_are_those_of_the_space(space: Taxonomy) -> None:
    labels = reply_schema(space)["properties"]["labels"]
    assert labels["items"] == {"enum": list(space.labels)}
    assert labels["uniqueItems"] is True
    assert labels["minItems"] == 1


@settings(deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(GOEMOTIONS.labels), min_size=1),
    st.tuples(*[st.floats(0, 1)] * 3),
    st.lists(st.sampled_from(["calm", "caf\u00e9", '"so"', "\\"]), min_size=1, max_size=15),
)
def test_replies_are_valid(labels: list[str], vad: tuple[float, float, float], words: list[str]) -> None:
    line = make_reply(labels, vad, " ".join(words), GOEMOTIONS).line()
    validator("reply.schema.json").validate(exact(line))


@pytest.mark.parametrize(
    "broken",
    [
        {"labels": []},
        {"labels": ["joy", "joy"]},
        {"labels": ["happiness"]},
        {"labels": "joy"},
        {"vad": {"v": 0.9, "a": 0.62}},
        {"vad": {"v": 0.9, "a": 0.62, "d": 0.585}},
        {"vad": {"v": 0.9, "a": 0.62, "d": 1.01}},
        {"vad": {"v": 0.9, "a": 0.62, "d": -0.01}},
        {"vad": {"v": 0.9, "a": 0.62, "d": 0.58, "x": 0.5}},
        {"rationale": ""},
        {"rationale": " ".join(["word"] * 13)},
        {"rationale": "two  spaces"},
        {"note": "x"},
    ],
    ids=str,
)
def test_broken_replies_are_not_valid(broken: dict[str, Any]) -> None:
    schema = validator("reply.schema.json")
    schema.validate(exact(json.dumps(GOOD)))
    assert not schema.is_valid(exact(json.dumps(GOOD | broken)))


def test_a_reply_in_another_space_is_valid_there() -> None:
    schema = Draft202012Validator(exact(render(reply_schema(EKMAN))))
    schema.validate(exact(json.dumps(GOOD)))
    assert not schema.is_valid(GOOD | {"labels": ["love"]})


def test_records_and_requests_are_valid() -> None:
    request = {"id": "a", "text": "so good", "context": ["before"]}
    validator("request.schema.json").validate(request)
    assert not validator("request.schema.json").is_valid(request | {"labels": ["joy"]})
    record = Record.model_validate(
        request
        | {
            "corpus": "x",
            "split": "dev",
            "labels": ["joy"],
            "vad": {"v": 0.9, "a": 0.62, "d": 0.58},
            "vad_source": "gold",
        }
    )
    validator("record.schema.json").validate(exact(record.line()))
    assert not validator("record.schema.json").is_valid(request)
