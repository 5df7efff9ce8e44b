"""A plan with its prices: what it will take, what the budget does not pay for, and which plan would fit."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emoloom.assets.cache import Say
from emoloom.errors import EmoLoomError, is_out_of_memory
from emoloom.screen.cells import Cell
from emoloom.screen.ground import PlannedModel
from emoloom.screen.plan import Plan
from emoloom.screen.pricing.budget import allow, candidates_of, ending, expected, leads_to, passed, spent_before
from emoloom.screen.pricing.price import Price, Prices
from emoloom.screen.pricing.rates import TOO_LARGE, Rates, calibrate
from emoloom.screen.race import Standing
from emoloom.store.run import RunFolder
from emoloom.store.standing import CLOSING

DEFAULT_FOLDER = Path("runs")
# Of a budget of memory, what the training may take that was measured: others of its batches are longer.
_FULL = 0.9
# Of a budget of time, what a proposed plan may take: prices are estimates.
_LEEWAY = 0.9
# The shares of the records that are proposed, from the largest; with less than the last of the training records alone, fewer are
# judged, too.
_SHARES, _LEAST_TRAINING = [n / 20 for n in range(19, 0, -1)], 0.25


@dataclass(frozen=True)
class Line:
    """A cell in a schedule: its price, and which limit cuts it, if one does."""

    cell: Cell
    price: Price
    cut: str | None


@dataclass(frozen=True)
class Schedule:
    """A priced plan.

    Attributes:
        lines: its cells, in order.
        total: what everything would take that is expected to be done, without the budget.
        nearest: settings under which all of it would fit, as flags; None if it fits, or none was found.
    """

    lines: Sequence[Line]
    total: Price
    nearest: str | None


def schedule(plan: Plan, prices: Prices, spent: Price, closed: Collection[Cell]) -> Schedule:
    """What of a plan the budget pays for.

    Args:
        spent: what is gone already.
        closed: cells that earlier processes finished or cut, or whose candidate has left the race; they are left out.

    Raises:
        EmoLoomError: not one trained candidate can be paid, and none has been yet.
    """
    lines: list[Line] = []
    # Other settings are another plan, with nothing behind it.
    before = Price() if closed else spent
    total = spent + ending(plan)
    unpaid: dict[Cell, str] = {}
    open_cells = [cell for cell in plan.cells if cell not in closed]
    for number, cell in enumerate(open_cells):
        price = expected(cell, candidates_of(open_cells), plan, prices)
        refused = next((why for lost, why in unpaid.items() if leads_to(lost, cell)), None)
        if refused is None:
            refused = allow(cell, open_cells[number + 1 :], plan, prices, spent).refused
        total += price
        if refused is None:
            spent += price
        else:
            unpaid[cell] = refused
        lines.append(Line(cell, price, refused))
    nearest = _nearest(plan, prices, before) if any(line.cut for line in lines) else None
    answers = [line for line in lines if line.cell.stage == "tuned"]
    limits = [line.cut for line in answers if line.cut]
    lacks = "every arm" if len(plan.arms) > 1 else "one trained candidate"
    if not closed and limits and (len(plan.arms) > 1 or len(limits) == len(answers)):
        raise EmoLoomError(
            f"the budget, {limits[0]}, does not pay for {lacks}; the plan would take {spell(total)}",
            where="budget",
            remedy=f"All of it would fit with {nearest}." if nearest else "Raise it.",
        )
    return Schedule(lines, total, nearest)


def _nearest(plan: Plan, prices: Prices, before: Price) -> str | None:
    """Fewer training records, or fewer of these and of judged ones alike, so that everything fits."""
    records, largest = len(plan.corpora.train), max(len(e.records) for e in plan.corpora.evals)
    fewer = [(int(share * records), largest) for share in _SHARES if share >= _LEAST_TRAINING]
    both = [(int(share * records), int(share * largest)) for share in _SHARES]
    for train, limit in fewer + both:
        if min(train, limit) < 1:
            continue
        total = sum_of(plan, prices.scaled(train, limit), before)
        if not passed(plan.config.budget, replace(total, seconds=total.seconds / _LEEWAY)):
            return f"--train-limit {train}" + (f" --limit {limit}" if limit < largest else "")
    return None


def sum_of(plan: Plan, prices: Prices, before: Price) -> Price:
    """What a whole plan is expected to take, with what is gone ``before``."""
    running = candidates_of(plan.cells)
    return sum((expected(cell, running, plan, prices) for cell in plan.cells), before + ending(plan))


def spell(price: Price) -> str:
    """A price in words."""
    minutes, seconds = divmod(round(price.seconds), 60)
    return f"{minutes} min {seconds} s, {price.examples} examples, {price.tokens} tokens"


@dataclass(frozen=True)
class Priced:
    """What was measured for a plan: each candidate's rates by its name, and when that began, on :func:`time.monotonic`."""

    rates: Mapping[str, Rates]
    began: float


def folder_of(plan: Plan) -> RunFolder:
    """Where a plan is carried out."""
    return RunFolder(plan.config.out or DEFAULT_FOLDER / plan.name)


def measured(plan: Plan, say: Say, began: float, *, always: bool = False) -> Priced:
    """The rates of every candidate, from the run's folder or measured now; none without a budget, unless ``always``.

    Raises:
        EmoLoomError: the folder holds a run of another plan.
    """
    if not always and not plan.config.budget.is_limited:
        return Priced({}, began)
    folder_of(plan).require(plan.manifest)
    known = folder_of(plan).timings().get("rates", {})
    rates = {name: Rates(**found) for name, found in known.items()}
    for model in plan.models:
        name = model.local.name
        if name not in rates:
            say(f"measuring what {name} takes on this machine")
            rates[name] = _measure(model, plan, recompute=False)
        found, limit = rates[name], plan.config.budget.memory
        if limit is not None and _FULL * limit < found.training < TOO_LARGE.training and not found.recompute:
            say(f"measuring {name} with activations that are computed twice, for the budget of memory")
            rates[name] = _measure(model, plan, recompute=True)
    return Priced(rates, began)


def _measure(model: PlannedModel, plan: Plan, *, recompute: bool) -> Rates:
    try:
        words = plan.teacher.word_values()
        return calibrate(model.load, plan.corpora.train, plan.arms[0], words, recompute=recompute)
    except (EmoLoomError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return TOO_LARGE


def open_schedule(plan: Plan, priced: Priced) -> Schedule:
    """The schedule of what is left of a plan, with what earlier processes spent; raises as :func:`schedule`."""
    run = folder_of(plan)
    timings = run.timings()
    before = spent_before(timings, plan.cells)
    work = before["cells"].values()
    spent = Price(
        before["seconds"] + time.monotonic() - priced.began,
        sum(cell["examples"] for cell in work),
        sum(cell["tokens"] for cell in work),
    )
    return schedule(plan, Prices(plan, priced.rates, timings.get("cells", {})), spent, _closed(plan, run.events()))


def _closed(plan: Plan, events: Sequence[Mapping[str, Any]]) -> set[Cell]:
    """The cells on which nothing is left to do, by what the journal tells."""
    keys = {event["key"] for event in events if event["event"] in CLOSING}
    standings = [
        Standing(**standing) for event in events if event["event"] == "rung" for standing in event["standings"]
    ]
    left = {standing.candidate for standing in standings if standing.leaves}
    left |= {e["candidate"] for e in events if e["event"] in ("failed", "cut") and e["stage"] == "race"}
    # Whoever leaves is not trained to the end, nor does it answer; only these have an arm.
    return {cell for cell in plan.cells if cell.key in keys or (cell.arm and cell.candidate in left)}
