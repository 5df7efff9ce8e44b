"""``emoloom predict`` and ``evaluate`` with a tiny model and with a run."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Emoloom
from tests.screenings import ROWS, shorten_replies

import emoloom
from emoloom.contract.parse import Failure, parse_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import EmoLoomError
from emoloom.store.run import RunFolder

WATCH = """
import json, sys

opened = []
sys.addaudithook(lambda event, details: opened.append(str(details[0])) if event == "open" else None)
from emoloom.cli.app import run

assert run(sys.argv[1:]) == 0
modules = "lexicon.appraisal", "lexicon.appraisal_fit", "screen.teachers.appraisal", "data.load_appraised", "assets.verifiers"
imported = [name for name in modules if f"emoloom.{name}" in sys.modules]
print(json.dumps(imported + [path for path in opened if "/verifiers/" in path]))
"""
"""Runs the command line and prints which of the verifier's modules it imported, and which of its files it opened."""
# Lengths fall and rise, so that answers are not finished in this order.
TEXTS = ("a rather long text about a late train, once more", "ok", "a text of middling length", "no", "well then")


@pytest.fixture(autouse=True)
def short_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_replies(monkeypatch)


def predicted(emoloom: Emoloom, *arguments: object) -> list[dict[str, Any]]:
    done = emoloom("predict", *arguments)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_answers_keep_the_order_of_the_input(emoloom: Emoloom, tmp_path: Path, model: Path) -> None:
    plain, lines = tmp_path / "in.txt", tmp_path / "in.jsonl"
    plain.write_text("\n".join(TEXTS))
    lines.write_text("\n\n".join(json.dumps({"id": f"q{n}", "text": text}) for n, text in enumerate(TEXTS)))
    one_by_one = []
    for text in TEXTS:
        (tmp_path / "one").write_text(text)
        one_by_one += predicted(emoloom, tmp_path / "one", "--model", f"path:{model}")
    from_text = predicted(emoloom, plain, "--model", f"path:{model}")
    from_json = predicted(emoloom, lines, "--model", f"path:{model}")
    assert [answer["id"] for answer in from_text] == ["1", "2", "3", "4", "5"]
    assert [answer["id"] for answer in from_json] == ["q0", "q1", "q2", "q3", "q4"]
    replies = [answer["reply"] for answer in one_by_one]
    assert [answer["reply"] for answer in from_text] == replies == [answer["reply"] for answer in from_json]
    for answer in from_text:
        outcome = parse_reply(answer["reply"], GOEMOTIONS)
        assert isinstance(outcome, Failure)
        assert answer["error"] == outcome.reason


def test_standard_input_is_read(emoloom: Emoloom, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"text": "a", "id": "x"}\nb\n')))
    assert [answer["id"] for answer in predicted(emoloom, "--model", f"path:{model}")] == ["x", "2"]


def test_a_runs_candidate_answers_as_it_did_in_the_run(emoloom: Emoloom, finished: RunFolder, tmp_path: Path) -> None:
    key = next(c["key"] for c in finished.read_json("manifest.json")["cells"] if c["stage"] == "tuned")
    kept = {row["id"]: row["reply"] for row in finished.cell(key).replies()}
    rows = [{"id": f"mine-{n}", "text": row["text"]} for n, row in enumerate(ROWS, 1)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers = {answer["id"]: answer for answer in predicted(emoloom, tmp_path / "in.jsonl", "--run", finished.path)}
    assert len(kept) == 3
    assert {name: answers[name]["reply"] for name in kept} == kept


def test_nothing_of_the_appraisal_verifier_is_touched(finished: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("so late again\n")
    (tmp_path / "watch.py").write_text(WATCH)
    done = subprocess.run(
        [sys.executable, tmp_path / "watch.py", "predict", tmp_path / "in.txt", "--run", finished.path],
        env={**os.environ, "PYTHONPATH": str(Path(emoloom.__file__).parents[1]), "EMOLOOM_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    predicted, touched = done.stdout.splitlines()
    assert json.loads(predicted)["id"] == "1"
    assert json.loads(touched) == []


def test_a_bad_line_is_named_before_any_model_is_loaded(
    emoloom: Emoloom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("no model is needed to see this")

    monkeypatch.setattr("emoloom.screen.single.open_model", forbidden)
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\nplain\n{"text": 1}\n')
    done = emoloom("predict", tmp_path / "in.jsonl", "--model", "path:x")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {tmp_path / 'in.jsonl'}:3: field 'text' is 1")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
@pytest.mark.parametrize("flags", [(), ("--trust-remote-code",)])
def test_code_of_a_models_own_is_trusted_if_asked_for(
    verb: str, flags: tuple[str, ...], emoloom: Emoloom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []

    def opening(*_: object, trust: bool) -> None:
        told.append(trust)
        raise EmoLoomError("enough")

    monkeypatch.setattr("emoloom.screen.single.open_model", opening)
    (tmp_path / "in.txt").write_text("a day\n")
    what = (tmp_path / "in.txt",) if verb == "predict" else ("--eval", "starter:dev")
    assert emoloom(verb, *what, "--model", "path:x", *flags).code == 2
    assert told == [bool(flags)]


def test_evaluate_prints_all_figures_as_json(emoloom: Emoloom, model: Path, data: Path) -> None:
    done = emoloom("evaluate", "--eval", f"jsonl:{data}", "--model", f"path:{model}", "--limit", 2, "--json")
    assert done.code == 0
    figures = json.loads(done.out)
    assert list(figures) == ["jsonl:mine"]
    score = figures["jsonl:mine"]
    assert (score["n"], score["space"], score["vad_sources"]) == (2, "goemotions", {"gold": 2})
    assert (score["metrics"]["parse_ok"], score["metrics"]["strict_macro_f1"]) == (0.0, 0.0)
    assert sum(score["failures"].values()) == 2


def test_evaluate_prints_a_table(emoloom: Emoloom, model: Path, data: Path) -> None:
    done = emoloom("evaluate", "--eval", f"jsonl:{data}", "--model", f"path:{model}", "--limit", 1)
    assert done.code == 0
    [row] = [line for line in done.out.splitlines() if "jsonl:mine" in line]
    assert [cell.strip() for cell in row.split("│")[1:5]] == ["jsonl:mine", "goemotions, gold VAD", "1", "0.000"]


def test_evaluating_a_run_gives_its_figures(emoloom: Emoloom, finished: RunFolder, data: Path) -> None:
    done = emoloom("evaluate", "--eval", f"jsonl:{data}", "--run", finished.path, "--limit", 3, "--json")
    [row] = [row for row in finished.read_json("leaderboard.json")["rows"] if row["stage"] == "tuned"]
    metrics = json.loads(done.out)["jsonl:mine"]["metrics"]
    for name in ("parse_ok", "strict_macro_f1", "strict_micro_f1"):
        assert metrics[name] == row["metrics"][name]
