"""The work of a plan's cells: baselines, probes, training and answers, left in the cells' folders."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from typing import Any

from emoloom.assets.cache import Say
from emoloom.evaluate.score import Scores
from emoloom.model.load import Candidate
from emoloom.screen import cell as work
from emoloom.screen.baselines import Baseline, Lexicon, Majority, Tfidf
from emoloom.screen.cells import Cell, title
from emoloom.screen.corpora import EvalSet
from emoloom.screen.cost import Cost, Progress
from emoloom.screen.plan import Plan, constant_vad
from emoloom.screen.probe import probe
from emoloom.screen.readouts.readout import Answer, Readout, Written, bit_equal, make_grammar
from emoloom.screen.readouts.scoring import prepare_scoring, scored_readout
from emoloom.screen.readouts.suggest import Suggester
from emoloom.store.rows import Row
from emoloom.store.run import NUMERICS, CellFolder


class Worker:
    """Does what a cell asks for, whenever it is asked; knows nothing of other cells, budgets or races.

    Every method publishes the cell in its folder, counts in ``cost`` what counts against a budget, and returns what the cell
    took on this machine, for ``timings.json``.

    Args:
        tick: called between two forwards; what it raises ends the work.
        recompute: candidates that are to compute activations twice in training.
    """

    def __init__(
        self, plan: Plan, progress: Progress, tick: Callable[[], None], say: Say, recompute: Collection[str]
    ) -> None:
        self._plan = plan
        self._recompute = recompute
        self._progress = progress
        self._tick = tick
        self._say = say
        self._arms = {arm.name: arm for arm in plan.arms}
        self._suggester = Suggester(plan.corpora.train, plan.teacher)
        self._constant = constant_vad(plan.corpora.train)
        self._unpacked: set[str] = set()

    def is_trained(self, cell: Cell, folder: CellFolder) -> bool:
        """Whether the weights of the cell's arm lie in ``folder``."""
        return work.is_trained(folder, self._arms[cell.arm].recipe)

    def judge(self, cell: Cell, rows: Sequence[Row]) -> dict[str, Scores]:
        """The scores of a cell's replies by evaluation set."""
        return work.judge(rows, self._evals_of(cell)[0], self._constant, self._plan.config.seed)

    def baseline(self, cell: Cell, folder: CellFolder, cost: Cost) -> dict[str, Any]:
        """Fits a baseline and has it answer."""
        start = time.monotonic()
        kinds: dict[str, Baseline] = {
            "majority": Majority(),
            "lexicon": Lexicon(self._plan.teacher.read_vad),
            "tfidf": Tfidf(),
        }
        fitted = kinds[cell.candidate.removeprefix("baseline:")].fit(self._plan.corpora.train)
        rows = [
            work.make_row(e.name, record, Answer(reply.line()))
            for e in self._plan.corpora.evals
            for record, reply in zip(e.records, fitted.predict(e.records), strict=True)
        ]
        self._finish(cell, folder, rows, cost, {})
        return {"seconds": time.monotonic() - start}

    def probe(self, cell: Cell, folder: CellFolder, cost: Cost) -> dict[str, Any]:
        """Probes a candidate's frozen features."""
        records = self._plan.corpora.train[: self._plan.config.probe_limit]
        candidate = self._load(cell)
        with cost.timed("decode_seconds"):
            found = probe(candidate, records, folder, progress=self._progress, cost=cost)
        _publish(cell, folder, [], cost, {"corpora": {}, "probe": found})
        return cost.so_far()

    def train(self, cell: Cell, folder: CellFolder, cost: Cost, pause: work.Pause | None = None) -> dict[str, Any]:
        """Trains a candidate under the cell's arm, to the end or to a ``pause``."""
        plan, arm = self._plan, self._arms[cell.arm]
        candidate = self._load(cell)
        with cost.timed("train_seconds"):
            history = work.fine_tune(
                candidate,
                plan.corpora.train,
                plan.corpora.flips if arm.recipe.flip else (),
                plan.corpora.watched_by(arm.recipe),
                arm.recipe,
                folder,
                pause=pause,
                title=title(cell),
                words=plan.teacher.word_values(),
                recompute=cell.candidate in self._recompute,
                seed=arm.seed,
                checkpoint_seconds=plan.config.checkpoint_seconds,
                progress=self._progress,
                cost=cost,
            )
        epochs = len(history.watched)
        if not pause and 0 < epochs < arm.recipe.epochs:
            self._say(
                f"{title(cell)}: training ended early, after epoch {epochs} of {arm.recipe.epochs}, which did not help"
            )
        return cost.so_far()

    def answer(self, cell: Cell, folder: CellFolder, cost: Cost, trained: CellFolder | None) -> dict[str, Any]:
        """Reads a candidate out, with the weights that lie in ``trained`` if any, and judges it."""
        candidate = self._load(cell)
        if trained:
            candidate = work.tuned(candidate, trained, self._arms[cell.arm].recipe)
        evals, limit = self._evals_of(cell)
        readout, equal = self._readout(cell, candidate, folder, cost)
        with cost.timed("decode_seconds"):
            rows = work.decode(
                title(cell), readout, candidate.prompter, evals, folder, limit=limit, progress=self._progress, cost=cost
            )
        self._finish(cell, folder, rows, cost, {NUMERICS: {"bit_equal": equal, "unpacked": candidate.unpacked}})
        return {**cost.so_far(), "parameters": candidate.parameters}

    def _evals_of(self, cell: Cell) -> tuple[Sequence[EvalSet], int | None]:
        """What a cell is judged on, and how many records of each set."""
        if cell.stage == "race":
            return (self._plan.corpora.dev,), None
        return self._plan.corpora.evals, self._plan.config.zero_shot_limit if cell.stage == "zero-shot" else None

    def _readout(self, cell: Cell, candidate: Candidate, folder: CellFolder, cost: Cost) -> tuple[Readout, bool]:
        """The cell's readout, and whether packing changes no bit of what it reads."""
        evals, limit = self._evals_of(cell)
        records = [record for _, record in work.wanted_records(evals, limit)]
        if cell.readout == "scored":
            corpora = self._plan.corpora
            fitted = corpora.fitted_on(self._arms[cell.arm].recipe, cell.examples)
            tune = corpora.tuned_on(cell.stage, self._plan.config.dev_limit)
            with cost.timed("fit_seconds"):
                prepare_scoring(candidate, folder, fitted, tune, progress=self._progress, cost=cost)
            scored = scored_readout(candidate, folder, self._suggester, alone=False).tested(records)
            return scored, not scored.alone
        grammar = make_grammar(candidate.prompter) if cell.readout == "constrained" else None
        equal = bit_equal(candidate, records)
        written = Written(candidate, self._suggester, not equal, grammar, cost.counts, self._tick)
        return written, equal

    def _load(self, cell: Cell) -> Candidate:
        candidate = next(model for model in self._plan.models if model.local.name == cell.candidate).load()
        if candidate.unpacked and candidate.name not in self._unpacked:
            self._unpacked.add(candidate.name)
            self._say(f"{candidate.name}: {candidate.unpacked}; each text takes a forward of its own")
        return candidate

    def _finish(self, cell: Cell, folder: CellFolder, rows: list[Row], cost: Cost, numerics: dict[str, Any]) -> None:
        corpora = {name: score.to_dict() for name, score in self.judge(cell, rows).items()}
        _publish(cell, folder, rows, cost, {**numerics, "corpora": corpora})


def _publish(cell: Cell, folder: CellFolder, rows: list[Row], cost: Cost, found: dict[str, Any]) -> None:
    names = {name: value for name, value in asdict(cell).items() if name != "key"}
    folder.finish(rows, {**names, "work": cost.work, **found})
