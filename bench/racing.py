"""Replays races over recorded screenings in which nobody left: was the winner found, and for what share of the cost?

    emoloom screen --config docs/results/race.yaml --seed 0 --out runs/race-0     # every model in keep; seeds 0, 1, 2
    python bench/racing.py runs/race-0 runs/race-1 runs/race-2 --replays 100 --json racing.json

Each replay draws the records of the race and of the evaluation sets anew, with replacement, and runs the product's own decisions
on them: scores, paired intervals, who has room. It is held against training and judging everybody to the end. Both pay for the
probes of all. Cost is counted twice:

- floating-point operations, by the usual estimate: for each parameter and token 2 where it is read and 6 where it is trained on,
  4 under LoRA, which leaves out the gradients of fixed weights (Kaplan et al. 2020, arXiv 2001.08361, section 2.1); the
  instruction, which all texts of a forward share, is left out;
- seconds, as they were taken.

``by_labels``: the same with rungs that are judged by labels alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau, spearmanr

import common
from emoloom.evaluate.bootstrap import Estimate
from emoloom.evaluate.metrics import Floats
from emoloom.evaluate.paired import tie_groups
from emoloom.evaluate.score import Scores
from emoloom.screen.cell import judge
from emoloom.screen.cells import Cell
from emoloom.screen.corpora import Corpora, EvalSet, load_corpora
from emoloom.screen.finished.reopen import Reopened
from emoloom.screen.leaderboard import rank
from emoloom.screen.race import judge_rung
from emoloom.store.rows import Row
from emoloom.store.run import LEADERBOARD, RunFolder

_RESAMPLES = 200
_READING, _TRAINING = 2.0, {"lora": 4.0, "full": 6.0}

Rank = Callable[[Sequence[Scores]], Estimate]


@dataclass(frozen=True)
class Recorded:
    """A finished screening in which nobody left.

    Attributes:
        cells: its races, trainings, tuned answers by the first readout, and probes.
        costs: of each cell, (2,): operations and seconds; those of a rung without its training.
        lessons: of each candidate's training, the operations and seconds (2,) up to a number of examples, by that number.
        rows: the replies of each judged cell.
        board: its leaderboard.
    """

    cells: Sequence[Cell]
    corpora: Corpora
    constant: tuple[float, float, float]
    seed: int
    costs: Mapping[Cell, Floats]
    lessons: Mapping[str, Mapping[int, Floats]]
    rows: Mapping[Cell, Sequence[Row]]
    board: Mapping[str, Any]

    @property
    def candidates(self) -> list[str]:
        """All of them, in their order."""
        return list(self.lessons)

    @property
    def total(self) -> int:
        """Examples of a whole training."""
        return max(next(iter(self.lessons.values())))

    def of(self, stage: str) -> list[Cell]:
        """The cells of a stage."""
        return [cell for cell in self.cells if cell.stage == stage]

    def cost(self, stage: str, candidates: Sequence[str]) -> Floats:
        """What these candidates' cells of a stage cost, (2,)."""
        return sum((self.costs[c] for c in self.of(stage) if c.candidate in candidates), np.zeros(2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--replays", type=int, default=100, help="replays of each run")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    recorded = [record(path) for path in options.runs]
    common.write(
        options.json,
        {
            **replays(recorded, rank, options.replays),
            "by_labels": replays(recorded, by_labels, options.replays),
            "runs": [standings(run) for run in recorded],
        },
    )


def by_labels(scores: Sequence[Scores]) -> Estimate:
    """The ranking score without VAD."""
    return rank([
        replace(found, estimates={k: v for k, v in found.estimates.items() if k != "vad_ccc_mean"}) for found in scores
    ])  # fmt: skip


def record(path: Path) -> Recorded:
    """What a finished run holds."""
    opened = Reopened(RunFolder(path))
    recipe = opened.config.recipe
    corpora = load_corpora(opened.config, opened.teacher, [recipe])
    stated = opened.manifest["data"]
    if [e.digest for e in (corpora.dev, *corpora.evals)] != [one["sha256"] for one in (stated["dev"], *stated["eval"])]:
        raise SystemExit(f"{path}: the records are not those that the run judged")
    first = opened.config.readout[0]
    cells = [cell for cell in opened.cells if cell.stage in ("probe", "race", "training") or _answers(cell, first)]
    timings = opened.run.timings()
    parameters: dict[str, int] = {
        c.candidate: timings["cells"][c.key]["parameters"] for c in cells if c.stage == "race"
    }

    def seconds(cell: Cell, *kinds: str) -> float:
        found: dict[str, float] = timings["cells"][cell.key]
        return sum(found[f"{kind}_seconds"] for kind in kinds)

    def operations(cell: Cell, each: float) -> float:
        tokens: int = timings["spent"]["cells"][cell.key]["tokens"]
        return each * parameters[cell.candidate] * tokens

    lessons: dict[str, dict[int, Floats]] = {}
    for training in (cell for cell in cells if cell.stage == "training"):
        total, taken, name = len(corpora.train) * recipe.epochs, 0.0, training.candidate
        whole = operations(training, _TRAINING[recipe.method])
        lessons[name] = {0: np.zeros(2)}
        for rung in [*(c for c in cells if (c.stage, c.candidate) == ("race", name)), training]:
            taken += seconds(rung, "train")
            until = rung.examples or total
            lessons[name][until] = np.array([whole * until / total, taken])
    return Recorded(
        cells,
        corpora,
        opened.manifest["constant_vad"],
        opened.config.seed,
        {
            cell: np.array([operations(cell, _READING), seconds(cell, "fit", "decode")])
            for cell in cells
            if cell.stage != "training"
        },
        lessons,
        {cell: opened.folder(cell).replies() for cell in cells if cell.stage in ("race", "tuned")},
        opened.run.read_json(LEADERBOARD),
    )


def _answers(cell: Cell, readout: str) -> bool:
    return (cell.stage, cell.readout) == ("tuned", readout)


def standings(run: Recorded) -> dict[str, Any]:
    """A run's candidates as they were judged, and what the probe said of them."""
    whole = {cell.candidate: score(run, cell, run.corpora.evals, rank) for cell in run.of("tuned")}
    probes = {row["candidate"]: row["metrics"]["probe"] for row in run.board["probes"]}
    names = sorted(whole, key=lambda name: -(whole[name].value or 0.0))
    scores, probed = [whole[name].value for name in names], [probes[name] for name in names]
    return {
        "seed": run.seed,
        "candidates": {name: {"score": whole[name].value, "probe": probes[name]} for name in names},
        "tie_groups": tie_groups(whole),
        "probe_spearman": float(spearmanr(scores, probed).statistic),
        "probe_kendall": float(kendalltau(scores, probed).statistic),
        "race": run.board["race"],
    }


def replays(recorded: Sequence[Recorded], ranked: Rank, count: int) -> dict[str, Any]:
    """What ``count`` replays of each run found, with rungs judged by ``ranked``."""
    common.say(f"replaying {count} races of each of {len(recorded)} runs")
    with ProcessPoolExecutor() as processes:
        found = [one for run in processes.map(partial(replays_of, ranked=ranked, count=count), recorded) for one in run]
    mean = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
    return {
        "replays": len(found),
        **mean,
        "largest_share_of_operations": max(one["share_of_operations"] for one in found),
        "largest_share_of_seconds": max(one["share_of_seconds"] for one in found),
    }


def replays_of(run: Recorded, ranked: Rank, count: int) -> list[dict[str, float]]:
    """What each of a run's replays found."""
    rng = np.random.default_rng(run.seed)
    return [replay(run, ranked, rng) for _ in range(count)]


def replay(run: Recorded, ranked: Rank, rng: np.random.Generator) -> dict[str, float]:
    """One race on records drawn anew.

    Whether its winner is the one of all (``winner_found``), or that one or tied with it (``winner_found_or_tied``), beside the
    share of all candidates of whom that is true; and its share of the cost.
    """
    sets, dev = [drawn(e, rng) for e in run.corpora.evals], drawn(run.corpora.dev, rng)
    full = {cell.candidate: score(run, cell, sets, rank) for cell in run.of("tuned")}
    running, reached = run.candidates, dict.fromkeys(run.candidates, 0)
    cost = run.cost("probe", running)
    for examples, rung in groupby(run.of("race"), key=lambda cell: cell.examples):
        if len(running) == 1:
            break
        judged = [cell for cell in rung if cell.candidate in running]
        cost += sum(run.costs[cell] for cell in judged)
        reached |= dict.fromkeys(running, examples)
        scores = {cell.candidate: score(run, cell, [dev], ranked) for cell in judged}
        running = [standing.candidate for standing in judge_rung(scores, ()) if not standing.leaves]
    reached |= dict.fromkeys(running, run.total)
    cost += run.cost("tuned", running) + sum(run.lessons[name][examples] for name, examples in reached.items())
    whole = run.cost("probe", run.candidates) + run.cost("tuned", run.candidates)
    whole += sum(lessons[run.total] for lessons in run.lessons.values())
    best = max(full, key=lambda name: full[name].value or 0.0)
    winner = max(running, key=lambda name: full[name].value or 0.0)
    tied = tie_groups(full)[0]
    operations, seconds = (cost / whole).tolist()
    return {
        "winner_found": float(winner == best),
        "winner_found_or_tied": float(winner in tied),
        "share_of_candidates_tied": len(tied) / len(full),
        "share_of_operations": operations,
        "share_of_seconds": seconds,
    }


def drawn(e: EvalSet, rng: np.random.Generator) -> EvalSet:
    """As many records, drawn with replacement."""
    return replace(e, records=tuple(e.records[i] for i in rng.integers(len(e.records), size=len(e.records))))


def score(run: Recorded, cell: Cell, evals: Sequence[EvalSet], ranked: Rank) -> Estimate:
    """A cell's ranking score on ``evals``."""
    return ranked(list(judge(run.rows[cell], evals, run.constant, run.seed, _RESAMPLES).values()))


if __name__ == "__main__":
    main()
