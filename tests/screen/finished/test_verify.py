"""Replays: what a model answers to one record alone is what the run says it answered, in every readout."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.screenings import screen, small
from tests.tiny import make_model, merges_for, prompt_words

import emoloom.screen.cells
import emoloom.screen.finished.verify
import emoloom.screen.readouts.readout
from emoloom.assets.models import resolve
from emoloom.assets.specs import ModelSpec, parse_spec
from emoloom.errors import EmoLoomError
from emoloom.screen.finished.verify import replay
from emoloom.store.check import Finding
from emoloom.store.run import RunFolder

READOUTS = ("free", "constrained", "scored")
RECIPE = {"batch_size": 2, "rank": 2, "learning_rate": 0.1, "l_cls": 1.0, "l_reg": 1.0}
# Whole pieces of a reply: one that keeps to the grammar has room then.
PIECES = ('{"', "labels", '":["', '"],"', "vad", '":{"', '":0', '":1', ',"', '"},"', "rationale", '":"')
LONG_ENOUGH = 80


@pytest.fixture(scope="module", autouse=True)
def longer_replies() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        for module in (emoloom.screen.readouts.readout, emoloom.screen.cells, emoloom.screen.finished.verify):
            monkeypatch.setattr(module, "MAX_NEW_TOKENS", LONG_ENOUGH)
        yield


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    root = tmp_path_factory.mktemp("verify")
    model = make_model(root / "model", merges=merges_for([*PIECES, *prompt_words()]))
    few = {"limit": 2, "zero_shot_limit": 1, "readout": READOUTS, "recipe": RECIPE}
    return screen(small(model, data, root / "whole", **few))


@pytest.fixture
def run(whole: RunFolder, tmp_path: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(whole.path, tmp_path / "run")))


def replayed(run: RunFolder, n: int = 1000, say: Callable[[str], None] = lambda _: None) -> tuple[int, list[Finding]]:
    findings: list[Finding] = []
    return replay(run, n, random.Random(0), None, lambda *_: None, say, findings.append), findings


def test_every_reply_of_every_readout_comes_out_again(run: RunFolder) -> None:
    said: list[str] = []
    # One record zero-shot, free and constrained, and two tuned in each readout.
    assert replayed(run, say=said.append) == (2 + 2 * 3, [])
    assert not [line for line in said if "elsewhere" in line]


@pytest.mark.parametrize("readout", READOUTS)
def test_a_reply_that_the_model_does_not_give_is_found(run: RunFolder, readout: str) -> None:
    cells = run.read_json("manifest.json")["cells"]
    cell = run.cell(next(c["key"] for c in cells if (c["stage"], c["readout"]) == ("tuned", readout)))
    lines = cell.replies_file.read_text("utf-8").splitlines(keepends=True)
    row: dict[str, Any] = json.loads(lines[1])
    if readout == "scored":
        row["probabilities"][3] += 0.0001
    else:
        row["reply"] += "x"
    cell.replies_file.write_text(lines[0] + json.dumps(row, ensure_ascii=False) + "\n", "utf-8")
    _, (finding,) = replayed(run)
    assert (finding.file, finding.place) == (cell.replies_file.relative_to(run.path).as_posix(), "line 2")
    assert row["id"] in finding.problem


@pytest.mark.parametrize("readout", ["scored", "constrained"])
def test_rungs_of_a_race_are_replayed(whole: RunFolder, data: Path, tmp_path: Path, readout: str) -> None:
    model = whole.path.parent / "model"
    raced = {"rungs": 2, "dev_limit": 3, "readout": (readout,), "recipe": RECIPE, "limit": 1, "zero_shot_limit": 1}
    other = shutil.copytree(model, tmp_path / "other")
    both = (f"path:{model}", f"path:{other}")
    run = screen(small(model, data, tmp_path / "race", **raced).model_copy(update={"model": both, "keep": both}))
    rung, _ = (cell for cell in run.read_json("manifest.json")["cells"] if cell["stage"] == "race")
    judged = len(run.cell(rung["key"]).replies())
    assert judged == 3
    assert replayed(run) == (2 * (judged + (1 if readout == "scored" else 2)), [])
    rows = run.cell(rung["key"]).replies()
    rows[1]["reply"] += "x"
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    run.cell(rung["key"]).replies_file.write_text(lines, "utf-8")
    _, (finding,) = replayed(run)
    assert (rung["key"][:16] in finding.file, finding.place) == (True, "line 2")


def test_a_sample_has_the_size_that_is_asked_for(run: RunFolder) -> None:
    assert replayed(run, 2) == (2, [])


def test_another_machine_is_said_to_be_one(run: RunFolder) -> None:
    manifest = run.read_json("manifest.json")
    manifest["environment"] |= {"threads": 99, "device": "abacus"}
    run.write_json("manifest.json", manifest)
    said: list[str] = []
    assert replayed(run, 1, said.append) == (1, [])
    assert said[0].startswith("the run was made elsewhere (device, threads)")


def test_a_hub_model_is_taken_at_the_commit_that_the_run_used(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = run.read_json("manifest.json")
    folder = Path(manifest["candidates"][0]["name"].removeprefix("path:"))
    snapshot = Path(shutil.copytree(folder, tmp_path / "0123abcd"))
    asked: list[str] = []

    def fetch(spec: ModelSpec, **_: Any) -> Path:
        asked.append(str(spec))
        return snapshot

    monkeypatch.setattr("emoloom.assets.models.fetch_snapshot", fetch)
    local = resolve(parse_spec("hf:org/name"))
    manifest = json.loads(json.dumps(manifest).replace(f"path:{folder}", "hf:org/name"))
    manifest["candidates"][0]["revision"] = local.revision
    run.write_json("manifest.json", manifest)
    assert replayed(run, 1) == (1, [])
    assert set(asked) == {"hf:org/name", "hf:org/name@0123abcd"}


def test_a_model_or_records_that_have_changed_are_refused(run: RunFolder) -> None:
    manifest = run.read_json("manifest.json")
    manifest["candidates"][0]["sha256"] = "0" * 64
    run.write_json("manifest.json", manifest)
    with pytest.raises(EmoLoomError, match="the model has changed"):
        replayed(run)
    manifest["data"]["eval"][0]["sha256"] = "0" * 64
    run.write_json("manifest.json", manifest)
    with pytest.raises(EmoLoomError, match="not those that the run judged"):
        replayed(run)


def test_baselines_have_nothing_to_replay(data: Path, tmp_path: Path) -> None:
    run = screen(small(None, data, tmp_path / "run"))
    assert replayed(run) == (0, [])


def test_a_run_with_a_lexicon_file_is_replayed_with_that_file(model: Path, data: Path, tmp_path: Path) -> None:
    norms = tmp_path / "norms.csv"
    norms.write_text("# scale: 0..1\nword,v,a,d\nparcel,0.9,0.5,0.5\ntrain,0.2,0.4,0.5\n")
    run = screen(small(model, data, tmp_path / "run", limit=1, zero_shot_limit=1, probe_limit=0, lexicon=str(norms)))
    assert replayed(run) == (2, [])
    norms.unlink()
    with pytest.raises(EmoLoomError, match="norms"):
        replayed(run)
