"""Readouts of a finished run: a row for each, thresholds, and the same answers outside the screening."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.screenings import lasting, screen, shorten_replies, small

import emoloom.screen.readouts.readout
from emoloom.contract.parse import Parsed, parse_reply
from emoloom.contract.record import Request
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import EmoLoomError
from emoloom.screen.readouts.scoring import scored_readout
from emoloom.screen.readouts.suggest import Suggester
from emoloom.screen.readouts.tuning import choose
from emoloom.screen.single import open_model, predict_lines
from emoloom.store.run import RunFolder

RECIPE = {"batch_size": 2, "rank": 2, "learning_rate": 0.1, "l_cls": 1.0, "l_reg": 1.0}
BOTH = {"readout": ("scored", "free"), "recipe": RECIPE}


def quiet(*_: object) -> None:
    pass


@pytest.fixture(scope="module")
def run(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return screen(small(model, data, tmp_path_factory.mktemp("readouts") / "run", **BOTH))


def cell(run: RunFolder, stage: str, readout: str) -> Path:
    (key,) = (
        c["key"] for c in run.read_json("manifest.json")["cells"] if (c["stage"], c["readout"]) == (stage, readout)
    )
    return run.cell(key).path


def test_each_readout_has_rows_of_its_own_and_the_first_ranks(run: RunFolder) -> None:
    board = run.read_json("leaderboard.json")
    found = [(row["stage"], row["readout"]) for row in board["rows"] if row["stage"] != "baseline"]
    # Nothing can be scored before training.
    assert sorted(found) == [("tuned", "free"), ("tuned", "scored"), ("zero-shot", "free")]
    assert {row["readout"] for row in board["ranking"]} == {"scored", "direct"}
    assert {row["readout"] for row in board["rows"] if "ece" in row["metrics"]} == {"scored"}


def test_a_scored_reply_is_what_the_probabilities_and_thresholds_say(run: RunFolder) -> None:
    folder = cell(run, "tuned", "scored")
    kept = json.loads((folder / "tuning.json").read_text())["thresholds"]
    assert list(kept) == list(GOEMOTIONS.labels)
    thresholds = np.array(list(kept.values()))
    rows = [json.loads(line) for line in (folder / "replies.jsonl").read_text().splitlines()]
    assert len(rows) == 3
    for row in rows:
        outcome = parse_reply(row["reply"], GOEMOTIONS)
        assert isinstance(outcome, Parsed)
        assert outcome.repairs == ()
        probabilities = np.clip(np.array(row["probabilities"]), 1e-6, 1 - 1e-6)
        log_odds = np.log(probabilities / (1 - probabilities))
        # Probabilities are rounded: a label at its threshold may go either way.
        sure = np.abs(log_odds - thresholds) > 0.1
        named = np.array([label in outcome.reply.labels for label in GOEMOTIONS.labels])
        if (log_odds >= thresholds).any():
            assert (choose(log_odds[None], thresholds)[0] == named)[sure].all()
        else:
            # Of several that are rounded to the same, it may be any.
            assert log_odds[named].tolist() == [log_odds.max()]


def test_the_run_predicts_by_its_first_readout(run: RunFolder, data: Path) -> None:
    texts = [json.loads(line)["text"] for line in data.read_text().splitlines()]
    requests = [Request(id=f"mine-{n}", text=text) for n, text in enumerate(texts, 1)]
    opened = open_model(None, run.path, None, quiet)
    assert opened.readout == "scored"
    predicted = {line["id"]: line for line in map(json.loads, predict_lines(opened, requests, quiet))}
    for row in (cell(run, "tuned", "scored") / "replies.jsonl").read_text().splitlines():
        kept = json.loads(row)
        reply = json.loads(kept["reply"])
        assert predicted[kept["id"]]["labels"] == reply["labels"]
        assert predicted[kept["id"]]["vad"] == pytest.approx(reply["vad"], abs=0.0101)


@pytest.mark.parametrize("readout", ["free", "scored"])
def test_answers_stay_with_their_texts_beyond_a_chunk(
    readout: str, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [Request(id=str(n), text=f"the parcel number {n * n} came at last") for n in range(8)]
    opened = open_model(None, run.path, readout, quiet)
    together = list(predict_lines(opened, requests, quiet))
    monkeypatch.setattr(emoloom.screen.readouts.readout, "_CHUNK", 3)
    assert list(predict_lines(opened, requests, quiet)) == together
    alone = [line for request in requests for line in predict_lines(opened, [request], quiet)]
    assert alone == together


@pytest.mark.parametrize("changed", [0.0, 1e-12])
def test_scores_take_a_forward_a_text_where_packing_changes_a_bit(
    changed: float, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = emoloom.screen.readouts.readout.score_requests

    def scored(*arguments: Any, alone: bool) -> Any:
        for index, log_odds, vad in score(*arguments, alone=alone):
            yield index, log_odds if alone else log_odds + changed, vad

    monkeypatch.setattr(emoloom.screen.readouts.readout, "score_requests", scored)
    opened = open_model(None, run.path, "scored", quiet)
    assert opened.scored
    readout = scored_readout(opened.candidate, opened.scored, Suggester((), opened.teacher), alone=False)
    requests = [Request(id=str(n), text=f"the parcel number {n * n} came at last") for n in range(80)]
    assert readout.tested(requests).alone == bool(changed)


@pytest.mark.parametrize("readout", ["free", "scored"])
def test_texts_of_any_length_and_thousands_of_the_same_are_answered(
    readout: str, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_replies(monkeypatch)
    opened, told = open_model(None, run.path, readout, quiet), list[str]()
    many = 10_000 if readout == "scored" else 1000
    texts = ["", " ", "\0", "word " * 5000, "\U0001f600" * 2000, *["the same again"] * many]
    requests = [Request.model_construct(id=str(n), text=text, context=()) for n, text in enumerate(texts)]
    lines = [json.loads(line) for line in predict_lines(opened, requests, quiet, told.append)]
    assert [line["id"] for line in lines] == [request.id for request in requests]
    assert len({json.dumps({**line, "id": ""}) for line in lines[5:]}) == 1
    assert told == [
        f"{opened.candidate.name}: 2 texts are longer than it reads; they lose their oldest turns, then their end"
    ]


def test_a_run_without_the_readout_says_so(finished: RunFolder, model: Path) -> None:
    with pytest.raises(EmoLoomError, match="this run has no scored answers"):
        open_model(None, finished.path, "scored", quiet)
    with pytest.raises(EmoLoomError, match="an untrained model has no heads"):
        open_model(f"path:{model}", None, "scored", quiet)
    with pytest.raises(EmoLoomError, match=r"unknown readout 'score'\. Did you mean scored"):
        open_model(f"path:{model}", None, "score", quiet)


def test_a_plain_training_is_scored_too(model: Path, data: Path, tmp_path: Path) -> None:
    plain = screen(small(model, data, tmp_path / "run", readout=("scored",), recipe={"batch_size": 2, "rank": 2}))
    assert (cell(plain, "tuned", "scored") / "heads.safetensors").exists()
    assert not list(plain.path.rglob("adapter/heads.safetensors"))


def test_damaged_heads_are_named(run: RunFolder, tmp_path: Path) -> None:
    copied = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copied.path)
    heads = cell(copied, "tuned", "scored") / "heads.safetensors"
    heads.write_bytes(heads.read_bytes()[:-9])
    opened = open_model(None, copied.path, "scored", quiet)
    with pytest.raises(EmoLoomError, match="the heads cannot be read") as caught:
        list(predict_lines(opened, [Request(id="1", text="good")], lambda *_: None))
    assert caught.value.where == str(heads)


@pytest.mark.parametrize("depth", [0, -1, 3, "2", None])
def test_a_layer_that_heads_cannot_read_is_named(run: RunFolder, tmp_path: Path, depth: object) -> None:
    copied = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copied.path)
    tuning = cell(copied, "tuned", "scored") / "tuning.json"
    tuning.write_text(json.dumps(json.loads(tuning.read_text()) | {"depth": depth}))
    opened = open_model(None, copied.path, "scored", quiet)
    with pytest.raises(EmoLoomError, match=f"heads do not read layer {depth}") as caught:
        list(predict_lines(opened, [Request(id="1", text="good")], lambda *_: None))
    assert caught.value.where == str(tuning)


def test_twice_is_the_same_bytes(run: RunFolder, model: Path, data: Path, tmp_path: Path) -> None:
    assert lasting(screen(small(model, data, tmp_path / "again", **BOTH)).path) == lasting(run.path)
