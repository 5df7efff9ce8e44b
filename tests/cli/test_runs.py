"""``emoloom runs``."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Done, Emoloom
from tests.screenings import files

from emoloom.store.run import RunFolder


def rows(done: Done) -> list[list[str]]:
    assert done.code == 0
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in done.out.splitlines() if "│" in line]


@pytest.fixture
def runs(finished: RunFolder, tmp_path: Path) -> Path:
    """A finished run and one that stopped in its third cell."""
    shutil.copytree(finished.path, tmp_path / "runs" / "[red]whole")
    half = Path(shutil.copytree(finished.path, tmp_path / "runs" / "half"))
    for name in ("seal.jsonl", "leaderboard.json", "report.html"):
        (half / name).unlink()
    lines = (half / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (half / "journal.jsonl").write_bytes(b"".join(lines[:3]))
    open_cell = RunFolder(half).cell(finished.read_json("manifest.json")["cells"][2]["key"])
    open_cell.metrics_file.unlink()
    open_cell.scratch.mkdir()
    (open_cell.scratch / "checkpoint.safetensors").write_bytes(bytes(1000))
    return tmp_path / "runs"


def test_runs_are_listed_with_state_disk_use_and_leader(
    emoloom: Emoloom, finished: RunFolder, model: Path, runs: Path
) -> None:
    leader = json.loads((finished.path / "leaderboard.json").read_text())["ranking"][0]["candidate"]
    whole, half = rows(emoloom("runs", runs))
    assert whole[:3] == ["[red]whole", "finished", f"path:{model}"]
    assert whole[4] == leader
    assert half[:3] + half[4:] == ["half", "stopped: 2 of 6 cells done", f"path:{model}", ""]
    size = sum(len(content) for content in files(runs / "half").values())
    assert half[3] == f"{size / 1000:.1f} kB"
    run = RunFolder(runs / "half")
    with run.opened(run.read_json("manifest.json")):
        assert rows(emoloom("runs", "ls", runs))[1][1] == f"running by process {os.getpid()}"
    (runs / "half" / "manifest.json").write_text("{")
    assert [row[1] for row in rows(emoloom("runs", runs))] == [
        "finished",
        "damaged: manifest.json",
    ]


def test_pruning_only_shows_until_it_is_told_to(emoloom: Emoloom, runs: Path) -> None:
    before = files(runs)
    done = emoloom("runs", "prune", runs)
    told = f"{runs / 'half'}: 1.0 kB\n1.0 kB "
    assert (done.code, done.out) == (0, told + "can be removed; nothing is without --yes\n")
    assert files(runs) == before
    run = RunFolder(runs / "half")
    with run.opened(run.read_json("manifest.json")):
        held = emoloom("runs", "prune", runs, "--yes")
    assert held.out == f"{run.path}: left alone, running by process {os.getpid()}\n0 bytes removed\n"
    assert files(runs) == before
    assert emoloom("runs", "prune", runs, "--yes").out == told + "removed\n"
    assert files(runs) == {name: content for name, content in before.items() if "/scratch/" not in name}


def test_no_runs_is_an_empty_list(emoloom: Emoloom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert emoloom("runs").code == 0
    assert emoloom("runs", tmp_path / "nowhere").code == 2


def test_another_programs_folder_is_not_pruned(emoloom: Emoloom, tmp_path: Path) -> None:
    scratch = tmp_path / "extension" / "cells" / "a" / "scratch"
    scratch.mkdir(parents=True)
    (scratch / "file").write_text("mine")
    (tmp_path / "extension" / "manifest.json").write_text('{"manifest_version": 3}')
    before = files(tmp_path)
    done = emoloom("runs", "prune", tmp_path, "--yes")
    assert done.out.splitlines() == [
        f"{tmp_path / 'extension'}: left alone, manifest.json is not the file of a run, or of another version",
        "0 bytes removed",
    ]
    assert files(tmp_path) == before
