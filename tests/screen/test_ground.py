"""What a plan says of its candidates before anything is done."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from tests.screenings import ROWS, small, write_jsonl
from tests.tiny import quick_model

import emoloom.screen.ground
from emoloom.errors import CandidateError, EmoLoomError
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


def test_weights_that_change_under_a_plan_are_not_taken_for_the_planned_ones(data: Path, tmp_path: Path) -> None:
    folder = quick_model(tmp_path / "first")
    [planned] = make_plan(small(folder, data), lambda _: None).models
    assert planned.load().name == f"path:{folder}"
    shutil.copy(quick_model(tmp_path / "second", seed=1) / "model.safetensors", folder)
    with pytest.raises(CandidateError, match="have changed since the run was planned") as caught:
        planned.load()
    assert caught.value.where == f"path:{folder}"


def test_a_tokenizer_that_fits_no_grammar_is_noticed_before_anything_is_done(model: Path, data: Path) -> None:
    # Letter by letter a reply takes more tokens than are allowed.
    with pytest.raises(EmoLoomError, match=r"a reply takes at least \d+ tokens of this tokenizer"):
        make_plan(small(model, data, readout=("free", "constrained")), lambda _: None)


@pytest.mark.parametrize(("capability", "warned"), [("AVX2", True), ("AVX512", False), ("DEFAULT", False)])
def test_bfloat16_is_warned_of_where_it_is_slow(
    model: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capability: str, warned: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    said: list[str] = []
    make_plan(small(model, data, dtype="bfloat16"), said.append)
    assert any("no bfloat16 arithmetic" in line for line in said) == warned
    said.clear()
    make_plan(small(model, data), said.append)
    assert not any("bfloat16" in line for line in said)
