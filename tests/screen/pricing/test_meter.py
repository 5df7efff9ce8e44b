"""What a budget says, and the meter that holds a run to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError
from tests.screen.conftest import Clock

from emoloom.config import Budget, ScreenConfig
from emoloom.screen.cost import Cost
from emoloom.screen.pricing.budget import BudgetSpentError, Meter, passed
from emoloom.screen.pricing.price import Price


def budget(*limits: str) -> Budget:
    return Budget.model_validate(list(limits))


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("30s", {"seconds": 30.0}),
        ("90m", {"seconds": 5400.0}),
        ("1.5h", {"seconds": 5400.0}),
        ("20000examples", {"examples": 20000}),
        ("500 tokens", {"tokens": 500}),
        ("8GB", {"memory": 8e9}),
        ("512MB", {"memory": 512e6}),
    ],
)
def test_limits_have_units(limit: str, expected: dict[str, float]) -> None:
    assert budget(limit) == Budget.model_validate(expected)


@pytest.mark.parametrize("limits", [["90"], ["x"], ["-3m"], ["0s"], ["1.5examples"], ["3days"], ["1h", "90m"]])
def test_other_limits_are_refused(limits: list[str]) -> None:
    with pytest.raises(ValidationError, match=r"limit|greater than|valid integer"):
        Budget.model_validate(limits)


def test_one_limit_needs_no_list() -> None:
    assert Budget.model_validate("90m") == budget("90m")


def test_a_budget_survives_the_manifest() -> None:
    config = ScreenConfig(model=("path:x",), budget=budget("90m", "8GB"))
    assert ScreenConfig.model_validate(json.loads(config.model_dump_json())) == config


def test_a_failure_is_charged_what_it_took_since_its_training_paused() -> None:
    meter = Meter(budget("1h"), 0.0, 0.0, lambda _: None)
    meter.begin("training", cost := Cost(), Price())
    cost.examples, cost.tokens = 8, 80
    meter.close("training", cost.work)
    meter.begin("training", cost := Cost(), Price())
    cost.examples, cost.tokens = 18, 180
    assert meter.fail() == {"examples": 10, "tokens": 100}
    assert meter.work == {"examples": 8, "tokens": 80}
    meter.begin("other", cost := Cost(), Price())
    cost.examples, cost.tokens = 3, 30
    assert meter.fail() == {"examples": 3, "tokens": 30}


def test_seconds_go_on_where_earlier_processes_stopped(clock: Clock) -> None:
    kept: list[dict[str, Any]] = []
    first = Meter(budget("1h"), 0.0, 0.0, kept.append)
    first.begin("a", cost := Cost(), Price())
    cost.examples, cost.tokens = 7, 70
    first.tick()
    first.close("a", cost.work)
    second = Meter(budget("1h"), clock.now, kept[-1]["seconds"], kept.append)
    second.close("a", {"examples": 7, "tokens": 70})
    second.begin("b", cost := Cost(), Price())
    cost.examples, cost.tokens = 5, 50
    assert second.work == {"examples": 12, "tokens": 120}
    assert second.spent.seconds > kept[0]["seconds"]


def test_a_cell_that_goes_on_counts_once() -> None:
    meter = Meter(budget("1h"), 0.0, 0.0, lambda _: None)
    for examples in (4, 9):
        meter.begin("a", cost := Cost(), Price())
        cost.examples = examples
        meter.close("a", cost.work)
    assert meter.work["examples"] == 9


@pytest.mark.parametrize("steps", [(40, 40, 40), (100, 20), (80, 60)])
def test_a_cell_without_enough_tokens_is_charged_what_it_was_allowed_wherever_it_stops(steps: tuple[int, ...]) -> None:
    meter = Meter(budget("100tokens"), 0.0, 0.0, lambda _: None)
    meter.close("a", {"examples": 3, "tokens": 15})
    meter.begin("b", cost := Cost(), Price(tokens=20))

    def work() -> None:
        for tokens in steps:
            cost.examples += 1
            cost.tokens += tokens
            meter.tick()

    with pytest.raises(BudgetSpentError, match="100 tokens"):
        work()
    spent = meter.stopped_at()
    assert spent["tokens"] == 80
    meter.charge("b", spent)
    assert meter.work == spent
    meter.charge("b", {"examples": 5, "tokens": 70})
    assert meter.work == {"examples": 5, "tokens": 70}


def test_work_counts_only_if_all_of_it_fits() -> None:
    meter = Meter(budget("100tokens"), 0.0, 0.0, lambda _: None)
    meter.begin("a", cost := Cost(), Price(tokens=20))
    cost.tokens = 80
    meter.check_work()
    cost.tokens = 81
    with pytest.raises(BudgetSpentError, match="100 tokens"):
        meter.check_work()


def steps_until_spent(meter: Meter, clock: Clock, seconds: float) -> str:
    """Takes steps of so many seconds until the meter stops it; returns the limit that it names."""
    try:
        while True:
            meter.tick()
            clock.now += seconds
    except BudgetSpentError as error:
        return str(error)


def test_a_step_that_would_not_fit_is_not_begun(clock: Clock) -> None:
    meter = Meter(budget("100s"), 0.0, 0.0, lambda _: None)
    meter.begin("a", Cost(), Price())
    assert steps_until_spent(meter, clock, 13) == "100 s"
    # Not even the next of these steps would have passed it.
    assert 100 - 2 * 17 < clock.now <= 100


def test_what_is_reserved_is_left(clock: Clock) -> None:
    meter = Meter(budget("100s"), 0.0, 0.0, lambda _: None)
    meter.begin("a", Cost(), Price(seconds=60))
    steps_until_spent(meter, clock, 3)
    assert clock.now <= 40


@pytest.mark.parametrize(("kind", "word"), [("examples", "4 examples"), ("tokens", "4 tokens"), ("memory", "memory")])
def test_every_limit_is_named(kind: str, word: str) -> None:
    limited = Budget.model_validate({kind: 4})
    assert passed(limited, Price(**{kind: 4})) is None
    assert word in (passed(limited, Price(**{kind: 5})) or "")
