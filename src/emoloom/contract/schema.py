"""JSON Schemas of the contract's lines, generated from the pydantic models.

The generated files are committed under ``contract/schemas/``; ``python -m emoloom.contract.schema`` writes them anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emoloom.contract.record import Record, Reply, Request
from emoloom.contract.taxonomy import GOEMOTIONS, Taxonomy

FOLDER = Path(__file__).with_name("schemas")


def reply_schema(space: Taxonomy) -> dict[str, Any]:
    """The schema of a reply whose labels come from ``space``."""
    schema = Reply.model_json_schema()
    schema["properties"]["labels"]["items"] = {"enum": list(space.labels)}
    schema["properties"]["labels"]["uniqueItems"] = True
    return schema


def schemas() -> Mapping[str, dict[str, Any]]:
    """File name -> schema, for every committed schema."""
    return {
        "request.schema.json": Request.model_json_schema(),
        "record.schema.json": Record.model_json_schema(),
        "reply.schema.json": reply_schema(GOEMOTIONS),
    }


def render(schema: Mapping[str, Any]) -> str:
    """The text of a schema file."""
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / name).write_text(render(schema), encoding="utf-8")
