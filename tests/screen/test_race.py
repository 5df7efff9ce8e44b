"""The race: its rungs, who leaves, and that a racer ends with the weights of a training that nobody raced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.screenings import ROWS, lasting, plan, screen, small, write_jsonl
from tests.tiny import quick_model

import emoloom.screen.cell
from emoloom.errors import EmoLoomError
from emoloom.evaluate.bootstrap import Estimate
from emoloom.report.html import write_report
from emoloom.screen.cells import Cell
from emoloom.screen.finished.drift import compare
from emoloom.screen.race import judge_rung, rungs
from emoloom.store.run import RunFolder


class StoppedError(Exception):
    """Stands for a kill."""


NOISE = np.random.default_rng(0).normal(0, 0.01, 400)


def estimate(value: float, wobble: float = 1.0) -> Estimate:
    """Equal wobbles move together, so that any distance separates; opposite ones blur 0.04."""
    return Estimate(value, value + wobble * NOISE)


@pytest.mark.parametrize(
    ("total", "count", "expected"),
    [(80, 4, (10, 20, 40)), (80, 1, ()), (3, 4, (1,)), (5, 3, (1, 2)), (1, 3, ())],
)
def test_each_rung_doubles_the_one_before(total: int, count: int, expected: tuple[int, ...]) -> None:
    assert rungs(total, count) == expected


def test_who_separates_leaves_although_there_is_room() -> None:
    found = judge_rung({"a": estimate(0.5), "b": estimate(0.4), "c": estimate(0.3), "d": estimate(0.2)}, ())
    assert [(s.candidate, s.decision) for s in found] == [("a", "leads")] + [(x, "separated") for x in "bcd"]
    assert found[1].gap == pytest.approx((-0.1, -0.1, -0.1))


def test_of_those_that_do_not_separate_the_better_half_of_all_has_room() -> None:
    scores = {name: estimate(0.5 - i / 1000, (-1) ** i) for i, name in enumerate("abcde")}
    decisions = {s.candidate: s.decision for s in judge_rung(scores, ())}
    # c and e move with a, so that the little by which they trail separates them.
    assert decisions == {"a": "leads", "b": "stays", "c": "separated", "d": "stays", "e": "separated"}
    apart = {name: Estimate(0.5 - i / 1000, 0.5 + np.roll(NOISE, 7 * i)) for i, name in enumerate("abcde")}
    decisions = {s.candidate: s.decision for s in judge_rung(apart, ())}
    assert decisions == {"a": "leads", "b": "stays", "c": "stays", "d": "halved", "e": "halved"}


def test_who_is_kept_stays_and_takes_nobodys_room() -> None:
    apart = {name: Estimate(0.5 - i / 1000, 0.5 + np.roll(NOISE, 7 * i)) for i, name in enumerate("abcd")}
    found = {s.candidate: s for s in judge_rung({**apart, "z": estimate(0.1)}, ("z", "d", "b"))}
    assert {name: s.decision for name, s in found.items()} == {
        "a": "leads", "b": "stays", "c": "stays", "d": "kept", "z": "kept",
    }  # fmt: skip
    assert not found["z"].leaves


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 400)), min_size=1, max_size=9))
def test_somebody_is_always_left_and_never_more_than_half(values: list[tuple[float, int]]) -> None:
    scores = {str(i): Estimate(value, value + np.roll(NOISE, turn)) for i, (value, turn) in enumerate(values)}
    found = judge_rung(scores, ())
    staying = [s for s in found if not s.leaves]
    assert 1 <= len(staying) <= -(-len(values) // 2)
    assert [s.score for s in found] == sorted((value for value, _ in values), reverse=True)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("racers")
    return [f"path:{quick_model(root / name, seed=seed)}" for seed, name in enumerate(("a", "b", "c"))]


def racing(models: list[str], data: Path, out: Path, **changes: Any) -> Any:
    changes = {"train_limit": 8, "rungs": 3, "dev_limit": 4, "checkpoint_seconds": 1e-9} | changes
    return small(None, data, out, **changes).model_copy(update={"model": tuple(models)})


@pytest.fixture(scope="module")
def raced(models: list[str], data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return screen(racing(models, data, tmp_path_factory.mktemp("runs") / "race"))


def cells(run: RunFolder) -> list[Cell]:
    return [Cell(**cell) for cell in run.read_json("manifest.json")["cells"]]


def test_half_leaves_at_each_rung_and_the_last_one_standing_is_judged(raced: RunFolder, models: list[str]) -> None:
    board = raced.read_json("leaderboard.json")
    race = board["race"]
    assert [rung["examples"] for rung in race] == [2, 4]
    assert [(rung["n"], rung["space"], rung["vad_sources"]) for rung in race] == [(4, "goemotions", {"gold": 4})] * 2
    assert "(4, goemotions, gold VAD)" in write_report(raced).read_text("utf-8")
    staying = set(models)
    for rung in race:
        assert {s["candidate"] for s in rung["standings"]} == staying
        left = {s["candidate"] for s in rung["standings"] if s["decision"] in ("separated", "halved")}
        assert len(left) == len(staying) // 2 or len(left) > len(staying) // 2
        staying -= left
    assert {row["candidate"] for row in board["ranking"] if row["stage"] == "tuned"} == staying
    assert sum("left the race" in sentence for sentence in board["verdict"]) == 3 - len(staying)
    assert sum(row["probability_of_best"] for row in board["ranking"]) == pytest.approx(1, abs=1e-3)


def test_nobody_races_alone(models: list[str], data: Path, tmp_path: Path) -> None:
    run = screen(racing(models[:2], data, tmp_path / "run", rungs=4))
    assert [rung["examples"] for rung in run.read_json("leaderboard.json")["race"]] == [1]
    assert [row["stage"] for row in run.read_json("leaderboard.json")["ranking"]].count("tuned") == 1


def test_a_race_without_records_to_judge_it_is_refused(models: list[str], data: Path, tmp_path: Path) -> None:
    few = write_jsonl(tmp_path / "few.jsonl", ROWS[:4])
    with pytest.raises(EmoLoomError, match="too few records to set aside") as caught:
        plan(racing(models, data, tmp_path / "run", train=(f"jsonl:{few}",)))
    assert caught.value.where == "rungs"


def test_who_left_has_no_last_answers_and_nothing_to_go_on_with(raced: RunFolder) -> None:
    left = {
        s["candidate"] for rung in raced.read_json("leaderboard.json")["race"] for s in rung["standings"]
        if s["decision"] in ("separated", "halved")
    }  # fmt: skip
    for cell in cells(raced):
        if cell.candidate in left and cell.stage in ("training", "tuned"):
            assert not raced.cell(cell.key).path.exists()
    assert not list(raced.path.rglob("scratch"))


def test_a_racer_ends_with_the_weights_of_an_unraced_training(
    raced: RunFolder, models: list[str], data: Path, tmp_path: Path
) -> None:
    alone = screen(racing(models, data, tmp_path / "alone", rungs=1))
    weights = "adapter/adapter_model.safetensors"
    pairs = [
        (raced.cell(mine.key).path / weights, alone.cell(other.key).path / weights)
        for mine in cells(raced) for other in cells(alone)
        if mine.stage == other.stage == "training" and mine.candidate == other.candidate
    ]  # fmt: skip
    finished = [(mine, other) for mine, other in pairs if mine.exists()]
    assert finished
    for mine, other in finished:
        assert mine.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("recipe", [{}, {"epochs": 4, "early_stop": True}], ids=["whole", "early stop"])
def test_a_race_stopped_at_any_rung_ends_in_the_same_bytes(
    recipe: dict[str, Any], models: list[str], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"recipe": {"batch_size": 2, "rank": 2, "learning_rate": 0.1} | recipe}
    raced = screen(racing(models, data, tmp_path / "raced", **changes))
    trained: list[int] = []
    real = emoloom.screen.cell.fine_tune

    def stopping(*arguments: Any, **named: Any) -> Any:
        if len(trained) == limit:
            raise StoppedError
        trained.append(1)
        return real(*arguments, **named)

    monkeypatch.setattr(emoloom.screen.cell, "fine_tune", stopping)
    out = tmp_path / "stopped"
    total = 0
    # One more training a time, so that every place between two of them is met.
    for _ in range(20):
        trained.clear()
        limit = 1
        try:
            screen(racing(models, data, out, **changes))
            total += len(trained)
            break
        except StoppedError:
            total += len(trained)
    assert lasting(out) == lasting(raced.path)
    assert total == sum(len(rung["standings"]) for rung in raced.read_json("leaderboard.json")["race"]) + len(
        [row for row in raced.read_json("leaderboard.json")["ranking"] if row["stage"] == "tuned"]
    )


def test_every_rung_is_compared_by_drift(raced: RunFolder) -> None:
    judged = [cell for cell in cells(raced) if cell.stage == "race" and raced.cell(cell.key).metrics()]
    assert len({cell.examples for cell in judged}) == 2
    found = compare(raced, raced)
    rungs = [(one.cell[0], one.cell[-1]) for one in found.cells if one.cell[1] == "race"]
    assert sorted(rungs) == sorted((cell.candidate, str(cell.examples)) for cell in judged)


def test_the_races_records_are_neither_trained_on_nor_judged(models: list[str], data: Path, tmp_path: Path) -> None:
    corpora = plan(racing(models, data, tmp_path)).corpora
    race = {record.text for record in corpora.dev.records}
    assert len(race) == 4
    assert not race & {record.text for record in corpora.train}
    assert not race & {record.text for e in corpora.evals for record in e.records}


def test_thresholds_keep_half_of_the_dev_records(models: list[str], data: Path, tmp_path: Path) -> None:
    corpora = plan(racing(models, data, tmp_path, dev_limit=1000, readout=("scored",))).corpora
    assert 0 <= len(corpora.tune) - len(corpora.dev.records) <= 1
    assert not {record.text for record in corpora.tune} & {record.text for record in corpora.dev.records}


def test_where_a_corpus_has_one_split_a_fifth_of_the_training_records_is_held_out(
    models: list[str], data: Path, tmp_path: Path
) -> None:
    corpora = plan(
        racing(models, data, tmp_path, train=(f"jsonl:{data}",), train_limit=None, eval=("starter:test",))
    ).corpora
    assert (len(corpora.dev.records), len(corpora.train)) == (1, 4)
    assert corpora.dev.records[0].text not in {record.text for record in corpora.train}


def test_somebody_unknown_cannot_be_kept(models: list[str], data: Path, tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError, match="unknown candidate"):
        plan(racing(models, data, tmp_path, keep=("path:nobody",)))
