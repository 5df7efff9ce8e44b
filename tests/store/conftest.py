"""A finished run without a model: what the store sees of one."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from emoloom.store.files import digest
from emoloom.store.run import LEADERBOARD, MANIFEST, TIMINGS, RunFolder

KEYS = ("a" * 64, "b" * 64)
PLAN: dict[str, Any] = {
    "config": {},
    "cells": [{"key": key} for key in KEYS],
    "candidates": [{"name": "x"}],
    "lexicon": None,
    "constant_vad": [0.5, 0.5, 0.5],
}


def finish(run: RunFolder) -> RunFolder:
    """Does the work of a run: two cells, one of them with weights, a board, a page."""
    rng = random.Random(0)
    with run.opened(PLAN) as journal:
        journal.record("plan", cells=list(KEYS), manifest=digest(PLAN))
        for key in KEYS:
            cell = run.cell(key)
            if cell.metrics() is None:
                cell.path.mkdir(parents=True, exist_ok=True)
                (cell.path / "adapter.safetensors").write_bytes(random.Random(key).randbytes(5000))
                cell.finish([{"id": str(i), "reply": f"né {rng.random()}"} for i in range(40)], {"n": 40})
            journal.record("cell", key=key, files=cell.hashes())
        run.write_json(TIMINGS, {"cells": {}})
        board = run.write_json(LEADERBOARD, {"rows": [], "ranking": [{"candidate": "x"}], "verdict": []})
        completed = run.complete(PLAN, {key: {"bit_equal": True} for key in KEYS})
        journal.record("finished", files={MANIFEST: completed, LEADERBOARD: board})
        journal.settle()
        run.seal(LEADERBOARD)
    run.publish("report.html", "<p>\nä\n</p>\n")
    return run


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return finish(RunFolder(tmp_path / "runs" / "one"))
