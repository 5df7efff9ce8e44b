"""The run folder: one plan, one process, cells that are finished or not."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import emoloom.store.run as store
from emoloom.errors import EmoLoomError
from emoloom.store.files import write_atomic
from emoloom.store.lock import holder
from emoloom.store.run import RunFolder, find_runs

PLAN = {"config": {"seed": 0}, "cells": []}
HOLD = """
import sys
from pathlib import Path
from emoloom.store.run import RunFolder
with RunFolder(Path(sys.argv[1])).opened({"config": {"seed": 0}, "cells": []}):
    print("held", flush=True)
    sys.stdin.read()
"""


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def hold(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds the folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_another_plan_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.opened(PLAN) as journal:
        journal.record("plan")
    before = files(tmp_path)
    with (
        pytest.raises(EmoLoomError, match="another plan; what differs: cells") as caught,
        run.opened({**PLAN, "cells": [1]}),
    ):
        pass
    assert caught.value.where == str(run.path)
    assert files(tmp_path) == before == files(run.path.parent)
    with run.opened(PLAN) as journal:
        journal.record("plan")
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", ["report.html", "journal.jsonl", "other/manifest.json", ".hidden"])
def test_a_folder_of_other_things_is_refused_and_stays_as_it_is(tmp_path: Path, name: str) -> None:
    run = RunFolder(tmp_path / "mine")
    file = run.path / name
    file.parent.mkdir(parents=True)
    file.write_text("torn")
    (run.path / "other" / ".report.html.x.partial").mkdir(parents=True)
    before = files(tmp_path)
    with pytest.raises(EmoLoomError, match="no run, but other files") as caught, run.opened(PLAN):
        pass
    assert "--out" in caught.value.remedy
    assert files(tmp_path) == before
    assert (run.path / "other" / ".report.html.x.partial").exists()


def test_a_run_that_was_killed_while_it_wrote_its_plan_begins_anew(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    (run.path / ".manifest.json.abc.partial").mkdir(parents=True)
    with run.opened(PLAN) as journal:
        journal.record("plan")
    assert set(files(run.path)) == {"manifest.json", "journal.jsonl"}
    assert not run.partials()


def test_a_plan_is_the_same_wherever_its_data_is_read_from(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.opened({**PLAN, "read_from": {"empathetic:train": "hf://a@1"}}):
        pass
    before = files(run.path)
    with run.opened({**PLAN, "read_from": {"empathetic:train": "hf://a@2"}}):
        assert files(run.path) == before


def test_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.opened(PLAN):
        pass
    (run.path / "manifest.json").write_text('{"config')
    with pytest.raises(EmoLoomError, match=r"manifest\.json: not JSON"), run.opened(PLAN):
        pass


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with hold(run.path) as other:
        with pytest.raises(EmoLoomError, match=rf"held by process {other.pid}\b"), run.opened(PLAN):
            pass
        assert holder(run.path) == str(other.pid)
        other.communicate()
    assert other.returncode == 0
    assert holder(run.path) is None
    with run.opened(PLAN):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_killed_holder_holds_nobody_up(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with hold(run.path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert holder(run.path) is None
    with run.opened(PLAN), pytest.raises(EmoLoomError, match=f"process {os.getpid()}"), run.opened(PLAN):
        pass


def test_a_page_is_not_drawn_into_a_run_that_is_held(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.opened(PLAN), pytest.raises(EmoLoomError, match=f"process {os.getpid()}"):
        run.publish("report.html", "")


def test_one_folder_by_two_names_is_one_run(tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(tmp_path / "run")
    with (
        RunFolder(tmp_path / "run").opened(PLAN),
        pytest.raises(EmoLoomError, match="held by process"),
        RunFolder(tmp_path / "alias").opened(PLAN),
    ):
        pass


def test_a_lock_that_its_holder_removed_meanwhile_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock
    removed: list[Path] = []

    def late(handle: Any, operation: int) -> None:
        if not removed:
            removed.append(tmp_path / ".run.lock")
            removed[0].unlink()
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    run = RunFolder(tmp_path / "run")
    with run.opened(PLAN), pytest.raises(EmoLoomError, match="held by process"), run.opened(PLAN):
        pass
    assert removed


def test_an_error_inside_leaves_no_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RunFolder(tmp_path / "run").opened(PLAN):
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_file_in_place_of_the_folder_is_kept(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(EmoLoomError, match="cannot write"), RunFolder(tmp_path / "run").opened(PLAN):
        pass
    assert files(tmp_path) == {"run": b"mine"}


def test_metrics_come_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = RunFolder(tmp_path).cell("0123456789abcdef0123")
    cell.scratch.mkdir(parents=True)
    (cell.scratch / "replies.jsonl").write_text("half")
    written: list[str] = []
    write = write_atomic

    def watched(path: Path, content: str) -> None:
        written.append(path.name)
        assert cell.metrics() is None
        write(path, content)

    monkeypatch.setattr(store, "write_atomic", watched)
    rows = [{"id": "a", "reply": "line\u2028separator\n"}, {"id": "b", "reply": "é"}]
    cell.finish(rows, {"n": 2})
    assert written == ["replies.jsonl", "metrics.json"]
    assert (cell.replies(), cell.metrics()) == (rows, {"n": 2})
    assert sorted(path.name for path in cell.path.iterdir()) == ["metrics.json", "replies.jsonl"]


def test_an_unfinished_cell_keeps_its_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = RunFolder(tmp_path).cell("0" * 64)
    cell.scratch.mkdir(parents=True)
    (cell.scratch / "replies.jsonl").write_text("all of them")
    write = write_atomic

    def failing(path: Path, content: str) -> None:
        if path == cell.metrics_file:
            raise EmoLoomError("cannot write")
        write(path, content)

    monkeypatch.setattr(store, "write_atomic", failing)
    with pytest.raises(EmoLoomError):
        cell.finish([], {})
    assert cell.metrics() is None
    assert (cell.scratch / "replies.jsonl").read_text() == "all of them"


def test_what_a_crash_left_behind_is_removed(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.opened(PLAN):
        run.cell("a" * 64).finish([], {})
        run.cell("b" * 64).scratch.mkdir(parents=True)
    before = files(run.path)
    for place in (run.path, run.cell("a" * 64).path, run.cell("b" * 64).path):
        (place / ".metrics.json.x1y2.partial").mkdir()
        (place / ".metrics.json.x1y2.partial" / "metrics.json").write_text("{")
    run.cell("a" * 64).scratch.mkdir()
    (run.cell("b" * 64).scratch / "replies.jsonl").write_text("keep")
    with run.opened(PLAN):
        pass
    assert files(run.path) == {**before, "cells/bbbbbbbbbbbbbbbb/scratch/replies.jsonl": b"keep"}
    assert not run.cell("a" * 64).scratch.exists()


def test_hashes_are_those_of_all_files(tmp_path: Path) -> None:
    cell = RunFolder(tmp_path).cell("a" * 64)
    cell.finish([{"id": "x"}], {"n": 1})
    (cell.path / "adapter").mkdir()
    (cell.path / "adapter" / "weights").write_bytes(b"w")
    expected = {name: hashlib.sha256(content).hexdigest() for name, content in files(cell.path).items()}
    assert cell.hashes() == expected
    assert list(cell.hashes()) == ["adapter/weights", "metrics.json", "replies.jsonl"]


def test_a_damaged_reply_is_named_with_its_line(tmp_path: Path) -> None:
    cell = RunFolder(tmp_path).cell("a" * 64)
    cell.finish([{"id": "x"}, {"id": "y"}], {})
    cell.replies_file.write_text('{"id": "x"}\n{"id": y"}\n')
    with pytest.raises(EmoLoomError, match="not JSON") as caught:
        cell.replies()
    assert caught.value.where == f"{cell.replies_file}:2"
    cell.replies_file.write_bytes(b"\xff\n")
    with pytest.raises(EmoLoomError, match="not UTF-8"):
        cell.replies()
    cell.replies_file.unlink()
    with pytest.raises(EmoLoomError, match="cannot read"):
        cell.replies()


def test_runs_are_found_by_their_manifest(tmp_path: Path) -> None:
    for name in ("b", "a"):
        with RunFolder(tmp_path / name).opened(PLAN):
            pass
    (tmp_path / "c").mkdir()
    assert [run.path.name for run in find_runs(tmp_path)] == ["a", "b"]
    assert json.loads((tmp_path / "a" / "manifest.json").read_text()) == PLAN


def test_what_the_system_refuses_is_a_user_error_that_names_the_file(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.opened(PLAN):
        pass
    (run.path / "journal.jsonl").mkdir()
    with pytest.raises(EmoLoomError, match="Is a directory") as caught, run.opened(PLAN):
        pass
    assert caught.value.where == str(run.path / "journal.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_failed_cell_says_why_and_keeps_no_scratch(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.opened(PLAN):
        pass
    cell = run.cell("a" * 64)
    assert cell.failure() is None
    cell.scratch.mkdir(parents=True)
    cell.fail("out of memory", {"examples": 3, "tokens": 40})
    assert cell.failure() == {"reason": "out of memory", "work": {"examples": 3, "tokens": 40}}
    assert (cell.metrics(), cell.is_closed) == (None, True)
    assert [path.name for path in cell.path.iterdir()] == ["failed.json"]
    cell.scratch.mkdir()
    with run.opened(PLAN):
        assert not cell.scratch.exists()
    (cell.path / "failed.json").write_text("[]")
    with pytest.raises(EmoLoomError, match="not the file of a run"):
        cell.failure()
