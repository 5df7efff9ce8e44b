"""Lexicons by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from emoloom.errors import EmoLoomError
from emoloom.lexicon.load import load_teacher
from emoloom.lexicon.teacher import UNFITTED


def test_lexicons_must_be_known_and_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOLOOM_CACHE", str(tmp_path))
    with pytest.raises(EmoLoomError, match=r"unknown lexicon 'wariner'\. Did you mean warriner"):
        load_teacher("wariner")
    with pytest.raises(EmoLoomError, match="emoloom fetch lexicon:warriner"):
        load_teacher("lexicon:warriner")
    assert load_teacher(None).lexicon is None


FORMATS = {
    "nrc-1.txt": "Word\tValence\tArousal\tDominance\nsun\t0.875\t0.25\t0.5\nrain\t0.25\t0.375\t0.5\n",
    "nrc-2.txt": "term\tvalence\tarousal\tdominance\nsun\t0.75\t-0.5\t0\nrain\t-0.5\t-0.25\t0\n",
    "anew.csv": "Description,Valence Mean,Arousal Mean,Dominance Mean\nsun,8,3,5\nrain,3,4,5\n",
    "own.csv": "# scale: 0..8\nword,v,a,d\nsun,7,2,4\nrain,2,3,4\n",
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_read_on_its_own_scale(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FORMATS[name])
    teacher = load_teacher(str(tmp_path / name))
    assert teacher.lexicon
    assert teacher.lexicon.name == Path(name).stem
    assert teacher.lexicon.entries == {"sun": (0.875, 0.25, 0.5), "rain": (0.25, 0.375, 0.5)}
    assert teacher.calibration
    assert (teacher.calibration.fitted_on, teacher.calibration.lexicon_sha256) == (UNFITTED, teacher.lexicon.sha256)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# scale: 1..5\nword,v,a,d\nsun,5,3,1\nsea,7,3,1\n", r"own\.csv:4: 7 is outside the scale 1\.\.5"),
        ("word,v,a,d\nsun,5,3,1\n", r"own\.csv:1: the scale is not declared\. Make the first line `# scale"),
    ],
)
def test_a_wrong_or_missing_scale_is_named_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "own.csv").write_text(content)
    with pytest.raises(EmoLoomError, match=message):
        load_teacher(str(tmp_path / "own.csv"))


@pytest.mark.parametrize("name", ["absent.csv", "norms/absent"])
def test_an_absent_file_is_not_taken_for_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EmoLoomError, match=f"{name}: cannot read the lexicon: No such file"):
        load_teacher(name)
