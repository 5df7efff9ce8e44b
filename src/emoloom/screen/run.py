"""Carries out a plan cell by cell into a run folder; what is finished already is not done again."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emoloom.evaluate.score import Scores
from emoloom.model.load import Candidate, load_candidate
from emoloom.screen import cell as work
from emoloom.screen.ablation import ablation
from emoloom.screen.baselines import Baseline, Lexicon, Majority, Tfidf
from emoloom.screen.cell import Cost, Progress, Row, judge, make_row
from emoloom.screen.cells import Cell
from emoloom.screen.leaderboard import leaderboard
from emoloom.screen.plan import Plan, constant_vad
from emoloom.screen.probe import probe, probes
from emoloom.screen.readout import Answer, Readout, Written, bit_equal, make_grammar
from emoloom.screen.suggest import Suggester
from emoloom.store.files import digest
from emoloom.store.journal import Journal
from emoloom.store.run import ABLATION, LEADERBOARD, TIMINGS, CellFolder, RunFolder

DEFAULT_FOLDER = Path("runs")

CellScores = dict[Cell, dict[str, Scores]]
"""Scores of each judged cell by evaluation set."""


def run_plan(plan: Plan, progress: Progress) -> RunFolder:
    """Runs every cell of ``plan`` that is not finished and writes the leaderboard.

    Returns:
        The run's folder: ``plan.config.out``, or ``runs/`` and the plan's own name.

    Raises:
        EmoLoomError: the folder cannot be used, or a cell fails; finished cells stay.
    """
    return _carry_out(plan, progress, _screening_board)


def run_ablation(plan: Plan, progress: Progress) -> RunFolder:
    """Runs every cell of an ablation that is not finished and writes ``ablation.json``; else as :func:`run_plan`."""
    return _carry_out(plan, progress, _ablation_board)


def _carry_out(
    plan: Plan, progress: Progress, board: Callable[[Plan, RunFolder, CellScores], tuple[str, dict[str, Any]]]
) -> RunFolder:
    run = RunFolder(plan.config.out or DEFAULT_FOLDER / plan.name)
    with run.opened(dict(plan.manifest)) as journal:
        name, content = board(plan, run, _Runner(plan, run, journal, progress).run())
        run.write_json(name, content)
        journal.record("finished", file=name, sha256=digest(content))
    return run


def _screening_board(plan: Plan, run: RunFolder, scores: CellScores) -> tuple[str, dict[str, Any]]:
    named = {(cell.candidate, cell.stage, cell.readout): found for cell, found in scores.items()}
    has_lexicon = plan.teacher.lexicon is not None
    board = leaderboard(named, plan.corpora.evals, headline=plan.config.readout[0], has_lexicon=has_lexicon)
    return LEADERBOARD, board | {"probes": probes(run, plan.cells)}


def _ablation_board(plan: Plan, _run: RunFolder, scores: CellScores) -> tuple[str, dict[str, Any]]:
    headline = {c.arm: found for c, found in scores.items() if c.readout == plan.config.readout[0]}
    return ABLATION, ablation(headline, plan.config.seed)


class _Runner:
    """Does the work of a plan's cells."""

    def __init__(self, plan: Plan, run: RunFolder, journal: Journal, progress: Progress) -> None:
        self._plan = plan
        self._run = run
        self._journal = journal
        self._progress = progress
        self._arms = {arm.name: arm for arm in plan.arms}
        self._evals = plan.corpora.evals
        self._suggester = Suggester(plan.corpora.train, plan.teacher)
        self._constant = constant_vad(plan.corpora.train)
        self._timings: dict[str, Any] = run.read_json(TIMINGS) if (run.path / TIMINGS).exists() else {"cells": {}}
        self._scores: CellScores = {}

    def run(self) -> CellScores:
        """Finishes every cell, in the plan's order; returns the scores of those that were judged."""
        self._journal.record("plan", cells=[cell.key for cell in self._plan.cells])
        for cell in self._plan.cells:
            if cell.stage == "baseline":
                self._baseline(cell)
            elif cell.stage == "probe":
                self._probe(cell)
            elif cell.stage == "training":
                self._train(cell)
            else:
                self._answers(cell)
        return self._scores

    def _baseline(self, cell: Cell) -> None:
        folder = self._run.cell(cell.key)
        if folder.metrics() is None:
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
        if folder.metrics() is None:
            cost = Cost()
            records = self._plan.corpora.train[: self._plan.config.probe_limit]
            found = probe(self._load(cell), records, folder, progress=self._progress, cost=cost)
            self._publish(cell, folder, [], {"corpora": {}, "probe": found}, asdict(cost))
        self._journal.record("cell", **asdict(cell), files=folder.hashes())

    def _train(self, cell: Cell) -> None:
        plan, arm = self._plan, self._arms[cell.arm]
        folder = self._run.cell(cell.key)
        if not work.is_trained(folder, arm.recipe):
            cost = Cost()
            work.fine_tune(
                self._load(cell),
                plan.corpora.train,
                plan.corpora.flips if arm.recipe.flip else (),
                arm.recipe,
                folder,
                title=_title(cell),
                words=plan.teacher.word_values(),
                seed=arm.seed,
                checkpoint_seconds=plan.config.checkpoint_seconds,
                progress=self._progress,
                cost=cost,
            )
            self._spent(cell, asdict(cost))
        folder.drop_scratch()
        self._journal.record("trained", **asdict(cell), files=folder.hashes(), **work.training_log(folder))

    def _answers(self, cell: Cell) -> None:
        """Reads a candidate out, as it is or as its arm trained it, and judges it."""
        folder = self._run.cell(cell.key)
        if folder.metrics() is None:
            candidate = self._load(cell)
            if cell.stage == "tuned":
                candidate = work.tuned(candidate, self._training(cell), self._arms[cell.arm].recipe)
            limit = self._plan.config.zero_shot_limit if cell.stage == "zero-shot" else None
            readout, numerics = self._readout(cell, candidate, folder, limit)
            cost = Cost()
            rows = work.decode(
                _title(cell), readout, self._evals, folder, limit=limit, progress=self._progress, cost=cost
            )
            if isinstance(readout, Written):
                cost.counts = readout.counts
            self._finish(cell, folder, rows, {**asdict(cost), "parameters": candidate.parameters}, numerics)
        self._take_in(cell, folder)

    def _readout(
        self, cell: Cell, candidate: Candidate, folder: CellFolder, limit: int | None
    ) -> tuple[Readout, dict[str, Any]]:
        """The cell's readout, and what its metrics say about its numerics."""
        records = [record for _, record in work.wanted_records(self._evals, limit)]
        equal = bit_equal(candidate, records)
        if cell.readout == "scored":
            training, tune = self._training(cell), self._plan.corpora.tune
            work.tune_for_scoring(candidate, training, folder, tune, alone=not equal)
            readout = work.scored_readout(candidate, training, folder, self._suggester, alone=not equal)
            return readout, {"bit_equal": equal}
        grammar = make_grammar(candidate) if cell.readout == "constrained" else None
        return Written(candidate, self._suggester, guard=not equal, grammar=grammar), {"bit_equal": equal}

    def _training(self, cell: Cell) -> CellFolder:
        """The folder of the training that a tuned cell reads out."""
        training = (c for c in self._plan.cells if c.stage == "training")
        return next(self._run.cell(c.key) for c in training if (c.candidate, c.arm) == (cell.candidate, cell.arm))

    def _load(self, cell: Cell) -> Candidate:
        model = next(model for model in self._plan.models if model.local.name == cell.candidate)
        local = model.local
        return load_candidate(local.name, local.folder, model.prompter, trust_remote_code=local.trust_remote_code)

    def _finish(
        self, cell: Cell, folder: CellFolder, rows: list[Row], cost: dict[str, Any], numerics: dict[str, Any]
    ) -> None:
        scores = judge(rows, self._evals, self._constant, self._plan.config.seed)
        corpora = {name: score.to_dict() for name, score in scores.items()}
        self._publish(cell, folder, rows, {**numerics, "corpora": corpora}, cost)

    def _publish(
        self, cell: Cell, folder: CellFolder, rows: list[Row], found: dict[str, Any], cost: dict[str, Any]
    ) -> None:
        names = {name: value for name, value in asdict(cell).items() if name != "key"}
        folder.finish(rows, {**names, **found})
        self._spent(cell, cost)

    def _spent(self, cell: Cell, cost: dict[str, Any]) -> None:
        self._timings["cells"][cell.key] = {**cost, "peak_memory_bytes": _peak_memory()}
        self._run.write_json(TIMINGS, self._timings)

    def _take_in(self, cell: Cell, folder: CellFolder) -> None:
        """Records a finished cell; its scores are drawn from its replies, with the resamples that comparisons need."""
        self._journal.record("cell", **asdict(cell), files=folder.hashes())
        self._scores[cell] = judge(folder.replies(), self._evals, self._constant, self._plan.config.seed)


def _title(cell: Cell) -> str:
    """A cell's candidate, with the arm where there are several."""
    return f"{cell.arm} of {cell.candidate}" if "/" in cell.arm else cell.candidate


def _peak_memory() -> int:
    """The most memory this process has held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
