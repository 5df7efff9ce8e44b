"""Carries out a plan into a run folder and writes what comes of it; what is finished already is not done again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from emoloom.assets.cache import Say
from emoloom.errors import EmoLoomError
from emoloom.screen.ablation import ablation
from emoloom.screen.cost import Progress
from emoloom.screen.leaderboard import leaderboard
from emoloom.screen.plan import Plan
from emoloom.screen.pricing.schedule import Priced, folder_of, measured
from emoloom.screen.probe import probes
from emoloom.screen.runner import Results, Runner
from emoloom.store.files import sha256_file
from emoloom.store.run import ABLATION, LEADERBOARD, MANIFEST, NUMERICS, RunFolder
from emoloom.store.standing import cells_done


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
    return _carry_out(plan, progress, say, priced, _screening_board, lambda _run, _results: None)


def run_ablation(plan: Plan, progress: Progress, say: Say, priced: Priced | None = None) -> RunFolder:
    """Runs every cell of an ablation that is not finished and writes ``ablation.json``, after each cell anew; else as
    :func:`run_plan`.

    Raises:
        EmoLoomError: as :func:`run_plan`; or a cell has failed or was cut, since its arm cannot be compared then.
    """

    def show(run: RunFolder, results: Results) -> None:
        # An arm without a result is told of at the end, and has nothing to be compared with.
        if not (results.failed or results.cut):
            run.write_json(ABLATION, _compared(plan, results))

    return _carry_out(plan, progress, say, priced, _ablation_board, show)


def _carry_out(
    plan: Plan,
    progress: Progress,
    say: Say,
    priced: Priced | None,
    board: Callable[[Plan, RunFolder, Results], tuple[str, dict[str, Any]]],
    show: Callable[[RunFolder, Results], None],
) -> RunFolder:
    run = folder_of(plan)
    with run.opened(dict(plan.manifest)) as journal:
        if journal.set_aside:
            say(journal.set_aside)
        if done := cells_done(run):
            say(f"{run.path}: {done} of {len(plan.cells)} cells are done already")
        priced = priced or measured(plan, say, time.monotonic())
        runner = Runner(plan, run, journal, progress, say, priced, lambda results: show(run, results))
        name, content = board(plan, run, runner.run())
        before = _sealed_hashes(run, MANIFEST, name)
        found = {MANIFEST: run.complete(plan.manifest, _numerics(plan, run)), name: run.write_json(name, content)}
        for file in before:
            if before[file] != found[file]:
                say(f"{run.path / file}: it was not what the run found, and has been written anew")
        journal.record("finished", files=found)
        journal.settle()
        run.seal(name)
    return run


def _sealed_hashes(run: RunFolder, *names: str) -> dict[str, str]:
    """The sha256 of those files of a finished run that are there."""
    paths = {name: run.path / name for name in names if run.is_sealed}
    return {name: sha256_file(path) for name, path in paths.items() if path.exists()}


def _numerics(plan: Plan, run: RunFolder) -> dict[str, Any]:
    """How the forwards of each cell that answered by a model were made, by its key."""
    found = {cell.key: run.cell(cell.key).metrics() or {} for cell in plan.cells}
    return {key: metrics[NUMERICS] for key, metrics in found.items() if NUMERICS in metrics}


def _screening_board(plan: Plan, run: RunFolder, results: Results) -> tuple[str, dict[str, Any]]:
    named = {(c.candidate, c.stage, c.readout): found for c, found in results.scores.items() if c.stage != "race"}
    lost = {(c.candidate, c.stage, c.readout): reason for c, reason in results.failed.items()}
    cut = {(c.candidate, c.stage, c.readout): reason for c, reason in results.cut.items()}
    board = leaderboard(
        named,
        lost,
        cut,
        plan.corpora.evals,
        results.rungs,
        headline=plan.config.readout[0],
        rank_by=plan.config.rank_by,
        has_lexicon=plan.teacher.lexicon is not None,
    )
    board["verdict"] += _marked(plan)
    return LEADERBOARD, board | {"probes": probes(run, plan.cells)}


def _ablation_board(plan: Plan, _run: RunFolder, results: Results) -> tuple[str, dict[str, Any]]:
    if lost := results.failed | results.cut:
        named = ", ".join(f"{cell.arm} ({reason})" for cell, reason in lost.items())
        raise EmoLoomError(
            f"these arms have no result: {named}",
            where=str(folder_of(plan).path),
            remedy="Take a smaller model or recipe.micro_batch, or a larger budget, with another --out.",
        )
    return ABLATION, _compared(plan, results)


def _marked(plan: Plan) -> list[str]:
    """A sentence about a run in another dtype or on another class of device than the usual one."""
    environment, dtype = plan.manifest["environment"], plan.config.dtype
    if (environment["device_class"], dtype) == ("cpu", "float32"):
        return []
    return [f"Run in {dtype} on {environment['device']}: not promised equal to float32 on a CPU; see `emoloom drift`."]


def _compared(plan: Plan, results: Results) -> dict[str, Any]:
    """The comparison of the arms that have been judged, and which have not been yet."""
    by_arm = {(c.arm, c.readout): found for c, found in results.scores.items()}
    open_arms = dict.fromkeys(c.arm for c in plan.cells if c.stage == "tuned" and c not in results.scores)
    compared = ablation(by_arm, plan.config.readout, plan.config.seed)
    return {"unfinished": list(open_arms), **compared, "verdict": _marked(plan)}
