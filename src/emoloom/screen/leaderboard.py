"""From scores to the leaderboard: one row a cell and corpus, a ranking with tie groups, and what it means in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emoloom.evaluate.bootstrap import Estimate
from emoloom.evaluate.paired import difference, probability_of_best, tie_groups
from emoloom.evaluate.ranking import BOTH, ranking_score
from emoloom.evaluate.score import Scores
from emoloom.screen.corpora import EvalSet

CellName = tuple[str, str, str]
"""Candidate, stage and readout."""

_NAMES = ("candidate", "stage", "readout")
STAGES = ("tuned", "zero-shot", "baseline")
"""In the order of the table."""
BAR = ("baseline:tfidf", "baseline", "direct")
"""What a candidate must beat to be worth its cost."""
_BASELINES_ONLY = "No candidate was fine-tuned: the table holds baselines only."
NO_LEXICON = "baseline:lexicon is absent: no lexicon has been fetched (`emoloom fetch lexicon:warriner`)."


def leaderboard(
    scores: Mapping[CellName, Mapping[str, Scores]],
    failed: Mapping[CellName, str],
    cut: Mapping[CellName, str],
    evals: Sequence[EvalSet],
    rungs: Sequence[Mapping[str, Any]],
    *,
    headline: str,
    rank_by: str,
    has_lexicon: bool,
) -> dict[str, Any]:
    """The content of ``leaderboard.json``.

    ``rows`` holds every cell on every corpus. ``ranking`` compares, best first, the cells that were judged on all records
    (baselines, and fine-tuned candidates by the ``headline`` readout), by ``rank_by``; ``group`` numbers the tie groups, within
    which nothing separates a candidate from the group's first, and ``probability_of_best`` is over the resamples of the records.
    ``race`` holds the standings at each of the ``rungs``, ``failed`` and ``cut`` the cells without a result, and why.
    ``verdict`` says it in words.
    """
    ranked = {
        cell: rank(list(found.values()), rank_by)
        for cell, found in scores.items()
        if cell[1:] in {("tuned", headline), ("baseline", "direct")}
    }
    return {
        "rows": [
            _row(cell, e, scores[cell][e.name])
            for e in evals
            for cell in sorted(scores, key=lambda c: _place(c, ranked))
        ],
        "rank_by": rank_by,
        "ranking": _ranking(ranked),
        "failed": _lost(failed),
        "cut": _lost(cut),
        "race": list(rungs),
        "verdict": _verdict(ranked)
        + _race_verdict(rungs)
        + _losses(failed, cut)
        + ([] if has_lexicon else [NO_LEXICON]),
    }


def _lost(cells: Mapping[CellName, str]) -> list[dict[str, str]]:
    return [dict(zip(_NAMES, cell, strict=True)) | {"reason": reason} for cell, reason in cells.items()]


def _losses(failed: Mapping[CellName, str], cut: Mapping[CellName, str]) -> list[str]:
    return [f"{cell[0]} has failed, {_stage(cell)}: {reason}." for cell, reason in failed.items()] + [
        f"{cell[0]} was cut, {_stage(cell)}: {reason}." for cell, reason in cut.items()
    ]


def _stage(cell: CellName) -> str:
    """The stage, and the readout where a candidate may have several."""
    _, stage, readout = cell
    return f"{stage} by {readout}" if stage in ("tuned", "zero-shot") else stage


def rank(scores: Sequence[Scores], by: str = BOTH) -> Estimate:
    """The ranking score over evaluation sets."""
    return ranking_score(_for_ranking(scores), by)


def _for_ranking(scores: Sequence[Scores]) -> list[Mapping[str, Estimate]]:
    """The estimates that rank: weak VAD counts only where no corpus has gold, since a lexicon agrees with its own work."""
    if not any(_is_gold(score) for score in scores):
        return [score.estimates for score in scores]
    return [
        score.estimates
        if _is_gold(score)
        else {name: estimate for name, estimate in score.estimates.items() if name != "vad_ccc_mean"}
        for score in scores
    ]


def _is_gold(score: Scores) -> bool:
    return set(score.vad_sources) == {"gold"}


def _place(cell: CellName, ranked: Mapping[CellName, Estimate]) -> tuple[int, float, str]:
    score = ranked[cell].value if cell in ranked else None
    return (STAGES.index(cell[1]), -(score or 0.0), cell[0])


def _row(cell: CellName, evals: EvalSet, scores: Scores) -> dict[str, Any]:
    candidate, stage, readout = cell
    return {
        "candidate": candidate,
        "stage": stage,
        "readout": readout,
        "corpus": evals.name,
        "n": scores.n,
        "space": scores.space,
        "vad_sources": scores.vad_sources,
        "metrics": scores.metrics,
        "intervals": {name: list(interval) for name, interval in scores.intervals.items()},
    }


def _ranking(ranked: Mapping[CellName, Estimate]) -> list[dict[str, Any]]:
    cells = {cell[0]: cell for cell in ranked}
    named = {name: ranked[cell] for name, cell in cells.items()}
    best = probability_of_best(named)
    rows = []
    for number, group in enumerate(tie_groups(named), start=1):
        for name in group:
            estimate = ranked[cells[name]]
            interval = list(estimate.interval) if estimate.interval else None
            row = {"candidate": name, "stage": cells[name][1], "readout": cells[name][2]}
            figures = {"score": estimate.value, "interval": interval, "probability_of_best": round(best[name], 4)}
            rows.append(row | figures | {"group": number})
    return rows


def _race_verdict(rungs: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"{standing['candidate']} left the race after {rung['examples']} examples: {_why(standing)}."
        for rung in rungs
        for standing in rung["standings"]
        if standing["decision"] in ("separated", "halved")
    ]


def _why(standing: Mapping[str, Any]) -> str:
    value, low, high = standing["gap"]
    trail = f"{value:+.3f} against the best ({low:+.3f} to {high:+.3f})"
    return trail if standing["decision"] == "separated" else f"no room, {trail}, which does not separate"


def _verdict(ranked: Mapping[CellName, Estimate]) -> list[str]:
    tuned = sorted((cell for cell in ranked if cell[1] == "tuned"), key=lambda cell: -(ranked[cell].value or 0.0))
    if not tuned:
        return ["No candidate was fine-tuned: there is nothing to rank." if not ranked else _BASELINES_ONLY]
    sentences = [f"Best candidate: {tuned[0][0]}, ranking score {ranked[tuned[0]].value:.3f}."]
    for cell in tuned[1:]:
        gap = difference(ranked[tuned[0]], ranked[cell])
        if gap and not gap.separates:
            sentences.append(f"{cell[0]} does not separate from it ({gap.low:+.3f} to {gap.high:+.3f}).")
    leader = max(ranked, key=lambda cell: ranked[cell].value or 0.0)
    if leader[1] == "baseline":
        sentences.append(f"{leader[0]} scores higher than every candidate: {ranked[leader].value:.3f}.")
    for cell in tuned if BAR in ranked else ():
        gap = difference(ranked[cell], ranked[BAR])
        if gap:
            verb = "beats" if gap.low > 0 else "does not beat"
            chance = " beyond chance" if gap.low <= 0 < gap.value else ""
            sentences.append(
                f"{cell[0]} {verb} TF-IDF on the same records{chance}: "
                f"{gap.value:+.3f} (95% interval {gap.low:+.3f} to {gap.high:+.3f})."
            )
    return sentences
