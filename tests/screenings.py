"""Screenings small enough for tests, and what they leave behind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import emoloom.screen.cells
import emoloom.screen.finished.verify
import emoloom.screen.readouts.readout
from emoloom.config import PARTS, Recipe, ScreenConfig
from emoloom.report.html import write_report
from emoloom.screen.plan import Plan, make_plan
from emoloom.screen.run import run_plan
from emoloom.store.run import RunFolder

# Random models never end a reply, so that this bounds the time.
MAX_NEW_TOKENS = 6
BASELINES_ONLY = ("baseline:majority",)
OFF = Recipe().without(*PARTS).model_dump(include=set().union(*PARTS.values()))
"""What turns a recipe into plain fine-tuning."""

ROWS = (
    {"text": "the parcel came at last", "labels": ["joy", "relief"], "vad": {"v": 0.8, "a": 0.5, "d": 0.6}},
    {"text": "someone scratched my car", "labels": ["anger"], "vad": {"v": 0.2, "a": 0.8, "d": 0.5}},
    {"text": "the train is late again", "labels": ["annoyance"], "vad": {"v": 0.3, "a": 0.6, "d": 0.4}},
    {"text": "lunch is at noon", "labels": ["neutral"], "vad": {"v": 0.5, "a": 0.3, "d": 0.5}},
    {"text": "my grandmother died in May", "labels": ["grief"], "vad": {"v": 0.1, "a": 0.4, "d": 0.2}},
)


def write_jsonl(path: Path, rows: Sequence[object] = ROWS) -> Path:
    """A corpus file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def small(model: Path | None, data: Path, out: Path | None = None, **changes: Any) -> ScreenConfig:
    """Settings that train on 6 starter records and judge 3 records of ``data``, 2 of them zero-shot; plainly, but for the
    ``recipe`` among the changes."""
    settings: dict[str, Any] = {
        "model": (f"path:{model}",) if model else BASELINES_ONLY,
        "train_limit": 6,
        "eval": (f"jsonl:{data}",),
        "limit": 3,
        "zero_shot_limit": 2,
        "out": out,
        "recipe": {"batch_size": 2, "rank": 2, "learning_rate": 0.1},
    }
    merged = settings | changes
    return ScreenConfig.model_validate(merged | {"recipe": OFF | merged["recipe"]})


def shorten_replies(monkeypatch: Any) -> None:
    """Has models write a few tokens only."""
    monkeypatch.setattr(emoloom.screen.readouts.readout, "MAX_NEW_TOKENS", MAX_NEW_TOKENS)
    monkeypatch.setattr(emoloom.screen.cells, "MAX_NEW_TOKENS", MAX_NEW_TOKENS)
    monkeypatch.setattr(emoloom.screen.finished.verify, "MAX_NEW_TOKENS", MAX_NEW_TOKENS)


def plan(config: ScreenConfig) -> Plan:
    """The plan, without a word."""
    return make_plan(config, lambda _: None)


def screen(config: ScreenConfig) -> RunFolder:
    """Does what ``emoloom screen`` does, without a word."""
    run = run_plan(plan(config), lambda _what, _more, _total: None, lambda _: None)
    write_report(run)
    return run


def files(folder: Path) -> dict[str, bytes]:
    """Every file by its path in the folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lasting(folder: Path) -> dict[str, bytes]:
    """Every file that must not differ between two runs of a plan."""
    return {name: content for name, content in files(folder).items() if name != "timings.json"}


def rename(run: RunFolder, candidate: str, reply: str = "{}") -> None:
    """Turns the TF-IDF cell of a run of baselines into a fine-tuned ``candidate`` that always answers ``reply``."""
    manifest, board = run.read_json("manifest.json"), run.read_json("leaderboard.json")
    cell = next(cell for cell in manifest["cells"] if cell["candidate"] != "baseline:majority")
    before = cell["candidate"]
    cell |= {"candidate": candidate, "stage": "tuned", "readout": "free"}
    manifest["candidates"] = [
        {"name": candidate, "source": candidate, "licence": candidate, "sha256": "0" * 64, "prompt_sha256": "1" * 64}
        | {"chat_template": True, "cut": {"texts": 0, "replies": 0}}
    ]
    for row in [*board["rows"], *board["ranking"]]:
        if row["candidate"] == before:
            row |= {"candidate": candidate, "stage": "tuned", "readout": "free"}
    board["verdict"] = [f"Best candidate: {candidate}, ranking score 0.100."]
    rows = [{**row, "reply": reply, "outcome": "bad_json"} for row in run.cell(cell["key"]).replies()]
    metrics = run.cell(cell["key"]).metrics()
    assert metrics
    run.cell(cell["key"]).finish(rows, metrics)
    run.write_json("manifest.json", manifest)
    run.write_json("leaderboard.json", board)
