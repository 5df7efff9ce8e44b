"""What a run may spend and has spent, and what is cut because it no longer fits.

Trained candidates come first: a cell begins only if what is left pays for it *and* for everything of higher rank that is still to
come, and it is stopped where it would eat into that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from emoloom.config import Budget
from emoloom.screen.cells import Cell
from emoloom.screen.cost import Cost
from emoloom.screen.plan import Plan
from emoloom.screen.pricing.memory import peak_memory, reset_peak_memory
from emoloom.screen.pricing.price import Price, Prices

# Who goes first where not all can be paid: which candidate is best, what it must beat, then the rest.
_RANKS = {"race": 0, "training": 1, "tuned": 1, "baseline": 2, "probe": 4, "zero-shot": 5}
_SECOND_READOUT = 3
# Seconds kept for the leaderboard, its intervals and the report, and for each cell in them.
_ENDING, _ENDING_EACH = 2.0, 0.1


class BudgetSpentError(Exception):
    """A cell cannot go on within the budget; the words say which limit it would pass."""


class Meter:
    """Counts what a run spends and stops a cell that would spend too much.

    Seconds are spent by every process that carried the run on. Examples and tokens are those of the cells in the plan's order,
    each counted once: a process that takes the run up is told of those before, and comes to the same decisions.

    Args:
        began: when this process began, on :func:`time.monotonic`.
        seconds: what earlier processes wrote down.
        keep: told what to write down, about once a second.
    """

    def __init__(self, budget: Budget, began: float, seconds: float, keep: Callable[[dict[str, Any]], None]) -> None:
        self._budget = budget
        self._began = began
        self._before = seconds
        self._closed: dict[str, Mapping[str, int]] = {}
        self._keep = keep
        self._kept = seconds
        self._paused: tuple[str, Mapping[str, int] | None] = ("", None)
        self._cost = Cost()
        self._reserve = Price()
        self._last: float | None = None
        self._step = 0.0

    @property
    def spent(self) -> Price:
        """Everything so far, the cell at work included; memory is this process's since that cell began."""
        return Price(self._before + time.monotonic() - self._began, **self.work, memory=float(peak_memory()))

    @property
    def work(self) -> dict[str, int]:
        """Examples and tokens so far, those of the cell at work included."""
        own = self._cost.work
        return {kind: own[kind] + sum(cell[kind] for cell in self._closed.values()) for kind in own}

    def begin(self, key: str, cost: Cost, reserve: Price) -> None:
        """Work on the cell with this key begins, or goes on; it counts what was done of it so far in ``cost``, and is to leave
        ``reserve`` of the budget alone."""
        self._paused = key, self._closed.pop(key, None)
        self._cost, self._reserve = cost, reserve
        self._last, self._step = None, 0.0
        reset_peak_memory()

    def close(self, key: str, work: Mapping[str, int]) -> None:
        """This cell is closed: finished, paused or failed, in this process or before, it took ``examples`` and ``tokens``."""
        self._closed[key] = work
        self._paused = "", None
        self._cost = Cost()
        self._write(self.spent.seconds)

    def fail(self) -> dict[str, int]:
        """The cell at work has failed; the examples and tokens that it took since it was begun or last paused."""
        key, before = self._paused
        work = self._cost.work
        if before is not None:
            work = {kind: work[kind] - before[kind] for kind in work}
            self.close(key, before)
        return work

    def stopped_at(self) -> dict[str, int]:
        """Examples and tokens that are spent once the cell at work is cut.

        Where it needed more of them than there were, it is charged all that it was allowed, wherever it stopped: where that is
        hangs on how often the run was interrupted, and the cells behind it are not to.
        """
        spent = self.work
        if self._work_passed():
            limits = {"examples": self._budget.examples, "tokens": self._budget.tokens}
            reserve = {"examples": self._reserve.examples, "tokens": self._reserve.tokens}
            spent |= {kind: limit - reserve[kind] for kind, limit in limits.items() if limit is not None}
        return spent

    def charge(self, key: str, spent: Mapping[str, int]) -> None:
        """Closes a cell that was cut when so much was ``spent`` in all."""
        self._cost = Cost()
        self._closed.pop(key, None)
        before = self.work
        self.close(key, {kind: spent[kind] - before[kind] for kind in before})

    def tick(self) -> None:
        """To be called before each step of a cell's work.

        Raises:
            BudgetSpentError: a limit is passed, or time would be by a step as long as the longest so far.
        """
        if not self._budget.is_limited:
            return
        now = self.spent
        if self._last is not None:
            self._step = max(self._step, now.seconds - self._last)
        self._last = now.seconds
        if now.seconds - self._kept > 1.0:
            self._write(now.seconds)
        if limit := passed(self._budget, now + Price(self._step) + self._reserve):
            raise BudgetSpentError(limit)

    def check_work(self) -> None:
        """To be called when a cell's work is done, before it is published: it counts only if all of it was within the budget.

        Raises:
            BudgetSpentError: it was not.
        """
        if limit := self._work_passed():
            raise BudgetSpentError(limit)

    def _work_passed(self) -> str | None:
        limits = Budget(examples=self._budget.examples, tokens=self._budget.tokens)
        return passed(limits, Price(**self.work) + self._reserve)

    def _write(self, seconds: float) -> None:
        self._kept = seconds
        self._keep({"seconds": seconds, "cells": self._closed})


def spent_before(timings: Mapping[str, Any], cells: Sequence[Cell]) -> dict[str, Any]:
    """What earlier processes wrote down of a plan with these cells: ``seconds``, and the work of each closed cell by its key; of
    others nothing counts."""
    spent = timings.get("spent", {})
    keys = {cell.key for cell in cells}
    known = {key: found for key, found in spent.get("cells", {}).items() if key in keys}
    return {"seconds": float(spent.get("seconds", 0.0)), "cells": known}


def passed(budget: Budget, total: Price) -> str | None:
    """Which limit of the budget spending so much would pass, in words; None if none."""
    for value, limit, words in (
        (total.seconds, budget.seconds, "{:.0f} s"),
        (total.examples, budget.examples, "{} examples"),
        (total.tokens, budget.tokens, "{} tokens"),
        (total.memory / 1e9, budget.memory and budget.memory / 1e9, "{:.3g} GB of memory"),
    ):
        if limit is not None and value > limit:
            return words.format(limit)
    return None


@dataclass(frozen=True)
class Allowance:
    """Whether a cell may begin.

    Attributes:
        reserve: what it is to leave for the cells of higher rank behind it.
        refused: which limit it would pass, in words; None where it may begin.
    """

    reserve: Price
    refused: str | None


def allow(cell: Cell, behind: Sequence[Cell], plan: Plan, prices: Prices, spent: Price) -> Allowance:
    """Whether the budget pays for ``cell``, once everything of higher rank is paid that can be.

    Args:
        behind: the cells still to come that are not cut, in order.
        spent: everything before it.
    """
    # Memory is not used up: what the cells before held says nothing.
    total = Price(spent.seconds, spent.examples, spent.tokens) + ending(plan)
    reserve = ending(plan)
    still = [cell, *behind]
    lost: list[Cell] = []
    for other in sorted(still, key=lambda c: _rank(c, plan)):
        if any(leads_to(gone, other) for gone in lost):
            continue
        running = candidates_of([c for c in still if not any(leads_to(gone, c) for gone in lost)])
        price, kept = expected(other, running, plan, prices), Price()
        # A race that nobody can finish is worth nothing, nor are weights that nobody can judge.
        if other.stage == "race":
            kept = _dearest_way(other, still, plan, prices)
        elif other.stage == "training":
            kept = sum((expected(c, running, plan, prices) for c in behind if _is_answer(c, other, plan)), Price())
        elif any(_is_answer(other, c, plan) for c in still):
            continue
        refused = passed(plan.config.budget, total + price + kept)
        if other == cell:
            return Allowance(reserve + replace(kept, memory=0.0), refused)
        if other.stage == "training":
            price += kept
        if refused:
            lost.append(other)
        else:
            total += replace(price, memory=0.0)
            reserve += replace(price, memory=0.0) if _rank(other, plan) < _rank(cell, plan) else Price()
    raise ValueError(f"{cell} is paid with its training, which is still to come")


def leads_to(lost: Cell, cell: Cell) -> bool:
    """Whether ``cell`` cannot be done without ``lost``: answers without their training, or what comes after a rung."""
    if (lost.candidate, lost.arm) != (cell.candidate, cell.arm) or cell.stage not in ("race", "training", "tuned"):
        return False
    return lost.stage == "race" or (lost.stage == "training" and cell.stage == "tuned")


def _dearest_way(rung: Cell, still: Sequence[Cell], plan: Plan, prices: Prices) -> Price:
    """What the candidate with the dearest way takes from a rung to its answers: further rungs, training, answers."""
    ways: dict[str, Price] = {}
    for cell in still:
        is_later = cell.stage == "race" and cell.examples > rung.examples
        if is_later or cell.stage == "training" or cell == _first_answers(cell, plan):
            ways[cell.candidate] = ways.get(cell.candidate, Price()) + prices.of(cell)
    return Price(
        max((way.seconds for way in ways.values()), default=0.0),
        max((way.examples for way in ways.values()), default=0),
        max((way.tokens for way in ways.values()), default=0),
        max((way.memory for way in ways.values()), default=0.0),
    )


def _is_answer(cell: Cell, training: Cell, plan: Plan) -> bool:
    """Whether ``cell`` is the answers of ``training`` that rank: by the first readout that its arm has."""
    return training.stage == "training" and cell == _first_answers(training, plan)


def _first_answers(cell: Cell, plan: Plan) -> Cell | None:
    mine = (c for c in plan.cells if (c.stage, c.candidate, c.arm) == ("tuned", cell.candidate, cell.arm))
    return next(mine, None)


def _rank(cell: Cell, plan: Plan) -> int:
    is_second = cell.stage == "tuned" and cell != _first_answers(cell, plan)
    return _SECOND_READOUT if is_second else _RANKS[cell.stage]


def expected(cell: Cell, running: int, plan: Plan, prices: Prices) -> Price:
    """The price of a cell times the share of the ``running`` candidates that will have such a cell: half leave at each rung."""
    price = prices.of(cell)
    if cell.stage not in ("race", "training", "tuned"):
        return price
    rungs = sorted({c.examples for c in plan.cells if c.stage == "race"})
    behind = rungs.index(cell.examples) if cell.stage == "race" else len(rungs)
    left = math.ceil(len(plan.models) / 2**behind) + (len(plan.config.keep) if behind else 0)
    share = min(1.0, left / running)
    return Price(
        price.seconds * share, math.ceil(price.examples * share), math.ceil(price.tokens * share), price.memory
    )


def candidates_of(cells: Sequence[Cell]) -> int:
    """How many candidates have a training or its answers among ``cells``; at least 1."""
    return max(1, len({c.candidate for c in cells if c.stage in ("training", "tuned")}))


def ending(plan: Plan) -> Price:
    """What comes after the last cell: the leaderboard, its intervals, the seal and the report."""
    return Price(_ENDING + _ENDING_EACH * len(plan.cells))
