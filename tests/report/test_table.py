"""The leaderboard on the terminal."""

from __future__ import annotations

import pytest
from tests.screenings import rename

from emoloom.report.table import (
    COLUMNS,
    TERMINAL,
    columns_of,
    figure,
    gold_note,
    plain_console,
    print_leaderboard,
    scores_table,
)
from emoloom.store.run import RunFolder


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (0.0, "0.000"), (1.0, "1.000"), (-2.3074, "-2.307"), (0.12351, "0.124")]
)
def test_figures_have_three_decimals(value: float | None, shown: str) -> None:
    assert figure(value) == shown


@pytest.mark.parametrize(
    ("space", "sources", "note"),
    [
        ("goemotions", {"gold": 3}, "goemotions, gold VAD"),
        ("dailydialog", {"blend": 3}, "dailydialog, weak VAD"),
        ("goemotions", {"gold": 2, "label": 1}, "goemotions, weak VAD but for 2 gold"),
        (None, {"gold": 3}, "no labels, gold VAD"),
        ("goemotions", {}, "goemotions, no VAD"),
    ],
)
def test_the_note_says_what_is_judged_against(space: str | None, sources: dict[str, int], note: str) -> None:
    assert gold_note({"space": space, "vad_sources": sources}) == note


def test_the_printed_figures_are_those_of_the_leaderboard(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    print_leaderboard(run)
    lines = capsys.readouterr().out.splitlines()
    board = run.read_json("leaderboard.json")
    cells = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in lines if line.startswith("│")]
    columns = columns_of((row["metrics"] for row in board["rows"]), TERMINAL)
    for row in board["rows"]:
        figures = [figure(row["metrics"].get(name)) for name in columns]
        assert [row["candidate"], row["stage"], row["readout"], str(row["n"]), *figures] in cells
    for row in board["ranking"]:
        low, high = row["interval"]
        expected = [str(row["group"]), row["candidate"], figure(row["score"]), f"{low:.3f} to {high:.3f}"]
        assert [*expected, figure(row["probability_of_best"]), "–"] in cells
    assert lines[-1] == board["verdict"][0]


@pytest.mark.parametrize("name", ["path:/m/[red]x", "path:/m/[/]", "hf:x:smile:", "path:[bold"])
def test_names_are_printed_as_they_are(run: RunFolder, capsys: pytest.CaptureFixture[str], name: str) -> None:
    rename(run, name)
    print_leaderboard(run)
    printed = capsys.readouterr().out
    assert printed.count(name) == 3


def test_one_candidates_scores_name_the_corpus(capsys: pytest.CaptureFixture[str]) -> None:
    score = {"metrics": {"parse_ok": 0.5, "vad_r_v": None}, "space": None, "vad_sources": {"gold": 2}, "n": 2}
    plain_console().print(scores_table("path:[x]", {"jsonl:[y]": score}))
    printed = capsys.readouterr().out
    assert "path:[x]" in printed
    assert "no labels, gold VAD" in printed
    row = next(line for line in printed.splitlines() if "jsonl:[y]" in line)
    assert [cell.strip() for cell in row.split("│")[3:6]] == ["2", "0.500", "–"]


def test_long_sentences_stay_on_one_line(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    board = run.read_json("leaderboard.json")
    board["verdict"] = ["word " * 100 + "end"]
    run.write_json("leaderboard.json", board)
    print_leaderboard(run)
    assert capsys.readouterr().out.splitlines()[-1] == board["verdict"][0]


def test_a_table_has_the_columns_that_a_row_has() -> None:
    assert list(columns_of([{"ece": 0.1, "parse_ok": 1.0}, {"vad_skill": None, "else": 2.0}])) == [
        "parse_ok",
        "vad_skill",
        "ece",
    ]
    assert columns_of([dict.fromkeys(COLUMNS)]) == COLUMNS


def test_what_it_cost_is_told_by_name(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    (cell,) = (cell for cell in run.read_json("manifest.json")["cells"] if cell["stage"] == "tuned")
    spent = {
        "train_seconds": 61.2,
        "trained_examples": 40,
        "fit_seconds": 3.0,
        "decode_seconds": 10.0,
        "decoded": 5,
        "counts": {"forwards": 8},
        "peak_memory_bytes": 2.5e9,
        "parameters": 134515008,
    }
    run.write_json("timings.json", {"cells": {cell["key"]: spent}})
    print_leaderboard(run)
    lines = capsys.readouterr().out.splitlines()
    cells = [[part.strip() for part in line.strip("│ ").split("│")] for line in lines]
    assert ["path:/models/a", "tuned", "free", "74", "45", "0.50", "1.60", "2.5 GB", "135 M"] in cells


def test_a_candidate_can_be_read_in_a_narrow_terminal(
    run: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    print_leaderboard(run)
    assert "baseline:majority" in capsys.readouterr().out.split("ranking")[0]
