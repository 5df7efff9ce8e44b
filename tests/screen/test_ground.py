"""What a plan says of its candidates before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.screenings import ROWS, small, write_jsonl

import emoloom.screen.ground
from emoloom.screen.plan import make_plan


def test_what_is_cut_is_counted_and_said(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = {"text": "so it goes " * 2000, "labels": ["joy"]}
    told = {"text": "ok", "context": ["well " * 2000, "and you?"], "labels": ["joy"]}
    data = write_jsonl(tmp_path / "long.jsonl", [*ROWS, long, told])
    said: list[str] = []
    monkeypatch.setattr(emoloom.screen.ground, "MAX_NEW_TOKENS", 200)
    [candidate] = make_plan(small(model, data, limit=None), said.append).manifest["candidates"]
    assert candidate["cut"] == {"texts": 2, "replies": 0}
    assert any("2 texts are longer than it reads" in line for line in said)
    # The tiny tokenizer spells a reply letter by letter.
    monkeypatch.setattr(emoloom.screen.ground, "MAX_NEW_TOKENS", 10)
    plan = make_plan(small(model, data, limit=None), said.append)
    [candidate] = plan.manifest["candidates"]
    assert candidate["cut"]["replies"] == len(plan.corpora.train)
    assert any("longer than the 10 tokens it may write" in line for line in said)
