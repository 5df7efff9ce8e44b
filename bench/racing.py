"""Replays races over recorded screenings in which nobody left: was the winner found, and for what share of the cost?

    emoloom screen --config docs/results/race.yaml --seed 0 --out runs/race-0     # every model in keep; seeds 0, 1, 2
    python bench/racing.py runs/race-0 runs/race-1 runs/race-2 --replays 100 --json racing.json

Each replay draws the records of the race and of the evaluation sets anew, with replacement, and runs the product's own decisions
on them: scores, paired intervals, who has room. Cost is floating-point operations, by the usual estimate: for each parameter and
token 6 where it is trained on, 2 where it is read (Kaplan et al. 2020, arXiv 2001.08361, section 2.1).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau, spearmanr

import common
from emoloom.config import ScreenConfig
from emoloom.evaluate.bootstrap import Estimate
from emoloom.evaluate.paired import tie_groups
from emoloom.screen.cell import judge
from emoloom.screen.cells import Cell
from emoloom.screen.corpora import EvalSet
from emoloom.screen.leaderboard import rank
from emoloom.screen.plan import Plan, constant_vad, make_plan
from emoloom.screen.race import judge_rung
from emoloom.store.rows import Row
from emoloom.store.run import LEADERBOARD, MANIFEST, RunFolder

_RESAMPLES = 200
_TRAINING, _READING = 6.0, 2.0


@dataclass(frozen=True)
class Recorded:
    """A finished screening: its plan, by cell the replies and the floating-point operations that it took, and its standings."""

    plan: Plan
    rows: Mapping[Cell, Sequence[Row]]
    operations: Mapping[Cell, float]
    probes: Mapping[str, float]
    race: Sequence[Any]

    @property
    def candidates(self) -> list[str]:
        return [model.local.name for model in self.plan.models]

    def cells(self, stage: str) -> list[Cell]:
        return [cell for cell in self.plan.cells if cell.stage == stage]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--replays", type=int, default=100, help="replays of each run")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = [replay_run(record(path), options.replays, number) for number, path in enumerate(options.runs)]
    replays = [one for run in found for one in run["replays"]]
    common.write(
        options.json,
        {
            "replays": len(replays),
            "winner_found": share(replays, "same"),
            "winner_found_or_tied": share(replays, "same_or_tied"),
            "share_of_cost": float(np.mean([one["cost"] for one in replays])),
            "largest_share_of_cost": max(one["cost"] for one in replays),
            "runs": [{key: value for key, value in run.items() if key != "replays"} for run in found],
        },
    )


def share(replays: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(np.mean([one[name] for one in replays]))


def record(path: Path) -> Recorded:
    """What a finished run holds."""
    run = RunFolder(path)
    config = ScreenConfig.model_validate(run.read_json(MANIFEST)["config"]).model_copy(update={"out": path})
    plan = make_plan(config, common.say)
    answered = [cell for cell in plan.cells if cell.stage in ("race", "tuned")]
    timings, board = run.timings(), run.read_json(LEADERBOARD)
    parameters = {cell.candidate: timings["cells"][cell.key]["parameters"] for cell in answered}
    each = {"training": _TRAINING, "race": _READING, "tuned": _READING}
    return Recorded(
        plan,
        {cell: run.cell(cell.key).replies() for cell in answered},
        {
            cell: each[cell.stage] * parameters[cell.candidate] * timings["spent"]["cells"][cell.key]["tokens"]
            for cell in plan.cells
            if cell.stage in each
        },
        {row["candidate"]: row["metrics"]["probe"] for row in board["probes"]},
        board["race"],
    )


def replay_run(recorded: Recorded, replays: int, number: int) -> dict[str, Any]:
    """All replays of one run, beside its ranks as they were recorded."""
    rng = np.random.default_rng(number)
    whole = finals(recorded, recorded.plan.corpora.evals)
    names = sorted(whole, key=lambda name: -(whole[name].value or 0.0))
    scores = [whole[name].value for name in names]
    probes = [recorded.probes.get(name, 0.0) for name in names]
    common.say(f"replaying {replays} races of {len(names)} candidates")
    return {
        "candidates": {name: {"score": whole[name].value, "probe": recorded.probes.get(name)} for name in names},
        "race": recorded.race,
        "probe_spearman": float(spearmanr(scores, probes).statistic),
        "probe_kendall": float(kendalltau(scores, probes).statistic),
        "replays": [replay(recorded, rng) for _ in range(replays)],
    }


def replay(recorded: Recorded, rng: np.random.Generator) -> dict[str, Any]:
    """One race on records drawn anew: whether its winner is the full winner, and for what share of the cost."""
    corpora = recorded.plan.corpora
    sets = [drawn(e, rng) for e in corpora.evals]
    race = drawn(corpora.dev, rng) if corpora.dev else None
    full = finals(recorded, sets)
    running = list(recorded.candidates)
    cost = 0.0
    reached = 0
    for examples, cells in groupby(recorded.cells("race"), key=lambda cell: cell.examples):
        judged = [cell for cell in cells if cell.candidate in running]
        scores = {cell.candidate: score(recorded, cell, [race] if race else sets) for cell in judged}
        cost += sum(
            recorded.operations[cell] + trained(recorded, cell.candidate, examples - reached) for cell in judged
        )
        reached = examples
        running = [s.candidate for s in judge_rung(scores, ()) if not s.leaves]
    total = len(recorded.plan.corpora.train) * recorded.plan.config.recipe.epochs
    cost += sum(answers(recorded, name) + trained(recorded, name, total - reached) for name in running)
    everything = sum(answers(recorded, name) + trained(recorded, name, total) for name in recorded.candidates)
    best = max(full, key=lambda name: full[name].value or 0.0)
    winner = max(running, key=lambda name: full[name].value or 0.0)
    return {
        "same": winner == best,
        "same_or_tied": winner in tie_groups(full)[0],
        "cost": cost / everything,
    }


def drawn(e: EvalSet, rng: np.random.Generator) -> EvalSet:
    """As many records, drawn with replacement."""
    return replace(e, records=tuple(e.records[i] for i in rng.integers(len(e.records), size=len(e.records))))


def finals(recorded: Recorded, evals: Sequence[EvalSet]) -> dict[str, Estimate]:
    """The final ranking score of each candidate."""
    first = recorded.plan.config.readout[0]
    return {c.candidate: score(recorded, c, evals) for c in recorded.cells("tuned") if c.readout == first}


def score(recorded: Recorded, cell: Cell, evals: Sequence[EvalSet]) -> Estimate:
    constant = constant_vad(recorded.plan.corpora.train)
    found = judge(recorded.rows[cell], evals, constant, recorded.plan.config.seed, _RESAMPLES)
    return rank(list(found.values()))


def trained(recorded: Recorded, candidate: str, examples: int) -> float:
    """Operations of so many examples of a candidate's training."""
    [training] = [cell for cell in recorded.cells("training") if cell.candidate == candidate]
    total = len(recorded.plan.corpora.train) * recorded.plan.config.recipe.epochs
    return recorded.operations[training] * examples / total


def answers(recorded: Recorded, candidate: str) -> float:
    """Operations of a candidate's final answers."""
    first = recorded.plan.config.readout[0]
    return sum(
        recorded.operations[c] for c in recorded.cells("tuned") if (c.candidate, c.readout) == (candidate, first)
    )


if __name__ == "__main__":
    main()
