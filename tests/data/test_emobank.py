from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from emoloom.data.load import load
from emoloom.errors import EmoLoomError

ROWS = [
    ("a1", "train", "1.0", "3.0", "5.0", 'She said "go", and I went.'),
    ("a2", "dev", "3.12", "2.8", "3.33", "Two, three"),
    ("a3", "test", "3.0", "3.0", "3.0", "!"),
]


def _write(folder: Path, rows: Sequence[tuple[str, ...]], header: str = "id,split,V,A,D,text") -> Path:
    (folder / "emobank").mkdir()
    with (folder / "emobank" / "emobank.csv").open("w", encoding="utf-8", newline="") as file:
        file.write(f"{header}\n")
        csv.writer(file).writerows(rows)
    return folder


def test_ratings_are_scaled_from_one_to_five(tmp_path: Path) -> None:
    _write(tmp_path, ROWS)
    [record] = load("emobank", "train", tmp_path).records
    assert record.id == "emobank-train-a1"
    assert record.text == 'She said "go", and I went.'
    assert record.vad is not None
    assert record.vad.triple == (0.0, 0.5, 1.0)
    assert (record.labels, record.vad_source, record.vad_weight) == ((), "gold", 1.0)
    [record] = load("emobank", "dev", tmp_path).records
    assert record.vad is not None
    assert record.vad.triple == (0.53, 0.45, 0.5825)


def test_defective_rows_are_dropped_with_their_reason(tmp_path: Path) -> None:
    bad = [("b", "dev", *ratings, "text") for ratings in (("0.9", "3", "3"), ("3", "high", "3"), ("3", "3", "nan"))]
    report = load("emobank", "dev", _write(tmp_path, [*ROWS, *bad, ("b", "dev", "3", "3", "3", " ")])).report
    assert (report.rows_read, report.rows_kept) == (5, 1)
    assert report.dropped == {"bad_rating": 3, "empty_text": 1}


def test_another_file_of_the_release_is_an_error(tmp_path: Path) -> None:
    _write(tmp_path, [], header="id,V,A,D,stdV,stdA,stdD,N")
    with pytest.raises(EmoLoomError, match=r"emobank\.csv:1: no column split, text"):
        load("emobank", "train", tmp_path)


def test_official_ratings(corpora: Path) -> None:
    with (corpora / "emobank" / "emobank.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    for record, row in zip(load("emobank", "test", corpora).records, rows, strict=True):
        assert record.vad is not None
        assert record.vad.triple == pytest.approx([(float(row[axis]) - 1) / 4 for axis in "VAD"], abs=1e-12)
