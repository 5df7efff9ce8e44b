"""Corpora that leave little to learn, through the whole recipe and every readout."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.screenings import ROWS, screen, small, write_jsonl

import emoloom.screen.cells
import emoloom.screen.pricing.price
import emoloom.screen.readouts.readout
from emoloom.errors import EmoLoomError
from emoloom.store.check import check

RECIPE = {
    "batch_size": 2, "rank": 2, "learning_rate": 0.1,
    "l_cls": 0.3, "l_write": 0.3, "l_reg": 0.3, "l_vad": 0.2, "l_app": 0.1, "flip": True, "mixture": "entropy", "t_max": 1.5,
}  # fmt: skip
READOUTS = ("scored", "free", "constrained")
TEXTS = [
    "the parcel came at last", "someone scratched my car", "the train is late again", "lunch is at noon", "rain all day",
    "we lost the match", "she made us coffee", "nobody called back",
]  # fmt: skip


@pytest.fixture(autouse=True)
def room_for_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (emoloom.screen.readouts.readout, emoloom.screen.cells, emoloom.screen.pricing.price):
        monkeypatch.setattr(module, "MAX_NEW_TOKENS", 96)


def corpus(**fields: Any) -> list[dict[str, Any]]:
    return [{"text": text, **fields} for text in TEXTS]


CORPORA: Mapping[str, list[dict[str, Any]]] = {
    "one label": corpus(labels=["joy"]),
    "constant VAD": [
        {**row, "labels": ["joy", "anger"][n % 2 :][:1], "vad": {"v": 0.5, "a": 0.5, "d": 0.5}}
        for n, row in enumerate(corpus())
    ],
    "no VAD": [{**row, "labels": ["joy" if n % 2 else "grief"]} for n, row in enumerate(corpus())],
    "one record": corpus(labels=["joy"])[:1],
    "the same text again and again": [{"text": "the parcel came", "labels": ["joy"]}] * 8,
}


def numbers(found: Any) -> list[float]:
    if isinstance(found, dict):
        return [x for value in found.values() for x in numbers(value)]
    if isinstance(found, list):
        return [x for value in found for x in numbers(value)]
    return [found] if isinstance(found, float) else []


@pytest.mark.parametrize("name", CORPORA)
def test_it_is_trained_on_and_every_figure_is_finite(name: str, model: Path, data: Path, tmp_path: Path) -> None:
    train = write_jsonl(tmp_path / "train.jsonl", CORPORA[name])
    run = screen(
        small(model, data, tmp_path / "run", train=(f"jsonl:{train}",), readout=READOUTS, recipe=RECIPE, probe_limit=8)
    )
    board = run.read_json("leaderboard.json")
    tuned = {row["readout"]: row["metrics"] for row in board["rows"] if row["stage"] == "tuned"}
    assert set(tuned) == set(READOUTS)
    assert tuned["scored"]["parse_ok"] == tuned["constrained"]["parse_ok"] == 1.0
    assert all(math.isfinite(x) for x in numbers(board))
    assert check(run.path).findings == []


@pytest.mark.parametrize("name", CORPORA)
def test_it_can_be_judged(name: str, model: Path, tmp_path: Path) -> None:
    judged = write_jsonl(tmp_path / "judged.jsonl", CORPORA[name])
    run = screen(small(model, judged, tmp_path / "run", limit=None, readout=READOUTS, recipe=RECIPE))
    board = run.read_json("leaderboard.json")
    assert all(math.isfinite(x) for x in numbers(board))
    assert {row["readout"] for row in board["rows"] if row["stage"] == "tuned"} == set(READOUTS)


def test_a_corpus_that_filtering_empties_is_named(model: Path, data: Path, tmp_path: Path) -> None:
    empty = write_jsonl(tmp_path / "train.jsonl", [{"text": " ", "labels": ["joy"]}])
    with pytest.raises(EmoLoomError, match=r"train\.jsonl"):
        screen(small(model, data, tmp_path / "run", train=(f"jsonl:{empty}",)))
    judged = write_jsonl(tmp_path / "same.jsonl", [{**ROWS[0]}])
    with pytest.raises(EmoLoomError, match="every training record is also judged"):
        screen(small(model, judged, tmp_path / "run", train=(f"jsonl:{judged}",)))
    assert not (tmp_path / "run").exists()


def test_a_corpus_without_labels_beside_one_that_has_some_is_named(model: Path, data: Path, tmp_path: Path) -> None:
    bare = write_jsonl(
        tmp_path / "bare.jsonl", [{"text": text, "vad": {"v": 0.5, "a": 0.5, "d": 0.5}} for text in TEXTS]
    )
    with pytest.raises(EmoLoomError, match=r"bare.*no record has labels to train on"):
        screen(small(model, data, tmp_path / "run", train=("starter", f"jsonl:{bare}")))


def test_a_flip_test_without_a_pair_is_refused_in_words(model: Path, tmp_path: Path) -> None:
    judged = write_jsonl(tmp_path / "judged.jsonl", [{"text": "xyzzy", "labels": ["neutral"]}])
    with pytest.raises(EmoLoomError) as refused:
        screen(small(model, judged, tmp_path / "run", eval=(f"jsonl:{judged}", f"flip:jsonl:{judged}")))
    assert json.dumps(str(refused.value))
