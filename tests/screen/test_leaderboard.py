"""The leaderboard: order, tie groups, verdict, and which VAD may rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from emoloom.data.splits import SplitReport
from emoloom.evaluate.bootstrap import Estimate
from emoloom.evaluate.score import Scores
from emoloom.screen.corpora import EvalSet
from emoloom.screen.leaderboard import leaderboard

NOISE = np.random.default_rng(0).normal(0, 0.01, 400)
A, B, C = (f"path:{name}" for name in "abc")


def estimate(value: float | None, wobble: float = 1.0) -> Estimate:
    """A figure whose resamples lie around it; equal wobbles move together."""
    samples = np.full(400, np.nan) if value is None else value + wobble * NOISE
    return Estimate(value, samples)


def scores(f1: float | None, ccc: float | None = None, *, wobble: float = 1.0, source: str = "gold") -> Scores:
    estimates = {"parse_ok": estimate(1.0, 0)}
    if f1 is not None:
        estimates["strict_macro_f1"] = estimate(f1, wobble)
    if ccc is not None:
        estimates["vad_ccc_mean"] = estimate(ccc, wobble)
    sources = {} if ccc is None else {source: 10}
    return Scores(10, estimates, "goemotions" if f1 is not None else None, (), (), (), {}, {}, sources)


Name = tuple[str, str]
"""Candidate and stage; a model's readout is ``free``."""


def board(
    found: dict[Name, Scores | dict[str, Scores]], rungs: Sequence[Mapping[str, Any]] = (), rank_by: str = "score"
) -> dict[str, Any]:
    """The board of these cells and, as in every run, TF-IDF (all zero unless it is given)."""
    by_corpus = {cell: value if isinstance(value, dict) else {"x:test": value} for cell, value in found.items()}
    names = dict.fromkeys(name for value in by_corpus.values() for name in value)
    by_corpus.setdefault(("baseline:tfidf", "baseline"), dict.fromkeys(names, scores(0.0)))
    report = SplitReport("x", "test", 10, 10, {}, "0" * 64, "x")
    cells = {(name, stage, "direct" if stage == "baseline" else "free"): v for (name, stage), v in by_corpus.items()}
    sets = [EvalSet(name, (), report) for name in names]
    return leaderboard(cells, {}, {}, sets, rungs, headline="free", rank_by=rank_by, has_lexicon=True)


def baselines(tfidf: float = 0.2, majority: float = 0.0) -> dict[Name, Scores | dict[str, Scores]]:
    return {
        ("baseline:majority", "baseline"): scores(majority),
        ("baseline:tfidf", "baseline"): scores(tfidf),
    }


def test_the_best_comes_first_with_baselines_in_the_same_ranking() -> None:
    ranking = board({**baselines(0.4, 0.1), (A, "tuned"): scores(0.3), (B, "tuned"): scores(0.5)})["ranking"]
    assert [row["candidate"] for row in ranking] == [B, "baseline:tfidf", A, "baseline:majority"]
    assert [row["group"] for row in ranking] == [1, 2, 3, 4]
    assert [row["stage"] for row in ranking] == ["tuned", "baseline", "tuned", "baseline"]
    assert [round(row["score"], 6) for row in ranking] == [0.5, 0.4, 0.3, 0.1]
    for row in ranking:
        assert row["interval"][0] < row["score"] < row["interval"][1]


def test_who_does_not_separate_from_a_leader_shares_the_group() -> None:
    ranking = board({
        (A, "tuned"): scores(0.500, wobble=1), (B, "tuned"): scores(0.495, wobble=-1), (C, "tuned"): scores(0.300),
        **baselines(),
    })["ranking"]  # fmt: skip
    assert [(row["candidate"], row["group"]) for row in ranking[:3]] == [(A, 1), (B, 1), (C, 2)]


def test_a_paired_difference_separates_where_intervals_overlap() -> None:
    ranking = board({(A, "tuned"): scores(0.500), (B, "tuned"): scores(0.495), **baselines()})["ranking"]
    assert ranking[0]["interval"][0] < ranking[1]["interval"][1]
    assert [row["group"] for row in ranking[:2]] == [1, 2]


@pytest.mark.parametrize(("by", "first"), [("score", B), ("strict_macro_f1", A), ("vad_ccc_mean", B)])
def test_what_it_is_ranked_by_decides_the_order(by: str, first: str) -> None:
    tfidf = {("baseline:tfidf", "baseline"): scores(0.0, 0.0)}
    found = board({(A, "tuned"): scores(0.4, 0.1), (B, "tuned"): scores(0.3, 0.5), **tfidf}, rank_by=by)
    assert (found["rank_by"], found["ranking"][0]["candidate"]) == (by, first)
    assert found["verdict"][0].startswith(f"Best candidate: {first}, ")


def test_zero_shot_cells_stand_in_the_table_and_not_in_the_ranking() -> None:
    found = board({(A, "tuned"): scores(0.3), (A, "zero-shot"): scores(0.9), **baselines()})
    assert (A, "zero-shot") not in [(row["candidate"], row["stage"]) for row in found["ranking"]]
    assert [row["candidate"] for row in found["ranking"]].count(A) == 1
    assert [(row["candidate"], row["stage"]) for row in found["rows"]] == [
        (A, "tuned"), (A, "zero-shot"), ("baseline:tfidf", "baseline"), ("baseline:majority", "baseline"),
    ]  # fmt: skip


def test_a_zero_shot_sample_may_have_nothing_to_rank() -> None:
    bare = Scores(2, {"parse_ok": estimate(1.0)}, None, (), (), (), {}, {}, {})
    found = board({(A, "tuned"): scores(0.3), (A, "zero-shot"): bare, **baselines()})
    assert [row["n"] for row in found["rows"] if row["stage"] == "zero-shot"] == [2]


def test_rows_keep_the_order_of_the_corpora() -> None:
    found = board({(A, "tuned"): {"y:dev": scores(0.2), "x:test": scores(0.4)}})
    assert [row["corpus"] for row in found["rows"]] == ["y:dev", "y:dev", "x:test", "x:test"]
    assert found["ranking"][0]["score"] == pytest.approx(0.3)


def test_a_row_holds_the_scores_as_they_are() -> None:
    row = board({(A, "tuned"): scores(0.25)})["rows"][0]
    assert row["metrics"] == {"parse_ok": 1.0, "strict_macro_f1": 0.25}
    assert (row["n"], row["space"], row["vad_sources"], row["readout"]) == (10, "goemotions", {}, "free")
    undefined = Scores(10, {"vad_r_v": estimate(None)}, None, (), (), (), {}, {}, {"gold": 10})
    row = board({(A, "tuned"): {"x:test": undefined, "y:test": scores(0.1)}})["rows"][0]
    assert (row["metrics"], row["intervals"]) == ({"vad_r_v": None}, {})


def test_weak_vad_does_not_rank_where_a_corpus_has_gold() -> None:
    weak = {"labels:test": scores(0.4, 0.9, source="blend"), "vad:test": scores(None, 0.2)}
    assert board({(A, "tuned"): weak})["ranking"][0]["score"] == pytest.approx((0.4 + 0.2) / 2)


def test_partly_weak_vad_is_weak() -> None:
    mixed = scores(0.4, 0.9)
    mixed.vad_sources["blend"] = 1
    found = board({(A, "tuned"): {"mixed:test": mixed, "vad:test": scores(None, 0.2)}})
    assert found["ranking"][0]["score"] == pytest.approx((0.4 + 0.2) / 2)


def test_weak_vad_ranks_where_nothing_is_gold() -> None:
    weak = {"x:test": scores(0.4, 0.6, source="blend"), "y:test": scores(0.2, 0.2, source="label")}
    assert board({(A, "tuned"): weak})["ranking"][0]["score"] == pytest.approx((0.3 + 0.4) / 2)


def test_the_verdict_names_the_winner_and_who_does_not_separate() -> None:
    found = board({
        **baselines(0.2), (A, "tuned"): scores(0.500, wobble=1), (B, "tuned"): scores(0.495, wobble=-1),
        (C, "tuned"): scores(0.3),
    })["verdict"]  # fmt: skip
    assert found[0] == f"Best candidate: {A}, ranking score 0.500."
    assert found[1].startswith(f"{B} does not separate from it (-0.0")
    assert not any(C in sentence and "separate" in sentence for sentence in found)
    assert [sentence.split(" TF-IDF")[0] for sentence in found[2:]] == [f"{name} beats" for name in (A, B, C)]
    assert "+0.300 (95% interval +0.300 to +0.300)" in found[2]


def test_the_verdict_says_who_does_not_beat_tfidf() -> None:
    found = board({**baselines(0.4), (A, "tuned"): scores(0.5), (B, "tuned"): scores(0.3)})["verdict"]
    assert f"{A} beats TF-IDF on the same records: +0.100" in found[1]
    assert f"{B} does not beat TF-IDF on the same records: -0.100" in found[2]


def test_a_lead_within_the_noise_does_not_beat_tfidf() -> None:
    found = board({**baselines(0.2), (A, "tuned"): scores(0.201, wobble=-1)})["verdict"]
    assert f"{A} does not beat TF-IDF on the same records beyond chance: +0.001" in found[1]


def test_baselines_alone_are_said_to_be_alone() -> None:
    assert board(baselines())["verdict"] == ["No candidate was fine-tuned: the table holds baselines only."]


def test_the_best_holds_most_of_the_probability_and_all_of_it_is_given() -> None:
    found = board({**baselines(), (A, "tuned"): scores(0.500, wobble=1), (B, "tuned"): scores(0.505, wobble=-1)})
    shares = {row["candidate"]: row["probability_of_best"] for row in found["ranking"]}
    assert shares[B] == pytest.approx(np.mean(0.505 - NOISE > 0.5 + NOISE), abs=1e-4)
    assert shares[A] == pytest.approx(1 - shares[B], abs=1e-4)
    assert shares["baseline:tfidf"] == 0


def test_the_verdict_says_who_left_the_race_and_why() -> None:
    gap = (-0.02, -0.05, 0.01)
    standings = [
        {"candidate": A, "score": 0.4, "gap": None, "decision": "leads"},
        {"candidate": B, "score": 0.38, "gap": gap, "decision": "halved"},
        {"candidate": C, "score": 0.38, "gap": (-0.02, -0.03, -0.01), "decision": "separated"},
    ]
    found = board({**baselines(0.2), (A, "tuned"): scores(0.5)}, [{"examples": 40, "standings": standings}])
    assert found["race"][0]["examples"] == 40
    assert found["verdict"][-2:] == [
        f"{B} left the race after 40 examples: no room, -0.020 against the best (-0.050 to +0.010), which does not separate.",
        f"{C} left the race after 40 examples: -0.020 against the best (-0.030 to -0.010).",
    ]
