"""The three corpora of appraised texts: quirks, mappings, official counts; and the starter corpus in their place."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from emoloom.data import enisear, envent, isear
from emoloom.data.load_appraised import load_appraised, load_starter
from emoloom.errors import EmoLoomError

ISEAR_COLUMNS = "ID EMOT Field1 WHEN LONG INTS EXPC PLEA PLAN FAIR CAUS COPING MORL SELF RELA SIT".split()
ROW = dict.fromkeys(ISEAR_COLUMNS, "1") | {"ID": "11001", "Field1": "Joy", "SIT": "When I won."}
SHA256 = {
    "isear": "f099d542ee76bae2b5e7896b59d194aa441fdb7281ef7695da984da8518db451",
    "crowd-envent": "abda074e9c124a06f101fead5f6c58fca95b5bfb3445b24e0e4264a0b14b8096",
    "enisear": "7c7988bbbf1ecfab8f57daa0157c1dd975e5a2184aa64903bc8a84f67256d745",
}


def isear_file(*rows: dict[str, str]) -> str:
    lines = [",".join(ISEAR_COLUMNS)]
    lines += [",".join('"{}"'.format((ROW | row)[name].replace('"', '""')) for name in ISEAR_COLUMNS) for row in rows]
    return "\n".join(lines) + "\n"


def test_isear_codes_become_atoms() -> None:
    codes = {"PLAN": "1", "COPING": "4", "EXPC": "2", "FAIR": "3", "CAUS": "0"}
    [row] = isear.read(isear_file(codes)).rows
    assert (row.text, row.group, row.emotion) == ("When I won.", "11001", "joy")
    assert row.atoms == (1.0, 0.75, 0.5, 0.0)
    assert row.answers["COPING=4"] == row.answers["CAUS=0"] == 1.0
    [row] = isear.read(isear_file(dict.fromkeys(("PLAN", "COPING", "EXPC", "FAIR"), "0"))).rows
    assert row.atoms == (None, None, None, None)


def test_isear_line_wraps_are_undone_and_non_answers_dropped() -> None:
    wrapped = {"SIT": 'One á\ntwo  á\r\n"three".'}
    silent = [{"SIT": text} for text in ("[ No response.]", " [ Same as in anger.]", "NO RESPONSE.", " ")]
    draft = isear.read(isear_file(wrapped, *silent, {"PLAN": "4"}, {"EXPC": "x"}))
    assert [row.text for row in draft.rows] == ['One two "three".']
    assert draft.dropped == {"no_answer": 4, "bad_code": 2}


def test_envent_ratings_become_atoms() -> None:
    ratings = dict.fromkeys(envent._ITEMS, "1") | {
        "goal_support": "5", "self_control": "2", "predict_event": "4", "standards": "5", "social_norms": "2",
    }  # fmt: skip
    row = {"emotion": "Pride", "hidden_emo_text": "I was  so ...", **ratings}
    header, cells = ",".join(row), ",".join(row.values())
    draft = envent.read(f"{header}\n{cells}\n{cells.replace('Pride', 'x').replace(',5', ',6')}\nx,,1\n")
    [kept] = draft.rows
    assert (kept.text, kept.group, kept.emotion) == ("I was so ...", None, "pride")
    assert kept.atoms == (1.0, 0.25, 0.75, 0.375)
    assert kept.answers["effort"] == 0.0
    assert draft.dropped == {"bad_rating": 1, "empty_text": 1}


def test_enisear_is_read_without_quoting_and_without_its_frame() -> None:
    header = "Sentence_id\tPrior_Emotion\tSentence\tAttention\tCertainty\tEffort\tPleasant\tResponsibility\tControl\tCircumstance"
    lines = ['1\tFear\tI felt ... when he said "go.\t1\t0\t1\t0\t0\t1\t0', "2\tJoy\tMy day.\t1\t1\t0\t1\t0\t0\t2"]
    draft = enisear.read("\r\n".join([header, *lines, ""]))
    [row] = draft.rows
    assert (row.text, row.emotion, row.atoms) == ('he said "go.', "fear", (0.0, 1.0, 0.0, None))
    assert row.answers["Circumstance"] == 0.0
    assert draft.dropped == {"bad_answer": 1}


@pytest.mark.parametrize("corpus", [isear, envent, enisear])
def test_another_file_is_an_error(corpus: object) -> None:
    with pytest.raises(EmoLoomError, match="no column"):
        corpus.read("a,b\n1,2\n")  # type: ignore[attr-defined]


@pytest.mark.usefixtures("no_data")
def test_absent_corpora_are_none(tmp_path: Path) -> None:
    assert load_appraised() == load_appraised(tmp_path) == ()
    with pytest.raises(EmoLoomError, match="does not exist"):
        load_appraised(tmp_path / "absent")


def test_a_file_without_a_usable_row_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "appraisal" / "isear").mkdir(parents=True)
    (tmp_path / "appraisal" / "isear" / "isear.csv").write_text(isear_file({"SIT": "NO RESPONSE."}), encoding="utf-8")
    with pytest.raises(EmoLoomError, match="no usable row"):
        load_appraised(tmp_path)


def test_starter_brings_its_own_atoms() -> None:
    starter = load_starter()
    assert len(starter.rows) == starter.report.rows_kept > 700
    assert starter.report.split == "train"
    assert {row.emotion for row in starter.rows} == {
        "anger",
        "disgust",
        "fear",
        "joy",
        "sadness",
        "surprise",
        "neutral",
    }
    assert all(atom is not None and 0 <= atom <= 1 for row in starter.rows for atom in row.atoms)


def test_official_files(corpora: Path) -> None:
    loaded = {corpus.name: corpus for corpus in load_appraised(corpora)}
    assert {name: loaded[name].report.sha256 for name in SHA256} == SHA256
    assert {name: loaded[name].report.rows_read for name in SHA256} == {
        "isear": 7_666, "crowd-envent": 6_600, "enisear": 1_001,
    }  # fmt: skip
    assert loaded["isear"].report.dropped == {"no_answer": 206}
    assert not any("á\n" in row.text or row.text.startswith("[") for row in loaded["isear"].rows)
    assert len({row.group for row in loaded["isear"].rows}) == 1_095
    assert len(loaded["crowd-envent"].rows) == 6_600
    assert len(loaded["enisear"].rows) == 1_001


def test_official_isear_answers(corpora: Path) -> None:
    with (corpora / "appraisal" / "isear" / "isear.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["SIT"].strip()[0] != "[" and row["SIT"] != "NO RESPONSE."]
    loaded = load_appraised(corpora)[0].rows
    helped = {"0": None, "1": 1.0, "2": 0.5, "3": 0.0}
    assert [row.atoms[0] for row in loaded] == [helped[row["PLAN"]] for row in rows]
    assert [row.atoms[3] for row in loaded] == [helped[row["FAIR"]] for row in rows]
