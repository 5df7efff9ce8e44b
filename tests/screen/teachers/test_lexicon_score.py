"""How well a lexicon predicts gold VAD, against scipy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import pearsonr
from tests.screenings import write_jsonl

from emoloom.errors import EmoLoomError
from emoloom.lexicon.calibrate import Calibration
from emoloom.lexicon.norms import Lexicon
from emoloom.lexicon.reading import FEATURES
from emoloom.lexicon.teacher import Teacher
from emoloom.screen.teachers import lexicon_score
from emoloom.screen.teachers.lexicon_score import score_lexicon

ENTRIES = {"good": (0.9, 0.6, 0.7), "bad": (0.1, 0.4, 0.3), "calm": (0.6, 0.1, 0.6)}
TEXTS = ("good", "bad", "calm", "good calm", "bad zebra", "zebra")
GOLD = ((0.8, 0.5, 0.5), (0.2, 0.6, 0.4), (0.6, 0.3, 0.6), (0.7, 0.4, 0.9), (0.3, 0.5, 0.1), (0.5, 0.5, 0.5))


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> Teacher:
    axes = {"valence": (1.0, 0.0, 0.0), "arousal": (0.0, 1.0, 0.0), "dominance": (0.0, 0.0, 1.0)}
    weights = {name: axes.get(name, (0.0, 0.0, 0.0)) for name in FEATURES}
    lexicon = Lexicon("small", ENTRIES, 1, "0" * 64)
    teacher = Teacher(lexicon, Calibration("small", "0" * 64, "", 1, (0.5, 0.5, 0.5), weights))
    monkeypatch.setattr(lexicon_score, "load_teacher", lambda _: teacher)
    return teacher


def test_figures_are_those_of_scipy(teacher: Teacher, tmp_path: Path) -> None:
    rows = [{"text": text, "vad": dict(zip("vad", gold, strict=True))} for text, gold in zip(TEXTS, GOLD, strict=True)]
    file = write_jsonl(tmp_path / "gold.jsonl", rows)
    figures = score_lexicon("small", f"jsonl:{file}", None)
    estimates = np.array([teacher.read_vad(text) for text in TEXTS])
    for axis, name in enumerate("vad"):
        expected = pearsonr(estimates[:, axis], np.array(GOLD)[:, axis]).statistic
        assert figures["pearson"][name] == pytest.approx(expected)
    assert (figures["n"], figures["calibrated_on"]) == (6, "")
    assert figures["coverage"] == pytest.approx((1 + 1 + 1 + 1 + 0.5 + 0) / 6)
    assert list(figures["splits"]) == ["train"]
    assert figures["splits"]["train"]["pearson"] == figures["pearson"]


@pytest.mark.usefixtures("teacher")
def test_a_corpus_without_gold_is_refused(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "bare.jsonl", [{"text": "a", "labels": ["joy"]}])
    with pytest.raises(EmoLoomError, match="no gold VAD"):
        score_lexicon("small", f"jsonl:{file}", None)


def test_the_correlation_of_a_constant_is_undefined(teacher: Teacher, tmp_path: Path) -> None:
    rows = [{"text": "zebra", "vad": dict(zip("vad", gold, strict=True))} for gold in GOLD]
    assert teacher.read_vad("zebra") == (0.5, 0.5, 0.5)
    figures = score_lexicon("small", f"jsonl:{write_jsonl(tmp_path / 'gold.jsonl', rows)}", None)
    assert figures["pearson"] == {"v": None, "a": None, "d": None}


def test_no_lexicon_has_no_score(tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError, match="there is nothing to score"):
        score_lexicon("none", f"jsonl:{write_jsonl(tmp_path / 'any.jsonl')}", None)
