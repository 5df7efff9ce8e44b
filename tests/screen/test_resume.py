"""Kill -9 anywhere, run again: the bytes of an uninterrupted run, and no finished work done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.screenings import files, lasting

import emoloom

REPOSITORY = Path(__file__).parents[2]
# One step a checkpoint, two records a step, three steps; two zero-shot replies, then three of the fine-tuned model, and three
# that are scored.
MODEL_POINTS = {
    "training-1": (3, 3),
    "training-2": (3, 2),
    "decoding-1": (4, 3),
    "decoding-2": (3, 3),
    "decoding-4": (1, 0),
    "decoding-6": (0, 0),
    "decoding-8": (0, 0),
}
"""Where it is killed -> replies decoded and steps trained afterwards."""
SYNC_POINTS = [f"sync-{n}" for n in range(1, 30)]


def run_interrupted(root: Path, model: str, data: Path, points: list[str]) -> None:
    source = Path(emoloom.__file__).parents[1]
    path = os.pathsep.join([str(source), str(REPOSITORY)])
    script = Path(__file__).with_name("interrupted.py")
    subprocess.run(
        [sys.executable, str(script), str(root), model, str(data), *points],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        stdout=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def killed_in_a_model(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("killed")
    run_interrupted(root, str(model), data, list(MODEL_POINTS))
    return root


@pytest.fixture(scope="module")
def killed_while_writing(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("killed")
    run_interrupted(root, "", data, SYNC_POINTS)
    return root


def done_after(root: Path, point: str) -> dict[str, Any]:
    done: dict[str, Any] = json.loads((root / f"{point}.json").read_text())
    return done


@pytest.mark.parametrize("point", MODEL_POINTS)
def test_a_killed_run_ends_in_the_same_bytes(killed_in_a_model: Path, point: str) -> None:
    root = killed_in_a_model
    assert (root / f"{point}.status").read_text() == str(-signal.SIGKILL)
    assert lasting(root / point) == lasting(root / "whole")


@pytest.mark.parametrize("point", MODEL_POINTS)
def test_no_finished_reply_or_checkpointed_step_is_done_again(killed_in_a_model: Path, point: str) -> None:
    done = done_after(killed_in_a_model, point)
    assert (len(done["decoded"]), done["steps"]) == MODEL_POINTS[point]


def test_a_run_killed_while_writing_any_file_ends_in_the_same_bytes(killed_while_writing: Path) -> None:
    root = killed_while_writing
    whole = lasting(root / "whole")
    statuses = [int((root / f"{point}.status").read_text()) for point in SYNC_POINTS]
    killed = [point for point, status in zip(SYNC_POINTS, statuses, strict=True) if status == -signal.SIGKILL]
    # All points of the run were reached: after the last one it is killed no more.
    assert statuses == [-signal.SIGKILL] * len(killed) + [0] * (len(SYNC_POINTS) - len(killed))
    assert 10 < len(killed) < len(SYNC_POINTS)
    assert any(done_after(root, point)["leftovers"] for point in killed)
    for point in killed:
        assert lasting(root / point) == whole, point
        assert not [name for name in files(root / point) if ".partial" in name]
