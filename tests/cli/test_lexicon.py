"""``emoloom lexicon score``."""

from __future__ import annotations

import json

import pytest
from tests.cli.conftest import Emoloom

PART = {"n": 3, "pearson": {"v": 0.5, "a": 0.25, "d": -0.125}, "ccc": {"v": 0.1, "a": 0.1, "d": 0.1}, "coverage": 0.75}
FIGURES = {**PART, "splits": {"train": PART, "test": {**PART, "n": 1}}}


@pytest.fixture(autouse=True)
def figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emoloom.screen.teachers.lexicon_score.score_lexicon", lambda *_: FIGURES)


def test_figures_are_printed_for_all_and_each_split(emoloom: Emoloom) -> None:
    done = emoloom("lexicon", "score", "--lexicon", "warriner")
    assert [line.split() for line in done.out.splitlines()] == [
        [name, "n", n, "r", "v", "0.500", "a", "0.250", "d", "-0.125", "coverage", "0.750"]
        for name, n in (("all", "3"), ("train", "3"), ("test", "1"))
    ]


def test_json_holds_them_all(emoloom: Emoloom) -> None:
    assert json.loads(emoloom("lexicon", "score", "--lexicon", "warriner", "--json").out) == FIGURES
