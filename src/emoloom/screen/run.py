"""Carries out a plan cell by cell into a run folder; what is finished already is not done again."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import torch

from emoloom.assets.cache import Say
from emoloom.errors import EmoLoomError, is_out_of_memory
from emoloom.evaluate.score import Scores
from emoloom.model.load import Candidate
from emoloom.screen import cell as work
from emoloom.screen.ablation import ablation
from emoloom.screen.baselines import Baseline, Lexicon, Majority, Tfidf
from emoloom.screen.budget import BudgetSpentError, Meter, allow, spent_before
from emoloom.screen.cell import judge, make_row
from emoloom.screen.cells import Cell, training_of
from emoloom.screen.corpora import EvalSet
from emoloom.screen.cost import Cost, Progress
from emoloom.screen.leaderboard import leaderboard, rank
from emoloom.screen.memory import peak_memory
from emoloom.screen.plan import Plan, constant_vad
from emoloom.screen.price import Price, Prices
from emoloom.screen.probe import probe, probes
from emoloom.screen.race import judge_rung
from emoloom.screen.readout import Answer, Readout, Written, bit_equal, make_grammar
from emoloom.screen.schedule import Priced, folder_of, measured
from emoloom.screen.scoring import prepare_scoring, scored_readout
from emoloom.screen.suggest import Suggester
from emoloom.store.files import sha256_file
from emoloom.store.journal import Journal
from emoloom.store.rows import Row
from emoloom.store.run import ABLATION, LEADERBOARD, MANIFEST, METRICS, TIMINGS, CellFolder, RunFolder
from emoloom.store.standing import cells_done

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


def run_plan(plan: Plan, progress: Progress, say: Say, priced: Priced | None = None) -> RunFolder:
    """Runs every cell of ``plan`` that is not finished and writes the leaderboard.

    A cell that runs out of memory fails, and one that the budget does not pay for is cut; the others go on, and the leaderboard
    says so.

    Args:
        priced: what was measured before; measured now, where there is a budget.
        say: told how far an interrupted run had come, what was set aside, which cell fails.

    Returns:
        The run's folder: ``plan.config.out``, or ``runs/`` and the plan's own name.

    Raises:
        EmoLoomError: the folder cannot be used, or a cell cannot go on; finished cells stay.
    """
    return _carry_out(plan, progress, say, priced, _screening_board)


def run_ablation(plan: Plan, progress: Progress, say: Say, priced: Priced | None = None) -> RunFolder:
    """Runs every cell of an ablation that is not finished and writes ``ablation.json``; else as :func:`run_plan`.

    Raises:
        EmoLoomError: as :func:`run_plan`; or a cell has failed or was cut, since its arm cannot be compared then.
    """
    return _carry_out(plan, progress, say, priced, _ablation_board)


def _carry_out(
    plan: Plan,
    progress: Progress,
    say: Say,
    priced: Priced | None,
    board: Callable[[Plan, RunFolder, Results], tuple[str, dict[str, Any]]],
) -> RunFolder:
    run = folder_of(plan)
    with run.opened(dict(plan.manifest)) as journal:
        if journal.set_aside:
            say(journal.set_aside)
        if done := cells_done(run):
            say(f"{run.path}: {done} of {len(plan.cells)} cells are done already")
        runner = _Runner(plan, run, journal, progress, say, priced or measured(plan, say, time.monotonic()))
        name, content = board(plan, run, runner.run())
        journal.record("finished", files={name: run.write_json(name, content)})
        journal.settle()
        run.seal(name)
    return run


def _screening_board(plan: Plan, run: RunFolder, results: Results) -> tuple[str, dict[str, Any]]:
    named = {(c.candidate, c.stage, c.readout): found for c, found in results.scores.items() if c.stage != "race"}
    lost = {(c.candidate, c.stage, c.readout): reason for c, reason in results.failed.items()}
    cut = {(c.candidate, c.stage, c.readout): reason for c, reason in results.cut.items()}
    headline, has_lexicon = plan.config.readout[0], plan.teacher.lexicon is not None
    board = leaderboard(named, lost, cut, plan.corpora.evals, results.rungs, headline=headline, has_lexicon=has_lexicon)
    return LEADERBOARD, board | {"probes": probes(run, plan.cells)}


def _ablation_board(plan: Plan, _run: RunFolder, results: Results) -> tuple[str, dict[str, Any]]:
    if lost := results.failed | results.cut:
        named = ", ".join(f"{cell.arm} ({reason})" for cell, reason in lost.items())
        raise EmoLoomError(
            f"these arms have no result: {named}",
            where=str(folder_of(plan).path),
            remedy="Take a smaller model or recipe.micro_batch, or a larger budget, with another --out.",
        )
    by_arm = {(c.arm, c.readout): found for c, found in results.scores.items()}
    return ABLATION, ablation(by_arm, plan.config.readout, plan.config.seed)


class _Runner:
    """Does the work of a plan's cells."""

    def __init__(
        self,
        plan: Plan,
        run: RunFolder,
        journal: Journal,
        progress: Progress,
        say: Say,
        priced: Priced,
    ) -> None:
        self._plan = plan
        self._run = run
        self._journal = journal
        self._show = progress
        self._say = say
        self._rates = priced.rates
        self._arms = {arm.name: arm for arm in plan.arms}
        self._evals = plan.corpora.evals
        self._suggester = Suggester(plan.corpora.train, plan.teacher)
        self._constant = constant_vad(plan.corpora.train)
        self._timings: dict[str, Any] = {"cells": {}, "spent": {}, **run.timings()}
        self._timings["rates"] = {name: asdict(found) for name, found in priced.rates.items()}
        before = spent_before(self._timings, plan.cells)["seconds"]
        self._meter = Meter(plan.config.budget, priced.began, before, self._note_spent)
        self._steps: Counter[str] = Counter()
        self._keep = {model.local.name for model in plan.models if model.spec in plan.config.keep}
        self._left: set[str] = set()
        self._unpacked: set[str] = set()
        self._reserve = Price()
        self._cost = Cost()
        self._scores: CellScores = {}
        self._failed: Lost = {}
        self._cut: Lost = {}
        self._rungs: list[dict[str, Any]] = []

    def run(self) -> Results:
        """Finishes every cell, in the plan's order, but for those of candidates that have left the race."""
        manifest = {MANIFEST: sha256_file(self._run.path / MANIFEST)}
        self._journal.record("plan", cells=[cell.key for cell in self._plan.cells], files=manifest)
        for examples, cells in groupby(self._plan.cells, key=lambda cell: cell.examples):
            running = [cell for cell in cells if cell.candidate not in self._left]
            for cell in running:
                self._finish_or_lose(cell)
            if examples:
                self._judge_rung(examples, running)
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
            # The model that did not fit is gone by now; the next one gets its room.
            gc.collect()
            torch.cuda.empty_cache()

    def _try(self, cell: Cell, folder: CellFolder) -> None:
        """Does a cell's work; where memory runs out the cell has failed, and the run goes on without it."""
        try:
            if cell.stage == "baseline":
                self._baseline(cell)
            elif cell.stage == "race":
                self._race(cell)
            elif cell.stage == "probe":
                self._probe(cell)
            elif cell.stage == "training":
                self._train(cell)
            else:
                self._answers(cell)
        except (EmoLoomError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            # Torch's own words hold numbers that differ from run to run.
            folder.fail("out of memory", self._cost.work)
            self._say(f"{_title(cell)}: {cell.stage} failed, out of memory ({error}); the others go on")

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
        self._journal.record("cut", **asdict(cell), reason=reason, spent=spent)
        self._meter.charge(cell.key, spent)
        self._cut[cell] = reason
        self._say(f"{_title(cell)}: {cell.stage} is cut, {reason}")

    def _begin(self, cell: Cell) -> Cost:
        """What the cell's work is to be counted in."""
        self._cost = Cost()
        self._steps.clear()
        self._meter.begin(cell.key, self._cost, self._reserve)
        return self._cost

    def _progress(self, what: str, more: int, total: int) -> None:
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
        if cell.stage == "training":
            return work.is_trained(folder, self._arms[cell.arm].recipe)
        return folder.metrics() is not None

    def _baseline(self, cell: Cell) -> None:
        folder = self._run.cell(cell.key)
        if not self._is_done(cell):
            self._begin(cell)
            start = time.monotonic()
            name = cell.candidate.removeprefix("baseline:")
            kinds: dict[str, Baseline] = {
                "majority": Majority(),
                "lexicon": Lexicon(self._plan.teacher.read_vad),
                "tfidf": Tfidf(),
            }
            fitted = kinds[name].fit(self._plan.corpora.train)
            rows = [
                make_row(e.name, record, Answer(reply.line()))
                for e in self._evals
                for record, reply in zip(e.records, fitted.predict(e.records), strict=True)
            ]
            self._finish(cell, folder, rows, {"seconds": time.monotonic() - start}, {})
        self._take_in(cell, folder)

    def _probe(self, cell: Cell) -> None:
        folder = self._run.cell(cell.key)
        if not self._is_done(cell):
            cost = self._begin(cell)
            records = self._plan.corpora.train[: self._plan.config.probe_limit]
            found = probe(self._load(cell), records, folder, progress=self._progress, cost=cost)
            self._publish(cell, folder, [], {"corpora": {}, "probe": found}, asdict(cost))
        self._account(cell, folder)

    def _train(self, cell: Cell) -> None:
        folder = self._run.cell(cell.key)
        if not self._is_done(cell):
            cost = self._begin(cell)
            self._fine_tune(cell, folder, None, cost)
            self._note_cost(cell, asdict(cost))
        folder.drop_scratch()
        self._meter.close(cell.key, work.training_work(folder))
        self._journal.record("trained", **asdict(cell), files=folder.hashes(), **work.training_log(folder))

    def _fine_tune(self, cell: Cell, folder: CellFolder, pause: work.Pause | None, cost: Cost) -> None:
        plan, arm = self._plan, self._arms[cell.arm]
        work.fine_tune(
            self._load(cell),
            plan.corpora.train,
            plan.corpora.flips if arm.recipe.flip else (),
            arm.recipe,
            folder,
            pause=pause,
            title=_title(cell),
            words=plan.teacher.word_values(),
            seed=arm.seed,
            checkpoint_seconds=plan.config.checkpoint_seconds,
            progress=self._progress,
            cost=cost,
        )

    def _race(self, cell: Cell) -> None:
        """Trains a candidate as far as a rung and judges it there."""
        folder = self._run.cell(cell.key)
        if not self._is_done(cell):
            recipe = self._arms[cell.arm].recipe
            # The training goes on from rung to rung, and counts as one.
            training = self._begin(self._trained_by(cell))
            if not work.is_trained(folder, recipe):
                self._fine_tune(cell, self._training(cell), work.Pause(cell.examples, folder), training)
            self._meter.close(self._trained_by(cell).key, work.training_work(folder))
            cost = self._begin(cell)
            cost.train_seconds, cost.trained_examples = training.train_seconds, training.trained_examples
            candidate = work.tuned(self._load(cell), folder, recipe)
            self._read_out(cell, candidate, folder, cost)
        self._meter.close(self._trained_by(cell).key, work.training_work(folder))
        self._take_in(cell, folder)

    def _judge_rung(self, examples: int, cells: Sequence[Cell]) -> None:
        """Decides who trains on, and drops what the others would have needed to."""
        scores = {cell.candidate: rank(list(self._scores[cell].values())) for cell in cells if cell in self._scores}
        standings = judge_rung(scores, self._keep)
        rung = {"examples": examples, "standings": [asdict(standing) for standing in standings]}
        self._journal.record("rung", **rung)
        self._rungs.append(rung)
        self._left |= {standing.candidate for standing in standings if standing.leaves}
        self._left |= {cell.candidate for cell in cells if cell in self._failed or cell in self._cut}
        for cell in cells:
            if cell.candidate in self._left:
                self._training(cell).drop()

    def _answers(self, cell: Cell) -> None:
        """Reads a candidate out, as it is or as its arm trained it, and judges it."""
        folder = self._run.cell(cell.key)
        if cell.stage == "tuned" and self._training(cell).failure():
            folder.fail("its training failed", Cost().work)
            return
        if not self._is_done(cell):
            cost = self._begin(cell)
            candidate = self._load(cell)
            if cell.stage == "tuned":
                candidate = work.tuned(candidate, self._training(cell), self._arms[cell.arm].recipe)
            self._read_out(cell, candidate, folder, cost)
        self._take_in(cell, folder)

    def _read_out(self, cell: Cell, candidate: Candidate, folder: CellFolder, cost: Cost) -> None:
        """Reads out a candidate and finishes the cell."""
        evals, limit = self._evals_of(cell)
        readout, numerics = self._readout(cell, candidate, folder, cost)
        rows = work.decode(
            _title(cell), readout, candidate.prompter, evals, folder, limit=limit, progress=self._progress, cost=cost
        )
        if isinstance(readout, Written):
            cost.counts = readout.counts
        self._finish(cell, folder, rows, {**asdict(cost), "parameters": candidate.parameters}, numerics)

    def _evals_of(self, cell: Cell) -> tuple[Sequence[EvalSet], int | None]:
        """What a cell is judged on, and how many records of each set."""
        race = self._plan.corpora.race
        if cell.stage == "race" and race:
            return (race,), None
        return self._evals, self._plan.config.zero_shot_limit if cell.stage == "zero-shot" else None

    def _readout(
        self, cell: Cell, candidate: Candidate, folder: CellFolder, cost: Cost
    ) -> tuple[Readout, dict[str, Any]]:
        """The cell's readout, and what its metrics say about its numerics."""
        evals, limit = self._evals_of(cell)
        records = [record for _, record in work.wanted_records(evals, limit)]
        equal = bit_equal(candidate, records)
        numerics = {"bit_equal": equal, "unpacked": candidate.unpacked}
        if cell.readout == "scored":
            corpora = self._plan.corpora
            fitted = corpora.fitted_on(self._arms[cell.arm].recipe, cell.examples)
            tune = corpora.tuned_on(cell.stage, self._plan.config.race_limit)
            prepare_scoring(candidate, folder, fitted, tune, alone=not equal, progress=self._progress, cost=cost)
            return scored_readout(candidate, folder, self._suggester, alone=not equal), numerics
        grammar = make_grammar(candidate) if cell.readout == "constrained" else None
        written = Written(candidate, self._suggester, guard=not equal, grammar=grammar, between=self._meter.tick)
        return written, numerics

    def _training(self, cell: Cell) -> CellFolder:
        """The folder of the training that a tuned cell reads out."""
        return self._run.cell(self._trained_by(cell).key)

    def _trained_by(self, cell: Cell) -> Cell:
        return training_of(cell, self._plan.cells)

    def _load(self, cell: Cell) -> Candidate:
        candidate = next(model for model in self._plan.models if model.local.name == cell.candidate).load()
        if candidate.unpacked and candidate.name not in self._unpacked:
            self._unpacked.add(candidate.name)
            self._say(f"{candidate.name}: {candidate.unpacked}; each text takes a forward of its own")
        return candidate

    def _finish(
        self, cell: Cell, folder: CellFolder, rows: list[Row], cost: dict[str, Any], numerics: dict[str, Any]
    ) -> None:
        scores = judge(rows, self._evals_of(cell)[0], self._constant, self._plan.config.seed)
        corpora = {name: score.to_dict() for name, score in scores.items()}
        self._publish(cell, folder, rows, {**numerics, "corpora": corpora}, cost)

    def _publish(
        self, cell: Cell, folder: CellFolder, rows: list[Row], found: dict[str, Any], cost: dict[str, Any]
    ) -> None:
        names = {name: value for name, value in asdict(cell).items() if name != "key"}
        folder.finish(rows, {**names, "work": self._cost.work, **found})
        self._note_cost(cell, cost)

    def _note_cost(self, cell: Cell, cost: dict[str, Any]) -> None:
        self._timings["cells"][cell.key] = {**cost, "peak_memory_bytes": peak_memory()}

    def _account(self, cell: Cell, folder: CellFolder) -> None:
        """Records a finished cell and what it took."""
        self._meter.close(cell.key, folder.read_json(METRICS, {"work"})["work"])
        self._journal.record("cell", **asdict(cell), files=folder.hashes())

    def _take_in(self, cell: Cell, folder: CellFolder) -> None:
        """Records a finished cell; its scores are drawn from its replies, with the resamples that comparisons need."""
        self._account(cell, folder)
        self._scores[cell] = judge(folder.replies(), self._evals_of(cell)[0], self._constant, self._plan.config.seed)


def _title(cell: Cell) -> str:
    """A cell's candidate, with the arm where there are several."""
    return f"{cell.arm} of {cell.candidate}" if "/" in cell.arm else cell.candidate
