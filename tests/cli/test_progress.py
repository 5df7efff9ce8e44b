"""Bars appear when there is work, lines where the output is no terminal; names are shown as they are."""

from __future__ import annotations

import contextlib

import pytest

from emoloom.cli.progress import TerminalProgress


def test_without_work_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress() as progress:
        progress.say("fetching [/]:smile: " + "x" * 300)
    assert capsys.readouterr() == ("", "fetching [/]:smile: " + "x" * 300 + "\n")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")


@pytest.mark.usefixtures("terminal")
def test_each_kind_of_work_has_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress() as progress:
        progress("training [/]", 0, 3)
        progress("training [/]", 2, 3)
        progress("decoding :smile:", 5, 5)
        progress("decoding :smile:", 1, 4)
    lines = [line.split() for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert [(line[0], line[1], next(word for word in line if "/" in word and word[0].isdigit())) for line in lines] == [
        ("training", "[/]", "2/3"),
        ("decoding", ":smile:", "5/5"),
        ("decoding", ":smile:", "1/4"),
    ]


@pytest.mark.usefixtures("terminal")
def test_each_rung_of_a_race_has_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress() as progress:
        progress("training x", 16, 16)
        progress("training y", 16, 16)
        for more in (16, 16):
            progress("training x", more, 32)
    lines = [line.split() for line in capsys.readouterr().err.splitlines() if line.strip()]
    done = [next(word for word in line if "/" in word and word[0].isdigit()) for line in lines]
    assert done == ["16/16", "16/16", "32/32"]


def test_without_a_terminal_work_is_counted_anew_at_each_rung(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress() as progress:
        for total in (76, 92):
            progress("fitting x", total, total)
    assert capsys.readouterr().err.splitlines() == ["fitting x 76/76", "fitting x 92/92"]


@pytest.mark.usefixtures("terminal")
def test_an_error_inside_ends_the_bars(capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(KeyboardInterrupt), TerminalProgress() as progress:
        progress("training", 1, 3)
        raise KeyboardInterrupt
    assert "1/3" in capsys.readouterr().err


def told(capsys: pytest.CaptureFixture[str], steps: list[int], total: int) -> list[str]:
    with TerminalProgress() as progress:
        for more in steps:
            progress("training x", more, total)
    return capsys.readouterr().err.splitlines()


def test_a_line_at_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, [0, *[8] * 10], 80)
    assert lines == [f"training x {n}/80" for n in range(8, 81, 8)]
    assert told(capsys, [1] * 1000, 1000) == [f"training x {n}/1000" for n in range(100, 1001, 100)]


def test_a_large_step_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, [0, 7, 1, 2], 10) == ["training x 7/10", "training x 8/10", "training x 10/10"]


def test_the_same_work_again_begins_anew(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, [2, 1, 3], 3) == ["training x 2/3", "training x 3/3", "training x 3/3"]
