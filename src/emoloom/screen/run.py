"""Carries out a plan cell by cell into a run folder; what is finished already is not done again."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emoloom.evaluate.score import Scores
from emoloom.model.load import Candidate, load_candidate
from emoloom.screen import cell as work
from emoloom.screen.baselines import Baseline, Lexicon, Majority, Tfidf
from emoloom.screen.cell import Cost, Progress, Row, judge, make_row
from emoloom.screen.leaderboard import CellName, leaderboard
from emoloom.screen.plan import Cell, Plan, PlannedModel, constant_vad
from emoloom.screen.readout import Answer, Readout, Written, bit_equal
from emoloom.screen.suggest import Suggester
from emoloom.store.journal import Journal
from emoloom.store.run import LEADERBOARD, TIMINGS, CellFolder, RunFolder

DEFAULT_FOLDER = Path("runs")


def run_plan(plan: Plan, progress: Progress) -> RunFolder:
    """Runs every cell of ``plan`` that is not finished and writes the leaderboard.

    Returns:
        The run's folder: ``plan.config.out``, or ``runs/`` and the plan's own name.

    Raises:
        EmoLoomError: the folder cannot be used, or a cell fails; finished cells stay.
    """
    run = RunFolder(plan.config.out or DEFAULT_FOLDER / plan.name)
    with run.opened(dict(plan.manifest)) as journal:
        _Runner(plan, run, journal, progress).run()
    return run


class _Runner:
    def __init__(self, plan: Plan, run: RunFolder, journal: Journal, progress: Progress) -> None:
        self._plan = plan
        self._run = run
        self._journal = journal
        self._progress = progress
        self._train_records = plan.corpora.train
        self._evals = plan.corpora.evals
        self._suggester = Suggester(self._train_records, plan.teacher)
        self._constant = constant_vad(self._train_records)
        self._timings: dict[str, Any] = run.read_json(TIMINGS) if (run.path / TIMINGS).exists() else {"cells": {}}
        self._scores: dict[CellName, dict[str, Scores]] = {}

    def run(self) -> None:
        self._journal.record("plan", cells=[cell.key for cell in self._plan.cells])
        for cell in self._plan.cells:
            if cell.stage == "baseline":
                self._baseline(cell)
        for model in self._plan.models:
            self._model(model)
        board = leaderboard(
            self._scores,
            self._evals,
            headline=self._plan.config.readout[0],
            has_lexicon=self._plan.teacher.lexicon is not None,
        )
        self._run.write_json(LEADERBOARD, board)
        self._journal.record("finished", ranking=[row["candidate"] for row in board["ranking"]])

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
            fitted = kinds[name].fit(self._train_records)
            rows = [
                make_row(e.name, record, Answer(reply.line()))
                for e in self._evals
                for record, reply in zip(e.records, fitted.predict(e.records), strict=True)
            ]
            self._finish(cell, folder, rows, {"seconds": time.monotonic() - start}, {})
        self._take_in(cell, folder)

    def _model(self, model: PlannedModel) -> None:
        mine = [cell for cell in self._plan.cells if cell.candidate == model.local.name]
        for cell in mine:
            if cell.stage == "zero-shot":
                self._answers(cell, model, None)
        (training,) = (cell for cell in mine if cell.stage == "training")
        self._train(training, model)
        for cell in mine:
            if cell.stage == "tuned":
                self._answers(cell, model, self._run.cell(training.key))

    def _train(self, cell: Cell, model: PlannedModel) -> None:
        config = self._plan.config
        folder = self._run.cell(cell.key)
        if not work.is_trained(folder, config.recipe):
            cost = Cost()
            work.fine_tune(
                _load(model),
                self._train_records,
                (),
                config.recipe,
                folder,
                words=self._plan.teacher.word_values(),
                seed=config.seed,
                checkpoint_seconds=config.checkpoint_seconds,
                progress=self._progress,
                cost=cost,
            )
            self._spent(cell, asdict(cost))
        folder.drop_scratch()
        self._journal.record("trained", key=cell.key, candidate=cell.candidate, files=folder.hashes())

    def _answers(self, cell: Cell, model: PlannedModel, training: CellFolder | None) -> None:
        """Reads the candidate out, as it is or as ``training`` left it, and judges it."""
        folder = self._run.cell(cell.key)
        if folder.metrics() is None:
            candidate = _load(model)
            if training is not None:
                candidate = work.tuned(candidate, training, self._plan.config.recipe)
            limit = self._plan.config.zero_shot_limit if cell.stage == "zero-shot" else None
            readout, numerics = self._readout(cell, candidate, training, folder, limit)
            cost = Cost()
            rows = work.decode(
                cell.candidate, readout, self._evals, folder, limit=limit, progress=self._progress, cost=cost
            )
            if isinstance(readout, Written):
                cost.counts = readout.counts
            self._finish(cell, folder, rows, {**asdict(cost), "parameters": candidate.parameters}, numerics)
        self._take_in(cell, folder)

    def _readout(
        self, cell: Cell, candidate: Candidate, training: CellFolder | None, folder: CellFolder, limit: int | None
    ) -> tuple[Readout, dict[str, Any]]:
        """The cell's readout, and what its metrics say about its numerics."""
        if cell.readout == "scored" and training is not None:
            tune = self._plan.corpora.tune
            return work.scored_readout(candidate, training, folder, tune, self._suggester), {}
        records = [record for _, record in work.wanted_records(self._evals, limit)]
        equal = bit_equal(candidate, records)
        return Written(candidate, self._suggester, guard=not equal), {"bit_equal": equal}

    def _finish(
        self, cell: Cell, folder: CellFolder, rows: list[Row], cost: dict[str, Any], numerics: dict[str, Any]
    ) -> None:
        scores = judge(rows, self._evals, self._constant, self._plan.config.seed)
        corpora = {name: score.to_dict() for name, score in scores.items()}
        names = {"candidate": cell.candidate, "stage": cell.stage, "readout": cell.readout}
        folder.finish(rows, {**names, **numerics, "corpora": corpora})
        self._spent(cell, cost)

    def _spent(self, cell: Cell, cost: dict[str, Any]) -> None:
        self._timings["cells"][cell.key] = {**cost, "peak_memory_bytes": _peak_memory()}
        self._run.write_json(TIMINGS, self._timings)

    def _take_in(self, cell: Cell, folder: CellFolder) -> None:
        """Records a finished cell; its scores are drawn from its replies, with the resamples that comparisons need."""
        self._journal.record("cell", **asdict(cell), files=folder.hashes())
        self._scores[cell.candidate, cell.stage, cell.readout] = judge(
            folder.replies(), self._evals, self._constant, self._plan.config.seed
        )


def _load(model: PlannedModel) -> Candidate:
    local = model.local
    return load_candidate(local.name, local.folder, model.prompter, trust_remote_code=local.trust_remote_code)


def _peak_memory() -> int:
    """The most memory this process has held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
