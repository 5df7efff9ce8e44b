"""The order of a run: which cell is done when, what the budget and the race leave out, what is recorded of each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from emoloom.assets.cache import Say
from emoloom.errors import CandidateError, DivergedError, EmoLoomError, is_out_of_memory
from emoloom.evaluate.score import Scores
from emoloom.screen.cell import Pause, training_log, training_work
from emoloom.screen.cells import Cell, title, training_of
from emoloom.screen.cost import Cost, Progress
from emoloom.screen.leaderboard import rank
from emoloom.screen.plan import Plan
from emoloom.screen.pricing.budget import BudgetSpentError, Meter, allow, spent_before
from emoloom.screen.pricing.price import Price, Prices
from emoloom.screen.pricing.schedule import Priced
from emoloom.screen.race import judge_rung
from emoloom.screen.worker import Worker
from emoloom.store.files import digest
from emoloom.store.journal import Journal
from emoloom.store.run import METRICS, TIMINGS, CellFolder, RunFolder, planned

# How often it is written down what the cell at work has cost.
_NOTED_SECONDS = 5.0

CellScores = dict[Cell, dict[str, Scores]]
"""Scores of each judged cell by evaluation set."""
Lost = dict[Cell, str]
"""Why a cell has no result."""


@dataclass(frozen=True)
class Results:
    """What came of a plan: the scores of every judged cell, why others have failed or were cut, and the standings at each rung of
    the race."""

    scores: CellScores
    failed: Lost
    cut: Lost
    rungs: Sequence[Mapping[str, Any]]


class Runner:
    """Says which cell of a plan is done when, which may not begin or is given up, and records what comes of each."""

    def __init__(
        self,
        plan: Plan,
        run: RunFolder,
        journal: Journal,
        progress: Progress,
        say: Say,
        priced: Priced,
        tell: Callable[[Results], None],
    ) -> None:
        """``tell`` is told what has come of the plan so far, whenever a cell has been judged that was not on record before."""
        self._tell = tell
        self._plan = plan
        self._run = run
        self._journal = journal
        self._show = progress
        self._say = say
        self._rates = priced.rates
        self._timings: dict[str, Any] = {"cells": {}, "begun": {}, "spent": {}, **run.timings()}
        self._timings["rates"] = {name: asdict(found) for name, found in priced.rates.items()}
        before = spent_before(self._timings, plan.cells)["seconds"]
        self._meter = Meter(plan.config.budget, priced.began, before, self._note_spent)
        self._steps: Counter[str] = Counter()
        recompute = {name for name, found in priced.rates.items() if found.recompute}
        self._worker = Worker(plan, self._progress, self._meter.tick, say, recompute)
        self._keep = {model.local.name for model in plan.models if model.spec in plan.config.keep}
        self._left: set[str] = set()
        self._reserve = Price()
        self._cost = Cost()
        self._at_work, self._noted = "", time.monotonic()
        self._scores: CellScores = {}
        self._failed: Lost = {}
        self._cut: Lost = {}
        self._rungs: list[dict[str, Any]] = []

    def run(self) -> Results:
        """Finishes every cell, in the plan's order, but for those of candidates that have left the race."""
        keys = [cell.key for cell in self._plan.cells]
        self._journal.record("plan", cells=keys, manifest=digest(planned(self._plan.manifest)))
        for examples, cells in groupby(self._plan.cells, key=lambda cell: cell.examples):
            running = [cell for cell in cells if cell.candidate not in self._left]
            if examples and len(running) == 1:
                # Nobody is left to race against.
                continue
            for cell in running:
                self._finish_or_lose(cell)
            if examples:
                self._judge_rung(examples, running)
        return self._results

    @property
    def _results(self) -> Results:
        return Results(self._scores, self._failed, self._cut, self._rungs)

    def _finish_or_lose(self, cell: Cell) -> None:
        """Does a cell's work, or records why it has no result."""
        folder = self._run.cell(cell.key)
        if reason := self._refused(cell):
            self._lose(cell, reason, self._spent_then())
            return
        if not folder.failure():
            try:
                self._try(cell, folder)
            except BudgetSpentError as error:
                self._lose(cell, f"it does not fit in what is left of the budget of {error}", self._meter.stopped_at())
                return
        if failure := folder.failure():
            self._meter.close(cell.key, failure["work"])
            self._journal.record("failed", **asdict(cell), files=folder.hashes(), reason=failure["reason"])
            self._failed[cell] = failure["reason"]
            self._forget(cell)

    def _try(self, cell: Cell, folder: CellFolder) -> None:
        """Does a cell's work; where memory runs out, or one of several candidates cannot be used, the cell has failed, and the
        run goes on without it."""
        try:
            {"training": self._train, "race": self._race}.get(cell.stage, self._read)(cell, folder)
        except (EmoLoomError, MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                # Torch's own words hold numbers that differ from run to run.
                reason, told = "out of memory", f"out of memory ({error})"
            elif isinstance(error, CandidateError) and len(self._plan.models) > 1:
                reason = told = error.problem
                if isinstance(error, DivergedError):
                    folder.keep((self._training(cell) if cell.stage == "race" else folder).checkpoint)
            else:
                raise
            folder.fail(reason, self._meter.fail())
            self._say(f"{title(cell)}: {cell.stage} failed, {told}; the others go on")

    def _refused(self, cell: Cell) -> str | None:
        """Why a cell may not begin; None if it may. What was decided before, in another process, holds."""
        if known := self._journal.ahead:
            return str(known["reason"]) if (known["event"], known.get("key")) == ("cut", cell.key) else None
        if cell.stage == "tuned" and self._trained_by(cell) in self._cut:
            return "its training was cut"
        done = self._is_done(cell) or self._run.cell(cell.key).failure()
        if not self._plan.config.budget.is_limited or done:
            return None
        cells = self._plan.cells
        behind = [c for c in cells[cells.index(cell) + 1 :] if c.candidate not in self._left and c not in self._cut]
        prices = self._prices.observed(self._timings["cells"])
        allowance = allow(cell, behind, self._plan, prices, self._meter.spent)
        self._reserve = allowance.reserve
        if self._run.cell(cell.key).scratch.exists():
            # It began when it fitted as a whole, and less is left to do: the meter alone stops it.
            return None
        return f"it does not fit in the budget of {allowance.refused}" if allowance.refused else None

    @cached_property
    def _prices(self) -> Prices:
        return Prices(self._plan, self._rates, {})

    def _spent_then(self) -> dict[str, int]:
        """What was spent in all when the cell at hand was cut, in this process or before."""
        known = self._journal.ahead
        return known["spent"] if known else self._meter.work

    def _lose(self, cell: Cell, reason: str, spent: dict[str, int]) -> None:
        """Cuts a cell when so much was spent; a candidate that is not judged at a rung leaves the race."""
        if cell.stage == "race":
            self._left.add(cell.candidate)
        self._run.cell(cell.key).drop()
        self._forget(cell)
        self._journal.record("cut", **asdict(cell), reason=reason, spent=spent)
        self._meter.charge(cell.key, spent)
        self._cut[cell] = reason
        self._say(f"{title(cell)}: {cell.stage} is cut, {reason}")

    def _begin(self, cell: Cell) -> Cost:
        """What the cell's work is to be counted in, with what earlier processes spent on it."""
        self._at_work = cell.key
        self._cost = Cost.begun(self._timings["begun"].get(cell.key, {}))
        self._steps.clear()
        self._meter.begin(cell.key, self._cost, self._reserve)
        return self._cost

    def _progress(self, what: str, more: int, total: int) -> None:
        if time.monotonic() - self._noted > _NOTED_SECONDS:
            self._noted = time.monotonic()
            self._timings["begun"][self._at_work] = self._cost.so_far()
            self._note_spent(self._timings["spent"])
        self._show(what, more, total)
        self._steps[what] += more
        if self._steps[what] < total:
            self._meter.tick()
        else:
            self._meter.check_work()

    def _note_spent(self, spent: dict[str, Any]) -> None:
        # A run in which nothing is left to do stays as it is.
        if not self._run.is_sealed:
            self._timings["spent"] = spent
            self._run.write_json(TIMINGS, self._timings)

    def _is_done(self, cell: Cell) -> bool:
        folder = self._run.cell(cell.key)
        return self._worker.is_trained(cell, folder) if cell.stage == "training" else folder.metrics() is not None

    def _read(self, cell: Cell, folder: CellFolder) -> None:
        """A baseline, a probe, or a candidate's answers, as it is or as its arm trained it."""
        if cell.stage == "tuned" and self._training(cell).failure():
            folder.fail("its training failed", Cost().work)
            return
        if not self._is_done(cell):
            cost = self._begin(cell)
            if cell.stage == "baseline":
                taken = self._worker.baseline(cell, folder, cost)
            elif cell.stage == "probe":
                taken = self._worker.probe(cell, folder, cost)
            else:
                taken = self._worker.answer(cell, folder, cost, self._training(cell) if cell.stage == "tuned" else None)
            self._note_cost(cell, taken)
        if cell.stage == "probe":
            self._account(cell, folder)
        else:
            self._take_in(cell, folder)

    def _train(self, cell: Cell, folder: CellFolder) -> None:
        if not self._is_done(cell):
            self._note_cost(cell, self._worker.train(cell, folder, self._begin(cell)))
        folder.drop_scratch()
        self._meter.close(cell.key, training_work(folder))
        self._journal.record("trained", **asdict(cell), files=folder.hashes(), **training_log(folder))

    def _race(self, cell: Cell, folder: CellFolder) -> None:
        """Trains a candidate as far as a rung and judges it there."""
        training = self._trained_by(cell)
        if not self._is_done(cell):
            # The training goes on from rung to rung, and counts as one.
            training_cost = self._begin(training)
            if not self._worker.is_trained(cell, folder):
                self._worker.train(cell, self._training(cell), training_cost, Pause(cell.examples, folder))
            # Kept until this cell is finished, of which it is a part.
            self._timings["begun"][training.key] = training_cost.so_far()
            self._meter.close(training.key, training_work(folder))
            cost = self._begin(cell)
            cost.take_over(training_cost)
            self._note_cost(cell, self._worker.answer(cell, folder, cost, folder))
        self._meter.close(training.key, training_work(folder))
        self._take_in(cell, folder)

    def _judge_rung(self, examples: int, cells: Sequence[Cell]) -> None:
        """Decides who trains on, and drops what the others would have needed to."""
        judged = {cell.candidate: list(self._scores[cell].values()) for cell in cells if cell in self._scores}
        if judged:
            by = self._plan.config.rank_by
            standings = judge_rung({name: rank(scores, by) for name, scores in judged.items()}, self._keep)
            # All were judged on the same records.
            ((same, *_), *_) = judged.values()
            about = {"n": same.n, "space": same.space, "vad_sources": same.vad_sources}
            rung = {"examples": examples, **about, "standings": [asdict(standing) for standing in standings]}
            self._journal.record("rung", **rung)
            self._rungs.append(rung)
            self._left |= {standing.candidate for standing in standings if standing.leaves}
        self._left |= {cell.candidate for cell in cells if cell in self._failed or cell in self._cut}
        for cell in cells:
            if cell.candidate in self._left:
                self._training(cell).drop()

    def _training(self, cell: Cell) -> CellFolder:
        """The folder of the training that a tuned cell reads out."""
        return self._run.cell(self._trained_by(cell).key)

    def _trained_by(self, cell: Cell) -> Cell:
        return training_of(cell, self._plan.cells)

    def _note_cost(self, cell: Cell, cost: dict[str, Any]) -> None:
        """Writes down what a finished cell took."""
        self._timings["cells"][cell.key] = cost
        self._forget(cell)

    def _forget(self, cell: Cell) -> None:
        """Drops what was spent on a cell that nobody will go on with, and at a rung on the training that led to it."""
        self._timings["begun"].pop(cell.key, None)
        if cell.stage == "race":
            self._timings["begun"].pop(self._trained_by(cell).key, None)

    def _account(self, cell: Cell, folder: CellFolder) -> None:
        """Records a finished cell and what it took."""
        self._meter.close(cell.key, folder.read_json(METRICS, {"work"})["work"])
        self._journal.record("cell", **asdict(cell), files=folder.hashes())

    def _take_in(self, cell: Cell, folder: CellFolder) -> None:
        """Records a finished cell; its scores are drawn from its replies, with the resamples that comparisons need."""
        self._account(cell, folder)
        self._scores[cell] = self._worker.judge(cell, folder.replies())
        if self._journal.ahead is None:
            self._tell(self._results)
