"""How runs stand, what they take on disk, and what can be cleared away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.store.conftest import KEYS, PLAN, finish

from emoloom.errors import EmoLoomError
from emoloom.store.run import LEADERBOARD, RunFolder
from emoloom.store.standing import cells_done, disk_use, leftovers, prune, state


def test_a_run_is_finished_running_stopped_or_damaged(tmp_path: Path, run: RunFolder) -> None:
    assert state(run) == "finished"
    assert cells_done(run) == 2
    stopped = RunFolder(tmp_path / "stopped")
    with stopped.opened(PLAN) as journal:
        journal.record("plan", cells=list(KEYS))
        journal.record("failed", key=KEYS[0], files={})
        assert state(stopped) == f"running by process {os.getpid()}"
    assert state(stopped) == "stopped: 1 of 2 cells done"
    with pytest.raises(EmoLoomError, match="has not come to its end"):
        stopped.read_json(LEADERBOARD)
    journal_file = stopped.path / "journal.jsonl"
    journal_file.write_bytes(b"{}\n" + journal_file.read_bytes())
    assert state(stopped) == "damaged: journal.jsonl:1"


def test_disk_use_is_that_of_all_files(run: RunFolder) -> None:
    assert disk_use(run.path) == sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file())


def test_pruning_takes_scratch_and_half_files_and_nothing_else(run: RunFolder) -> None:
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    open_cell = run.cell("c" * 64)
    half = open_cell.scratch / ".checkpoint.safetensors.x1.partial"
    half.mkdir(parents=True)
    (half / "checkpoint.safetensors").write_bytes(b"half")
    (run.path / ".report.html.y2.partial").mkdir()
    assert set(leftovers(run)) == {open_cell.scratch, half, run.path / ".report.html.y2.partial"}
    prune(run)
    assert leftovers(run) == []
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_what_lies_behind_a_link_is_not_the_runs(run: RunFolder, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    for folder in (mine / "scratch", mine / ".a.x1.partial"):
        folder.mkdir(parents=True)
    (mine / "failed.json").write_text("{}")
    (run.path / "cells" / "link").symlink_to(mine)
    assert leftovers(run) == []
    with run.opened(PLAN):
        pass
    prune(run)
    assert (mine / "scratch").is_dir()
    assert (mine / ".a.x1.partial").is_dir()


def test_a_lock_that_is_a_link_is_not_followed(run: RunFolder, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    (run.path.parent / f".{run.path.name}.lock").symlink_to(mine)
    with pytest.raises(EmoLoomError, match="cannot write"):
        prune(run)
    assert mine.read_text() == "mine"


def test_a_run_that_is_held_is_not_pruned(run: RunFolder) -> None:
    run.cell("c" * 64).scratch.mkdir(parents=True)
    with run.opened(PLAN), pytest.raises(EmoLoomError, match="held by process"):
        prune(run)
    assert leftovers(run)
    finish(run)
