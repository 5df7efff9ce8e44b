from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from emoloom.data.load import load
from emoloom.errors import EmoLoomError

HEADER = "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags"


def _write(folder: Path, valid: list[str], *, packed: bool = True) -> Path:
    (folder / "empatheticdialogues").mkdir(exist_ok=True)
    for split in ("train", "valid", "test"):
        rows = valid if split == "valid" else [f"hit:{split},1,proud,only in {split},0,hi,,"]
        content = ("\n".join([HEADER, *rows]) + "\n").encode()
        name = f"{split}.csv.gz" if packed else f"{split}.csv"
        (folder / "empatheticdialogues" / name).write_bytes(gzip.compress(content) if packed else content)
    return folder


ROWS = [
    'hit:0_conv:1,1,sentimental,I kept "the letter_comma_ the ring_comma_and the map.,0,So_comma_ "yes,,',
    'hit:0_conv:1,2,sentimental,I kept "the letter_comma_ the ring_comma_and the map.,1,Why?",,',
    "hit:1_conv:2,1,afraid,The stairs creaked,0,Hello,,",
]


def test_a_conversation_becomes_one_record(tmp_path: Path) -> None:
    dev = load("empathetic", "dev", _write(tmp_path, ROWS))
    first, second = dev.records
    assert first.id == "empathetic-dev-hit:0_conv:1"
    assert first.text == 'I kept "the letter, the ring,and the map.'
    assert (first.labels, first.taxonomy) == (("sentimental",), "empathetic")
    assert second.labels == ("afraid",)
    assert (dev.report.rows_read, dev.report.dropped) == (3, {"same_conversation": 1})


def test_defective_rows_are_dropped_with_their_reason(tmp_path: Path) -> None:
    rows = [*ROWS, "hit:2,1,afraid,one, comma too many,0,utterance,,", "hit:3,1,puzzled,text,0,utterance,,", "hit:4,1"]
    rows.append("hit:5,1,afraid, ,0,no situation,,")
    rows.append("hit:6,1,afraid,with candidates,0,utterance,,,one|two")
    report = load("empathetic", "dev", _write(tmp_path, rows)).report
    assert report.rows_read == 8
    assert report.dropped == {"empty_text": 1, "misaligned": 2, "same_conversation": 1, "unknown_label": 1}


def test_the_official_files_may_be_unpacked(tmp_path: Path) -> None:
    packed = load("empathetic", "dev", _write(tmp_path, ROWS))
    _write(tmp_path, ROWS, packed=False)
    unpacked = load("empathetic", "dev", tmp_path)
    assert unpacked.report.source.endswith("valid.csv")
    assert unpacked.records == packed.records
    assert unpacked.report.sha256 != packed.report.sha256


def test_a_broken_archive_is_an_error(tmp_path: Path) -> None:
    path = _write(tmp_path, ROWS) / "empatheticdialogues" / "valid.csv.gz"
    whole = path.read_bytes()
    for broken in (b"plain text", whole[:-12], whole[:20] + b"\xff" * 30):
        path.write_bytes(broken)
        with pytest.raises(EmoLoomError, match=r"valid\.csv\.gz: not a gzip file"):
            load("empathetic", "dev", tmp_path)


def test_every_official_conversation_is_kept(corpora: Path) -> None:
    counts = {split: load("empathetic", split, corpora).report for split in ("train", "dev", "test")}
    given_way = sum(n for reason, n in counts["train"].dropped.items() if reason.startswith("also_in"))
    assert counts["train"].rows_kept + given_way == 19_533
    assert counts["dev"].rows_kept == 2_770
    assert counts["test"].rows_kept == 2_547
