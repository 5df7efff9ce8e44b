"""Whatever ends a screening, the same command again ends in the same bytes, and no finished reply is decoded twice.

A small share of the campaign in ``campaign.py``, whose full size takes minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import emoloom

REPOSITORY = Path(__file__).parents[2]
COUNTS = {"injected": 10, "random": 6, "refused": 8, "interrupted": 3, "changed": 30, "cut": 300}


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of a small campaign."""
    path = os.pathsep.join([str(Path(emoloom.__file__).parents[1]), str(REPOSITORY)])
    options = [part for name, count in COUNTS.items() for part in (f"--{name}", str(count))]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.campaign", str(tmp_path_factory.mktemp("crash")), *options],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if found["failures"] else 0)
    return found


def test_every_ended_screening_ends_in_the_bytes_of_an_uninterrupted_one(figures: dict[str, Any]) -> None:
    assert figures["failures"] == []


def test_all_of_it_has_happened(figures: dict[str, Any]) -> None:
    assert figures["killed at a point"] == COUNTS["injected"]
    assert figures["killed in recovery"] > 0
    assert figures["killed at random"] == COUNTS["random"]
    assert figures["refused: stopped with one line"] > 0
    assert figures["interrupted"] == COUNTS["interrupted"]
    # Two models: a zero-shot reply and two replies in the race each, after two training steps each. Then one has left: the other
    # writes two replies and is scored on two texts, after another two steps.
    assert (figures["replies"], figures["steps"]) == (10, 6)
    assert figures["points"] > 500
