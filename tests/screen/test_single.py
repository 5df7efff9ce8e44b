"""One model outside a screening: which one is opened, what it is asked, in what order it answers."""

from __future__ import annotations

import io
import json
import random
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests import tiny

from emoloom.contract import prompt
from emoloom.contract.record import Request
from emoloom.errors import EmoLoomError
from emoloom.lexicon.load import load_teacher
from emoloom.lexicon.teacher import Teacher
from emoloom.screen import single
from emoloom.screen.finished import reopen
from emoloom.screen.finished.verify import replay
from emoloom.screen.ground import lexicon_identity
from emoloom.screen.readouts.readout import Answer, Written
from emoloom.screen.single import Opened, evaluate_model, open_model, predict_lines, read_requests
from emoloom.store.run import RunFolder

GOOD = '{"labels":["joy"],"vad":{"v":0.95,"a":0.70,"d":0.65},"rationale":"délight"}'


def quiet(_: str) -> None:
    pass


def no_progress(_what: str, _more: int, _total: int) -> None:
    pass


def read(text: str) -> list[tuple[str, str]]:
    return [(request.id, request.text) for request in read_requests(None, io.BytesIO(text.encode()))]


def test_lines_are_texts_or_json() -> None:
    assert read('plain text\n\n{"text": "a", "id": "x"}\n  spaced \n{"text": "b"}\r\nlast\u2028line') == [
        ("1", "plain text"), ("x", "a"), ("4", "spaced"), ("5", "b"), ("6", "last\u2028line"),
    ]  # fmt: skip


def test_context_is_read_and_gold_passed_over() -> None:
    line = json.dumps({"text": "a", "context": ["before"], "labels": ["joy"], "vad": {"v": 0.1, "a": 0.2, "d": 0.3}})
    assert read_requests(None, io.BytesIO(line.encode())) == [Request(id="1", text="a", context=("before",))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'fine\n{"text": \n', r":2: not JSON"),
        (b'{"text": 3}\n', r":1: field 'text' is 3"),
        (b'{"id": "a"}\n', r":1: field 'text' is missing"),
        (b'\n\n{"text": "a", "labels": ["joyy"]}\n', r":3: unknown goemotions label 'joyy'. Did you mean joy"),
        (b'{"text": "a", "txt": 1}\n', r":1: unknown field 'txt'. Did you mean text"),
        (b" \n\n", "there is no text"),
        (b"\xff", "not UTF-8 at byte 0"),
    ],
)
def test_bad_input_is_named_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "in.jsonl"
    file.write_bytes(content)
    with pytest.raises(EmoLoomError, match=message) as caught:
        read_requests(file, io.BytesIO())
    assert caught.value.where.startswith(str(file))


def test_a_missing_file_and_empty_input_are_user_errors(tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError, match="cannot read the file: No such file"):
        read_requests(tmp_path / "no", io.BytesIO())
    with pytest.raises(EmoLoomError, match="standard input: there is no text"):
        read_requests(None, io.BytesIO())
    with pytest.raises(EmoLoomError, match="standard input: not UTF-8 at byte 4"):
        read_requests(None, io.BytesIO(b"well\xff"))


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies are finished last first: contract replies to even texts, rubbish to odd ones."""

    def answers(_self: object, requests: list[Request]) -> object:
        for index in reversed(range(len(requests))):
            yield index, Answer(GOOD if index % 2 == 0 else f"“{requests[index].text}”")

    monkeypatch.setattr(Written, "answers", answers)
    monkeypatch.setattr(single, "bit_equal", lambda *_: True)


@pytest.mark.usefixtures("answering")
def test_predictions_keep_the_order_of_the_input() -> None:
    requests = [Request(id=f'q"{n}', text=f"text {n}") for n in range(4)]
    candidate: Any = SimpleNamespace(name="m", prompter=tiny.make_prompter())
    opened = Opened(candidate, Teacher(), (0.5, 0.5, 0.5))
    lines = list(predict_lines(opened, requests, no_progress))
    assert lines[0] == '{"id":"q\\"0",' + GOOD[1:]
    assert json.loads(lines[1]) == {"id": 'q"1', "error": "no_json", "reply": "“text 1”"}
    assert [json.loads(line)["id"] for line in lines] == [request.id for request in requests]


def test_the_runs_winner_is_opened_with_what_it_learnt(finished: RunFolder, model: Path) -> None:
    plain = open_model(f"path:{model}", None, None, quiet).candidate
    tuned = open_model(None, finished.path, None, quiet).candidate
    named = open_model(f"path:{model}", finished.path, None, quiet).candidate
    weights = [next(iter(c.model.model.layers[0].parameters())) for c in (plain, tuned, named)]
    assert tuned.name == f"path:{model}"
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])


def test_the_runs_replies_are_predicted_again(finished: RunFolder, data: Path) -> None:
    opened = open_model(None, finished.path, None, quiet)
    scores = evaluate_model(opened, [f"jsonl:{data}"], 3, 0, None, no_progress)["jsonl:mine"]
    [row] = [row for row in finished.read_json("leaderboard.json")["rows"] if row["stage"] == "tuned"]
    assert (scores.n, scores.metrics["parse_ok"]) == (row["n"], row["metrics"]["parse_ok"])
    key = next(c["key"] for c in finished.read_json("manifest.json")["cells"] if c["stage"] == "tuned")
    texts = {record["id"]: record["reply"] for record in finished.cell(key).replies()}
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    requests = [Request(id=f"mine-{n}", text=row["text"]) for n, row in enumerate(rows, 1) if f"mine-{n}" in texts]
    predicted = [json.loads(line) for line in predict_lines(opened, requests, no_progress)]
    assert {line["id"]: line["reply"] for line in predicted} == texts


@pytest.fixture
def trusting(finished: RunFolder, tmp_path: Path) -> RunFolder:
    """A run that says that it trusted its models' own code."""
    run = RunFolder(Path(shutil.copytree(finished.path, tmp_path / "run")))
    manifest = run.read_json("manifest.json")
    manifest["config"]["trust_remote_code"] = True
    run.write_json("manifest.json", manifest)
    return run


def test_a_run_cannot_itself_have_its_models_code_trusted(trusting: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(reopen, "load_model", lambda name, *_, **__: loaded.append(name))
    with pytest.raises(EmoLoomError, match="pass --trust-remote-code"):
        open_model(None, trusting.path, None, quiet)
    with pytest.raises(EmoLoomError, match="pass --trust-remote-code"):
        replay(trusting, 1, random.Random(0), None, no_progress, quiet, lambda _: None)
    assert not loaded


def test_a_run_whose_models_are_trusted_is_opened(trusting: RunFolder, model: Path) -> None:
    assert open_model(None, trusting.path, None, quiet, trust=True).candidate.name == f"path:{model}"


def test_what_cannot_be_opened_is_said(finished: RunFolder, model: Path, tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError, match="no model is given"):
        open_model(None, None, None, quiet)
    with pytest.raises(EmoLoomError, match=r"manifest\.json: cannot read"):
        open_model(None, tmp_path, None, quiet)
    with pytest.raises(EmoLoomError, match="a baseline is trained inside a screening"):
        open_model("baseline:tfidf", None, None, quiet)
    with pytest.raises(EmoLoomError, match=f"unknown candidate .* Did you mean path:{model}"):
        open_model(f"path:{model}s", finished.path, None, quiet)


def test_the_runs_lexicon_is_read_again_from_its_file(finished: RunFolder, tmp_path: Path) -> None:
    norms = tmp_path / "norms.csv"
    norms.write_text("# scale: 0..1\nword,v,a,d\nsun,0.9,0.5,0.5\nrain,0.2,0.4,0.5\n")
    run = RunFolder(Path(shutil.copytree(finished.path, tmp_path / "run")))
    manifest = finished.read_json("manifest.json")
    manifest["lexicon"] = lexicon_identity(load_teacher(str(norms)))
    manifest["config"]["lexicon"] = str(norms)
    run.write_json("manifest.json", manifest)
    lexicon = open_model(None, run.path, None, quiet).teacher.lexicon
    assert lexicon
    assert set(lexicon.entries) == {"sun", "rain"}
    norms.write_text(norms.read_text().replace("0.9", "0.8"))
    with pytest.raises(EmoLoomError, match="norms: the lexicon has changed since the run used it"):
        open_model(None, run.path, None, quiet)


def test_a_run_without_candidates_has_no_winner(finished: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(finished.path, tmp_path / "run")
    board = finished.read_json("leaderboard.json")
    board["ranking"] = [row for row in board["ranking"] if row["stage"] == "baseline"]
    RunFolder(tmp_path / "run").write_json("leaderboard.json", board)
    with pytest.raises(EmoLoomError, match="no candidate was fine-tuned"):
        open_model(None, tmp_path / "run", None, quiet)


def test_a_base_that_has_changed_since_is_refused(finished: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(finished.path, tmp_path / "run")
    manifest = finished.read_json("manifest.json")
    manifest["candidates"][0]["sha256"] = "0" * 64
    RunFolder(tmp_path / "run").write_json("manifest.json", manifest)
    with pytest.raises(EmoLoomError, match="the model has changed since the run trained it"):
        open_model(None, tmp_path / "run", None, quiet)


def test_a_run_of_another_prompt_is_refused(finished: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "VERSION", "0")
    with pytest.raises(EmoLoomError, match=r"manifest\.json: the prompt has changed since the run used it"):
        open_model(None, finished.path, None, quiet)


def test_the_run_of_another_version_is_refused_as_one(finished: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(finished.path, tmp_path / "run")))
    manifest = finished.read_json("manifest.json")
    manifest["config"]["race_limit"] = 200
    run.write_json("manifest.json", manifest)
    with pytest.raises(EmoLoomError, match=r"manifest\.json: its settings are those of another version"):
        open_model(None, run.path, None, quiet)
