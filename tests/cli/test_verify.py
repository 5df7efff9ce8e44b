"""``emoloom verify`` and ``emoloom drift``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Emoloom
from tests.screenings import files, shorten_replies

from emoloom.errors import EmoLoomError
from emoloom.store.check import Finding
from emoloom.store.run import RunFolder


@pytest.fixture
def copy(finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    shorten_replies(monkeypatch)
    return RunFolder(Path(shutil.copytree(finished.path, tmp_path / "run")))


def test_a_finished_run_passes_with_its_replies_decoded_anew(emoloom: Emoloom, copy: RunFolder) -> None:
    before = files(copy.path)
    done = emoloom("verify", copy.path, "--replay", 100)
    assert (done.code, files(copy.path)) == (0, before)
    # Two zero-shot replies and three of the fine-tuned model.
    assert done.out == f"{copy.path}: {len(before) - 1} files, 8 journal events, 5 replies replayed: nothing found\n"


def test_every_finding_is_a_line_and_the_exit_code_is_1(emoloom: Emoloom, copy: RunFolder) -> None:
    (copy.path / "notes.txt").write_text("mine")
    board = (copy.path / "leaderboard.json").read_bytes()
    (copy.path / "leaderboard.json").write_bytes(board[:-2] + b"x" + board[-1:])
    done = emoloom("verify", copy.path)
    assert done.code == 1
    first, second, last = done.out.splitlines()
    assert first.startswith("leaderboard.json: line")
    assert second == "notes.txt: whole file: unexpected: seal.jsonl does not list it"
    assert last.endswith("no reply replayed, since the files do not hold: 2 findings")


def test_a_page_drawn_anew_is_sealed_anew(emoloom: Emoloom, copy: RunFolder) -> None:
    (copy.path / "report.html").write_text("mine")
    assert emoloom("verify", copy.path, "--replay", 0).code == 1
    assert emoloom("report", copy.path).code == 0
    assert emoloom("verify", copy.path, "--replay", 0).code == 0


def test_no_run_and_lost_records_are_user_errors(emoloom: Emoloom, copy: RunFolder, tmp_path: Path) -> None:
    assert emoloom("verify", tmp_path / "nowhere").code == 2
    source = Path(copy.read_json("manifest.json")["config"]["eval"][0].removeprefix("jsonl:"))
    content = source.read_bytes()
    try:
        source.write_bytes(content.replace(b"noon", b"dawn"))
        done = emoloom("verify", copy.path)
    finally:
        source.write_bytes(content)
    assert done.code == 2
    assert "not those that the run judged" in done.err
    assert "8 journal events, the replay stopped (--replay 0 does without" in done.out


def test_what_a_replay_found_before_it_stopped_is_told(
    emoloom: Emoloom, copy: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(*arguments: Any, **_: object) -> int:
        arguments[-1](Finding("cells/x/replies.jsonl", "line 2", "record a replays as 'b', not 'c'"))
        raise EmoLoomError("cannot load the model", where="path:gone")

    monkeypatch.setattr("emoloom.screen.finished.verify.replay", stops)
    done = emoloom("verify", copy.path)
    first, last = done.out.splitlines()
    assert first == "cells/x/replies.jsonl: line 2: record a replays as 'b', not 'c'"
    assert last.endswith(": 1 finding")
    assert (done.code, "path:gone: cannot load the model" in done.err) == (2, True)


def test_two_runs_alike_do_not_drift(emoloom: Emoloom, copy: RunFolder, finished: RunFolder) -> None:
    done = emoloom("drift", finished.path, copy.path)
    assert done.code == 0
    assert done.out.count("0 (0.0%)") == 4
    assert "B - A" not in done.out


def test_what_differs_is_counted_and_placed(emoloom: Emoloom, copy: RunFolder, finished: RunFolder) -> None:
    manifest = copy.read_json("manifest.json")
    manifest["environment"]["device"] = "another"
    copy.write_json("manifest.json", manifest)
    cell = copy.cell(next(cell["key"] for cell in manifest["cells"] if cell["stage"] == "baseline"))
    rows, metrics = cell.replies(), cell.metrics()
    rows[1]["reply"] = rows[1]["reply"][:12] + "x" + rows[1]["reply"][13:]
    metrics = json.loads(json.dumps(metrics))
    corpus = rows[0]["corpus"]
    metrics["corpora"][corpus]["metrics"]["parse_ok"] = 0.5
    cell.finish(rows, metrics)
    done = emoloom("drift", finished.path, copy.path)
    assert done.code == 0
    assert "device: " in done.out
    assert f"1 (33.3%) │ character 12 of {rows[1]['id']}" in done.out
    assert "ParseOK │ 1.000 │ 0.500 │ -0.5000" in done.out


def test_another_dtype_is_named(emoloom: Emoloom, copy: RunFolder, finished: RunFolder) -> None:
    manifest = copy.read_json("manifest.json")
    manifest["config"]["dtype"] = "bfloat16"
    copy.write_json("manifest.json", manifest)
    assert "dtype: " in emoloom("drift", finished.path, copy.path).out


def test_runs_on_other_records_are_refused(emoloom: Emoloom, copy: RunFolder, finished: RunFolder) -> None:
    manifest = copy.read_json("manifest.json")
    manifest["data"]["eval"][0]["sha256"] = "0" * 64
    copy.write_json("manifest.json", manifest)
    done = emoloom("drift", finished.path, copy.path)
    assert done.code == 2
    assert "the runs judge other records" in done.err
