"""Bars appear when there is work, and show names as they are."""

from __future__ import annotations

import contextlib

import pytest

from emoloom.cli.progress import TerminalProgress


def test_without_work_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress() as progress:
        progress.say("fetching [/]:smile: " + "x" * 300)
    assert capsys.readouterr() == ("", "fetching [/]:smile: " + "x" * 300 + "\n")


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


def test_an_error_inside_ends_the_bars(capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(KeyboardInterrupt), TerminalProgress() as progress:
        progress("training", 1, 3)
        raise KeyboardInterrupt
    assert "1/3" in capsys.readouterr().err
