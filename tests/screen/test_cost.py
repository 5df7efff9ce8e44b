"""What a cell cost, over all processes that worked on it."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.screen.conftest import Clock
from tests.screenings import plan, screen, small

import emoloom.screen.cost
import emoloom.screen.runner
from emoloom.screen.cost import Cost
from emoloom.screen.run import run_plan
from emoloom.store.run import RunFolder


def test_time_is_counted_by_what_it_was_spent_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(emoloom.screen.cost, "time", SimpleNamespace(monotonic=lambda: now[0]))
    cost = Cost()
    with cost.timed("train_seconds"):
        now[0] += 3
        assert cost.so_far()["train_seconds"] == 3
        now[0] += 4
    now[0] += 50
    with cost.timed("decode_seconds"):
        now[0] += 2
    assert (cost.train_seconds, cost.fit_seconds, cost.decode_seconds) == (7, 0, 2)


def test_a_cost_goes_on_from_what_was_written_down() -> None:
    first = Cost(examples=9, tokens=80, train_seconds=2.5, trained_examples=8)
    first.counts.forwards = 6
    second = Cost.begun(first.so_far())
    assert (second.work, second.train_seconds, second.trained_examples) == ({"examples": 0, "tokens": 0}, 2.5, 8)
    second.counts.forwards += 1
    assert (first.counts.forwards, second.counts.forwards) == (6, 7)
    assert second.peak_memory_bytes >= first.peak_memory_bytes > 0
    assert Cost.begun({}) == Cost()


def costs(run: RunFolder) -> dict[Any, Any]:
    """What each cell was paid for, by all that it is called by."""
    cells = {cell["key"]: tuple(cell.values())[1:] for cell in run.read_json("manifest.json")["cells"]}
    found = {cells[key]: cost for key, cost in run.timings()["cells"].items() if "decoded" in cost}
    return {name: {kind: cost[kind] for kind in ("trained_examples", "decoded")} for name, cost in found.items()}


def seconds(run: RunFolder) -> float:
    spent = run.timings()["cells"].values()
    return float(sum(cost.get("train_seconds", 0) + cost.get("decode_seconds", 0) for cost in spent))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"checkpoint_seconds": 1e-9}, id="each step kept"),
        pytest.param({"checkpoint_seconds": 3600.0}, id="begun anew"),
        pytest.param({"checkpoint_seconds": 1e-9, "budget": ["1000000examples"]}, id="budget"),
        pytest.param({"checkpoint_seconds": 1e-9, "rungs": 2, "dev_limit": 2}, id="race"),
        pytest.param({"checkpoint_seconds": 3600.0, "rungs": 2, "dev_limit": 2}, id="race begun anew"),
    ],
)
def test_a_run_that_is_killed_again_and_again_costs_at_least_what_it_would_have(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    monkeypatch.setattr(emoloom.screen.runner, "_NOTED_SECONDS", 0.0)
    for module in (emoloom.screen.cost, emoloom.screen.runner):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=Clock()))
    other = shutil.copytree(model, tmp_path / "other")
    both = (f"path:{model}", f"path:{other}")
    changes |= {"readout": ("free", "scored"), "probe_limit": 6, "keep": both}
    whole, again = (
        small(model, data, tmp_path / name, **changes).model_copy(update={"model": both}) for name in ("whole", "again")
    )
    expected = screen(whole)
    for stop in itertools.count(2, 2):
        left = iter(range(stop))

        def crash(*_: Any, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt

        try:
            run = run_plan(plan(again), crash, lambda _: None)
            break
        except KeyboardInterrupt:
            continue
    assert stop > 8
    assert costs(run) == costs(expected)
    assert seconds(run) > seconds(expected) > 0
    assert run.timings()["begun"] == {}
