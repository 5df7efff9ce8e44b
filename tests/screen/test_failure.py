"""Out of memory in a cell, or a candidate that cannot be used: it fails with its reason, the screening goes on and says so; so it
does when it is run again."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.screenings import lasting, plan, screen, small
from tests.tiny import quick_model

import emoloom.screen.cell
import emoloom.train.loop
from emoloom.errors import EmoLoomError
from emoloom.report.html import write_report
from emoloom.screen.readouts.readout import Written
from emoloom.screen.run import run_plan
from emoloom.store.check import check
from emoloom.store.run import CellFolder, RunFolder
from emoloom.train.objective import Objective

ERRORS: dict[str, Callable[[], BaseException]] = {
    "numpy": lambda: MemoryError("Unable to allocate 9.00 TiB"),
    "cuda": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    "cpu": lambda: RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 8 bytes."),
}


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_model(tmp_path_factory.mktemp("models") / "second", seed=1)


def stop(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def screen_both(model: Path, second: Path, data: Path, out: Path) -> RunFolder:
    config = small(model, data, out).model_copy(update={"model": (f"path:{model}", f"path:{second}")})
    return screen(config)


def fail_training(monkeypatch: pytest.MonkeyPatch, second: Path, error: Callable[[], BaseException]) -> None:
    """The second model has no room for its second training step."""
    fine_tune, step, steps = emoloom.screen.cell.fine_tune, emoloom.train.loop._step, [0]

    def noted(candidate: Any, *arguments: Any, **named: Any) -> Any:
        steps[0] = 0 if candidate.name == f"path:{second}" else -100
        return fine_tune(candidate, *arguments, **named)

    def failing(*arguments: Any) -> Any:
        steps[0] += 1
        if steps[0] == 2:
            raise error()
        return step(*arguments)

    monkeypatch.setattr(emoloom.screen.cell, "fine_tune", noted)
    monkeypatch.setattr(emoloom.train.loop, "_step", failing)


@pytest.mark.parametrize("kind", ERRORS)
def test_the_others_go_on_and_the_leaderboard_says_so(
    model: Path, second: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    fail_training(monkeypatch, second, ERRORS[kind])
    run = screen_both(model, second, data, tmp_path / "run")
    board = run.read_json("leaderboard.json")
    lost = {"candidate": f"path:{second}"}
    assert board["failed"] == [
        lost | {"stage": "training", "readout": "", "reason": "out of memory"},
        lost | {"stage": "tuned", "readout": "free", "reason": "its training failed"},
    ]
    stages = {(row["candidate"], row["stage"]) for row in board["rows"]}
    assert {(f"path:{model}", "tuned"), (f"path:{second}", "zero-shot")} < stages
    assert (f"path:{second}", "tuned") not in stages
    assert f"path:{second} has failed, training: out of memory." in board["verdict"]
    assert f"path:{second} has failed, training: out of memory." in (run.path / "report.html").read_text("utf-8")
    assert check(run.path).findings == []
    assert not list(run.path.rglob("scratch"))


def test_a_failure_stays_when_the_run_is_taken_up_again(
    model: Path, second: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as failing:
        fail_training(failing, second, ERRORS["cuda"])
        whole = lasting(screen_both(model, second, data, tmp_path / "whole").path)
        with failing.context() as stopped:
            stopped.setattr(RunFolder, "seal", stop)
            with pytest.raises(KeyboardInterrupt):
                screen_both(model, second, data, tmp_path / "again")
    assert lasting(screen_both(model, second, data, tmp_path / "again").path) == whole


def test_decoding_may_fail_as_well(
    model: Path, second: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Written.answers

    def failing(self: Written, requests: Any) -> Any:
        for done, found in enumerate(answers(self, requests)):
            if done == 1 and self.candidate.name == f"path:{model}":
                raise MemoryError
            yield found

    monkeypatch.setattr(Written, "answers", failing)
    said: list[str] = []
    config = small(model, data, tmp_path / "run").model_copy(update={"model": (f"path:{model}", f"path:{second}")})
    run = run_plan(plan(config), lambda _what, _more, _total: None, said.append)
    write_report(run)
    failed = run.read_json("leaderboard.json")["failed"]
    assert [(row["candidate"], row["stage"], row["reason"]) for row in failed] == [
        (f"path:{model}", "zero-shot", "out of memory"),
        (f"path:{model}", "tuned", "out of memory"),
    ]
    assert [line.split(",")[0] for line in said] == [
        f"path:{model}: zero-shot failed",
        f"path:{model}: tuned failed",
    ]


def lacking_a_weight(model: Path, folder: Path) -> Path:
    """A copy of the model that no look at its files gives away."""
    broken = Path(shutil.copytree(model, folder))
    weights = load_file(broken / "model.safetensors")
    weights.pop(next(name for name in weights if "mlp" in name))
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    return broken


def test_a_candidate_whose_weights_do_not_load_fails_alone(model: Path, data: Path, tmp_path: Path) -> None:
    broken = lacking_a_weight(model, tmp_path / "broken")
    run = screen_both(model, broken, data, tmp_path / "run")
    board = run.read_json("leaderboard.json")
    failed = [row for row in board["failed"] if row["candidate"] == f"path:{broken}"]
    assert [row["stage"] for row in failed] == ["probe", "zero-shot", "training", "tuned"]
    assert all("lack" in row["reason"] for row in failed[:3])
    assert [row["candidate"] for row in board["ranking"] if row["stage"] == "tuned"] == [f"path:{model}"]
    assert check(run.path).findings == []


def test_alone_it_stops_the_run(model: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError, match="cannot load the model"):
        screen(small(lacking_a_weight(model, tmp_path / "broken"), data, tmp_path / "run"))


@pytest.mark.parametrize("rungs", [1, 2])
def test_a_loss_that_is_not_finite_fails_one_candidate_and_leaves_its_checkpoint(
    model: Path, second: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rungs: int
) -> None:
    weighted = Objective.weighted
    steps: dict[Objective, int] = {}

    def infinite(self: Objective, *arguments: Any) -> torch.Tensor:
        own = self._prompter.tokenizer.name_or_path == str(second)
        steps[self] = steps.get(self, 0) + 1
        return weighted(self, *arguments) * (math.inf if own and steps[self] == 2 else 1.0)

    monkeypatch.setattr(Objective, "weighted", infinite)

    def both(out: Path) -> RunFolder:
        steps.clear()
        config = small(model, data, out, rungs=rungs, train_limit=12)
        return screen(config.model_copy(update={"model": (f"path:{model}", f"path:{second}")}))

    run = both(tmp_path / "run")
    with monkeypatch.context() as killed:
        killed.setattr(CellFolder, "fail", stop)
        with pytest.raises(KeyboardInterrupt):
            both(tmp_path / "again")
    assert lasting(both(tmp_path / "again").path) == lasting(run.path)
    failed = [row for row in run.read_json("leaderboard.json")["failed"] if row["candidate"] == f"path:{second}"]
    assert "is not finite" in failed[0]["reason"]
    assert check(run.path).findings == []
    (kept,) = run.path.rglob("checkpoint.safetensors")
    assert (kept.parent / "failed.json").exists()
    with safe_open(kept, framework="pt") as file:
        assert json.loads(file.metadata()["progress"])["step"] == 1


def test_other_errors_stop_the_run(model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(emoloom.train.loop, "_step", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        screen(small(model, data, tmp_path / "run"))


def test_an_ablation_without_an_arm_is_refused_at_its_end(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emoloom.config import AblationConfig
    from emoloom.screen.plan import make_ablation_plan
    from emoloom.screen.run import run_ablation

    settings = small(model, data, tmp_path / "run").model_dump() | {"seeds": 1}
    settings["recipe"] |= {"l_cls": 1.0, "l_reg": 1.0}
    fine_tune, done = emoloom.screen.cell.fine_tune, list[str]()

    def failing(*arguments: Any, title: str, **named: Any) -> Any:
        done.append(title.split("/")[0])
        if title.startswith("plain"):
            raise MemoryError
        return fine_tune(*arguments, title=title, **named)

    monkeypatch.setattr(emoloom.screen.cell, "fine_tune", failing)
    ablation = make_ablation_plan(AblationConfig.model_validate(settings), lambda _: None)
    with pytest.raises(EmoLoomError, match=r"plain/0 \(out of memory\)"):
        run_ablation(ablation, lambda _what, _more, _total: None, lambda _: None)
    assert done == ["full", "plain", "no-cls", "no-reg"]
