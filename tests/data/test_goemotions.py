from __future__ import annotations

from pathlib import Path

import pytest

from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.data.load import load
from emoloom.errors import EmoLoomError


def _write(folder: Path, **splits: str) -> Path:
    (folder / "goemotions").mkdir()
    for split in ("train", "dev", "test"):
        text = splits.get(split, f"nothing but {split}\t27\tx{split}\n")
        (folder / "goemotions" / f"{split}.tsv").write_text(text, encoding="utf-8")
    return folder


def test_a_row_becomes_a_record(tmp_path: Path) -> None:
    _write(tmp_path, train=" well done you \t15,0\ted01\n")
    [record] = load("goemotions", "train", tmp_path).records
    assert record.id == "goemotions-train-ed01"
    assert record.text == "well done you"
    assert record.labels == ("admiration", "gratitude")
    assert (record.corpus, record.split, record.taxonomy) == ("goemotions", "train", "goemotions")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"He said ""no"" twice"', 'He said "no" twice'),
        ('"""Quoted"" at the start"', '"Quoted" at the start'),
        ('a "bare" quote inside', 'a "bare" quote inside'),
        ("it's, with, commas", "it's, with, commas"),
        ("\u201ccurly\u201d \U0001f600", "\u201ccurly\u201d \U0001f600"),
    ],
)
def test_csv_escaping_is_undone(tmp_path: Path, written: str, meant: str) -> None:
    _write(tmp_path, dev=f"{written}\t3\ta\nnext row\t27\tb\n")
    assert [record.text for record in load("goemotions", "dev", tmp_path).records] == [meant, "next row"]


def test_defective_rows_are_dropped_with_their_reason(tmp_path: Path) -> None:
    lines = ["fine\t3\ta", "no label\t\tb", "two columns\t3", "   \t3\tc", "unheard of\t28\td", "words\tjoy\te"]
    report = load("goemotions", "test", _write(tmp_path, test="\n".join(lines) + "\n")).report
    assert report.rows_read == 6
    assert report.rows_kept == 1
    assert report.dropped == {"empty_text": 1, "misaligned": 3, "unknown_label": 1}


def test_only_train_gives_way_to_duplicates(tmp_path: Path) -> None:
    _write(
        tmp_path,
        train="Thank  YOU\t15\ta\nonly here\t27\tb\nsee you\t27\tc\nonly here\t3\td\n",
        dev="thank you\t15\te\n",
        test="See you\t27\tf\nthank you\t0\tg\n",
    )
    train = load("goemotions", "train", tmp_path)
    assert [record.id[-1] for record in train.records] == ["b", "d"]
    assert train.report.dropped == {"also_in_dev": 1, "also_in_test": 1}
    assert load("goemotions", "dev", tmp_path).report.dropped == {}
    assert load("goemotions", "test", tmp_path).report.rows_kept == 2


def test_a_quote_that_swallows_the_file_is_an_error(tmp_path: Path) -> None:
    _write(tmp_path, dev='"never closed\t3\ta\n' + "x" * 200_000)
    with pytest.raises(EmoLoomError, match=r"dev\.tsv: not readable as CSV"):
        load("goemotions", "dev", tmp_path)


def test_label_ids_count_in_taxonomy_order(corpora: Path) -> None:
    official = (corpora / "goemotions" / "emotions.txt").read_text(encoding="utf-8").split()
    assert tuple(official) == GOEMOTIONS.labels


def test_labels_and_quotes_of_the_official_train_file(corpora: Path) -> None:
    records = load("goemotions", "dev", corpora).records
    lines = (corpora / "goemotions" / "dev.tsv").read_text(encoding="utf-8").splitlines()
    official = (corpora / "goemotions" / "emotions.txt").read_text(encoding="utf-8").split()
    escaped = 0
    for record, line in zip(records, lines, strict=True):
        text, ids, comment = line.split("\t")
        if text.startswith('"'):
            escaped += 1
            text = text[1:-1].replace('""', '"')
        assert record.id == f"goemotions-dev-{comment}"
        assert record.text == text.strip()
        assert set(record.labels) == {official[int(i)] for i in ids.split(",")}
    assert escaped == 137
