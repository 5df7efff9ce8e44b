"""Budgets: what is spent, what is refused, what is cut, and that a run never spends more than it may."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.screen.conftest import Clock
from tests.screenings import lasting, plan, screen, small
from tests.tiny import quick_model

import emoloom.screen.cell
import emoloom.screen.pricing.budget
import emoloom.screen.pricing.rates
import emoloom.screen.pricing.schedule
import emoloom.screen.run
from emoloom.cli.runs import _described
from emoloom.config import AblationConfig, Budget, ScreenConfig
from emoloom.errors import EmoLoomError
from emoloom.report.table import print_leaderboard
from emoloom.screen.finished.verify import replay
from emoloom.screen.plan import make_ablation_plan
from emoloom.screen.pricing.budget import allow
from emoloom.screen.pricing.price import Price, Prices
from emoloom.screen.pricing.rates import Rates, calibrate
from emoloom.screen.pricing.schedule import Priced, measured, open_schedule, schedule
from emoloom.screen.run import run_plan
from emoloom.store.check import Finding, check
from emoloom.store.journal import Journal
from emoloom.store.run import RunFolder
from emoloom.store.standing import state
from emoloom.train.recompute import recompute_layers

RATES = Rates(load=1.0, example=0.5, forward=0.1, reading=1e9, training=1e9)


def budget(*limits: str) -> Budget:
    return Budget.model_validate(list(limits))


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_model(tmp_path_factory.mktemp("models") / "second", seed=1)


Screening = Callable[..., ScreenConfig]


@pytest.fixture
def two(model: Path, second: Path, data: Path, tmp_path: Path) -> Screening:
    """Settings for two candidates; each trains on 6 examples and answers 3, after 2 zero-shot and 6 probed."""
    names = itertools.count()

    def settings(*limits: str, **changes: Any) -> ScreenConfig:
        config = small(model, data, tmp_path / str(next(names)), probe_limit=6, budget=list(limits), **changes)
        return config.model_copy(update={"model": (f"path:{model}", f"path:{second}")})

    return settings


def spent(run: RunFolder, kind: str) -> int:
    return sum(cell[kind] for cell in run.timings()["spent"]["cells"].values())


def cuts(run: RunFolder) -> list[tuple[str, str]]:
    return [(row["candidate"], row["stage"]) for row in run.read_json("leaderboard.json")["cut"]]


def test_without_a_budget_nothing_is_measured_or_cut(two: Screening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emoloom.screen.pricing.schedule, "calibrate", None)
    run = screen(two())
    assert cuts(run) == []
    assert spent(run, "examples") == 2 * (6 + 3 + 2 + 6)


def test_nothing_is_measured_for_a_folder_that_holds_another_plan(
    two: Screening, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = screen(two())
    monkeypatch.setattr(emoloom.screen.pricing.schedule, "calibrate", None)
    other = plan(two("34examples").model_copy(update={"out": done.path}))
    with pytest.raises(EmoLoomError, match="another plan"):
        measured(other, lambda _: None, 0.0)


def test_a_budget_that_pays_for_everything_changes_nothing_else(two: Screening) -> None:
    free, limited = screen(two()), screen(two("34examples"))
    boards = [run.read_json("leaderboard.json") for run in (free, limited)]
    assert boards[0] == boards[1]


def test_a_race_counts_each_example_of_a_training_once(two: Screening, model: Path, second: Path) -> None:
    run = screen(two(rungs=2, dev_limit=2, keep=(f"path:{model}", f"path:{second}")))
    # Two are judged at the rung, too.
    assert spent(run, "examples") == 2 * (6 + 2 + 3 + 2 + 6)


def test_trained_candidates_are_paid_first(two: Screening, second: Path, model: Path) -> None:
    """18 examples pay for two trainings with their answers: probes and zero-shot answers, though earlier, are cut."""
    run = screen(two("18examples"))
    names = (f"path:{model}", f"path:{second}")
    assert cuts(run) == [(name, stage) for name in names for stage in ("probe", "zero-shot")]
    assert spent(run, "examples") == 18
    assert {row["candidate"] for row in run.read_json("leaderboard.json")["ranking"]} > set(names)


def test_who_cannot_be_paid_is_cut_and_named(two: Screening, model: Path, second: Path) -> None:
    run = screen(two("17examples"))
    board = run.read_json("leaderboard.json")
    assert {"candidate": f"path:{second}", "stage": "training", "readout": "",
            "reason": "it does not fit in the budget of 17 examples"} in board["cut"]  # fmt: skip
    assert (f"path:{second}", "tuned") in cuts(run)
    # What is left over goes to the rest, in order.
    assert (f"path:{model}", "probe") not in cuts(run)
    assert spent(run, "examples") <= 17
    sentence = f"path:{second} was cut, training: it does not fit in the budget of 17 examples."
    assert sentence in board["verdict"]
    assert sentence in (run.path / "report.html").read_text("utf-8")


def test_a_training_is_not_begun_that_nobody_could_judge(two: Screening) -> None:
    """8 examples would pay for training on 6, but then for no answers."""
    with pytest.raises(EmoLoomError, match="does not pay for one trained candidate"):
        schedule_of(two("8examples"))


def schedule_of(config: ScreenConfig) -> Any:
    planned = plan(config)
    rates = {model.local.name: RATES for model in planned.models}
    return schedule(planned, Prices(planned, rates, {}), Price(), ())


@pytest.mark.parametrize("limits", [("28s",), ("30examples",), ("5000tokens",)])
def test_the_nearest_plan_fits(two: Screening, limits: tuple[str, ...]) -> None:
    tight = schedule_of(two(*limits))
    assert any(line.cut for line in tight.lines)
    flags = tight.nearest.split()
    fewer = {name.removeprefix("--").replace("-", "_"): int(n) for name, n in zip(flags[::2], flags[1::2], strict=True)}
    fitting = schedule_of(two(*limits, **fewer))
    assert not any(line.cut for line in fitting.lines)
    assert fitting.nearest is None


def test_memory_that_a_candidate_needs_is_looked_at_before(two: Screening) -> None:
    with pytest.raises(EmoLoomError, match="GB of memory"):
        schedule_of(two("900MB"))
    assert not any(line.cut for line in schedule_of(two("1100MB")).lines)


def test_a_race_is_priced_by_who_is_expected_to_stay(two: Screening) -> None:
    raced = schedule_of(two(rungs=2, dev_limit=2))
    by_stage = {(line.cell.candidate, line.cell.stage): line.price for line in raced.lines}
    training = [price.examples for (_, stage), price in by_stage.items() if stage == "training"]
    # One of two goes on to 6 examples; the rung at 3 paused after the second batch of two.
    assert training == [1, 1]


def test_what_is_left_of_a_race_is_priced_when_it_is_taken_up_again(
    two: Screening, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = two("1h", rungs=2, dev_limit=2)
    record = Journal.record

    def stopped(self: Journal, event: str, **facts: Any) -> None:
        if event == "trained":
            raise KeyboardInterrupt
        record(self, event, **facts)

    with monkeypatch.context() as killed:
        killed.setattr(Journal, "record", stopped)
        with pytest.raises(KeyboardInterrupt):
            screen(config)
    (rung,) = (event for event in RunFolder(config.out or Path()).events() if event["event"] == "rung")
    left = {s["candidate"] for s in rung["standings"] if s["decision"] in ("separated", "halved")}
    planned = plan(config)
    priced = Priced({model.local.name: RATES for model in planned.models}, time.monotonic())
    lines = open_schedule(planned, priced).lines
    assert {line.cell.candidate for line in lines} == {s["candidate"] for s in rung["standings"]} - left
    assert [line.cell.stage for line in lines] == ["training", "tuned"]


def test_never_more_is_spent_than_there_is(two: Screening) -> None:
    rng = random.Random(0)
    for _ in range(4):
        limit = rng.randint(9, 40)
        run = screen(two(f"{limit}examples", rungs=rng.choice([1, 2]), dev_limit=2))
        assert spent(run, "examples") <= limit
        assert run.is_sealed


def test_tokens_are_counted_and_never_overspent(two: Screening) -> None:
    whole = screen(two())
    all_tokens = spent(whole, "tokens")
    for share in (0.5, 0.8):
        run = screen(two(f"{int(share * all_tokens)}tokens"))
        tokens = spent(run, "tokens")
        assert tokens <= 1.02 * share * all_tokens
        assert cuts(run)


def test_a_run_without_any_time_left_ends_with_an_empty_board(two: Screening, model: Path, second: Path) -> None:
    run = screen(two("0.001s"))
    board = run.read_json("leaderboard.json")
    assert (board["rows"], board["ranking"]) == ([], [])
    assert len(board["cut"]) == len(plan(two()).cells)
    assert board["verdict"][0] == "No candidate was fine-tuned: there is nothing to rank."
    assert (run.path / "report.html").exists()
    print_leaderboard(run)
    assert check(run.path).findings == []
    assert _described(run) == (f"path:{model}, path:{second}", "")


def test_what_a_cut_run_has_is_replayed(two: Screening) -> None:
    run = screen(two("17examples"))
    findings: list[Finding] = []
    assert replay(run, 4, random.Random(0), None, lambda *_: None, lambda _: None, findings.append) == 4
    assert findings == []
    assert state(run) == "finished"


def test_who_is_cut_at_a_rung_leaves_the_race(two: Screening) -> None:
    """These pay for one candidate: to the rung (two batches trained, 2 judged), to the end (2 trained) and its 3 answers."""
    run = screen(two("11examples", rungs=2, dev_limit=2))
    lost = [name for name, stage in cuts(run) if stage == "race"]
    assert len(lost) == 1
    assert (lost[0], "training") not in cuts(run)
    assert spent(run, "examples") == 11
    (tuned,) = (row for row in run.read_json("leaderboard.json")["rows"] if row["stage"] == "tuned" and row["metrics"])
    assert tuned["candidate"] != lost[0]


def test_a_race_that_nobody_can_finish_is_not_begun(two: Screening) -> None:
    run = screen(two("10examples", rungs=2, dev_limit=2))
    assert sum(stage == "race" for _, stage in cuts(run)) == 2
    assert not [key for key in run.timings()["cells"] if run.timings()["cells"][key].get("trained_examples")]


def test_an_ablation_is_refused_unless_every_arm_is_paid(model: Path, data: Path, tmp_path: Path) -> None:
    settings = small(model, data, tmp_path / "run", budget=["20examples"], recipe={"l_cls": 1.0, "l_reg": 1.0})
    config = AblationConfig.model_validate(settings.model_dump() | {"seeds": 1, "readout": ("scored", "free")})
    planned = make_ablation_plan(config, lambda _: None)
    prices = Prices(planned, {planned.models[0].local.name: RATES}, {})
    with pytest.raises(EmoLoomError, match="20 examples, does not pay for every arm"):
        schedule(planned, prices, Price(), ())


def test_time_that_runs_out_in_the_midst_cuts_the_cell(
    two: Screening, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.step = 0.1
    monkeypatch.setattr(emoloom.screen.pricing.schedule, "calibrate", lambda *_, **__: Rates(0.0, 1e-9, 1e-9, 0.0, 0.0))
    run = screen(two("6s"))
    reasons = {row["reason"] for row in run.read_json("leaderboard.json")["cut"]}
    assert "it does not fit in what is left of the budget of 6 s" in reasons
    assert run.timings()["spent"]["seconds"] <= 6
    assert not list(run.path.rglob("scratch"))


def test_a_budget_of_memory_is_met_by_computing_activations_twice(
    two: Screening, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def needs(*_: Any, recompute: bool) -> Rates:
        asked.append(recompute)
        return Rates(0.0, 1e-9, 1e-9, 1e9, 2e9 if recompute else 4e9, recompute)

    switched: list[bool] = []
    monkeypatch.setattr(emoloom.screen.pricing.schedule, "calibrate", needs)
    monkeypatch.setattr(emoloom.screen.cell, "recompute_layers", lambda model: switched.append(recompute_layers(model)))
    roomy, tight = screen(two("5GB")), screen(two("3GB"))
    assert asked == [False, False, False, True, False, True]
    assert switched == [True, True]
    assert cuts(tight) == cuts(roomy) == []
    files = [
        {name: content for name, content in lasting(run.path).items() if "cells" in name} for run in (roomy, tight)
    ]
    assert files[0] == files[1] != {}


@pytest.mark.parametrize("recompute", [False, True])
def test_a_candidate_is_measured_as_it_is_to_be_trained(
    recompute: bool, two: Screening, monkeypatch: pytest.MonkeyPatch
) -> None:
    switched: list[bool] = []
    monkeypatch.setattr(
        emoloom.screen.pricing.rates, "recompute_layers", lambda model: switched.append(recompute_layers(model))
    )
    planned = plan(two())
    (arm, *_), words = planned.arms, planned.teacher.word_values()
    found = calibrate(planned.models[0].load, planned.corpora.train, arm, words, recompute=recompute)
    assert switched == [True] * recompute
    assert found.recompute is recompute
    assert min(found.load, found.example, found.forward, found.reading, found.training) > 0


RACE = {"rungs": 2, "dev_limit": 2}


@pytest.mark.parametrize(
    ("limit", "changes"),
    [("20examples", {}), ("2000tokens", {}), ("14examples", RACE), ("1900tokens", RACE), ("3100tokens", RACE)],
)
def test_a_limited_run_that_is_killed_again_and_again_ends_as_it_would_have(
    limit: str, changes: dict[str, Any], two: Screening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at ever later events of its journal and steps of its work, and taken up each time where it was."""
    price = Prices.of
    # Cells that take more tokens than they were priced at are begun and cut in the midst.
    monkeypatch.setattr(Prices, "of", lambda *call: replace(price(*call), tokens=price(*call).tokens // 3))
    config = two(limit, checkpoint_seconds=1e-9, **changes)
    whole = screen(config)
    cut = whole.read_json("leaderboard.json")["cut"]
    assert cut
    assert any("in what is left" in row["reason"] for row in cut) == ("tokens" in limit)
    again = config.model_copy(update={"out": (config.out or Path()).with_name("again")})
    record = Journal.record
    for stop in itertools.count(1):
        left = iter(range(stop))

        def crash(left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt

        def recorded(self: Any, *event: Any, crash: Callable[[], None] = crash, **facts: Any) -> None:
            record(self, *event, **facts)
            crash()

        with monkeypatch.context() as killing, suppress(KeyboardInterrupt):
            killing.setattr(Journal, "record", recorded)
            run_plan(plan(again), lambda *_, crash=crash: crash(), lambda _: None)
            break
    assert stop > 8
    run = screen(again)
    assert lasting(run.path) == lasting(whole.path)
    assert spent(run, "examples") == spent(whole, "examples")
    assert spent(run, "tokens") == spent(whole, "tokens")


def test_a_finished_run_is_not_priced_again(two: Screening, monkeypatch: pytest.MonkeyPatch) -> None:
    config = two("20examples")
    screen(config)
    monkeypatch.setattr(emoloom.screen.pricing.schedule, "calibrate", None)
    screen(config)


def test_units_are_corrected_by_finished_cells(two: Screening) -> None:
    planned = plan(two())
    rates = {model.local.name: RATES for model in planned.models}
    first, other = (cell for cell in planned.cells if cell.stage == "tuned")
    spent = {first.key: {"decoded": 3, "decode_seconds": 3 * 40 * RATES.forward}}
    before, after = (Prices(planned, rates, known).of(other).seconds for known in ({}, spent))
    assert after - before == pytest.approx(3 * (40 - 12) * RATES.forward)


def test_what_is_allowed_never_sums_to_more_than_the_budget(two: Screening) -> None:
    rng = random.Random(1)
    for _ in range(30):
        planned = plan(two(f"{rng.randint(20, 120)}s", rungs=rng.choice([1, 2]), dev_limit=2))
        rates = {m.local.name: Rates(rng.random(), rng.random(), rng.random() / 9, 0.0, 0.0) for m in planned.models}
        prices, spent, skipped = Prices(planned, rates, {}), Price(), set[str]()
        for number, cell in enumerate(planned.cells):
            behind = [c for c in planned.cells[number + 1 :] if c.candidate not in skipped]
            if allow(cell, behind, planned, prices, spent).refused is None:
                spent += prices.of(cell)
        assert spent.seconds <= (planned.config.budget.seconds or 0)
