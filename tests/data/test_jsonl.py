from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from emoloom.contract.record import Appraisal, Record, Vad
from emoloom.data.load import load
from emoloom.errors import EmoLoomError


def _write(folder: Path, *lines: str) -> str:
    (folder / "mine.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return f"jsonl:{folder / 'mine.jsonl'}"


def test_what_a_line_leaves_out_is_filled_in(tmp_path: Path) -> None:
    name = _write(
        tmp_path, '{"text":"so glad"}', "", '{"text":"ugh","labels":["disgust","anger"],"vad":{"v":0,"a":1,"d":0.5}}'
    )
    first, second = load(name, "dev").records
    assert first == Record(id="mine-1", text="so glad", corpus="jsonl:mine", split="dev")
    assert (second.id, second.labels) == ("mine-3", ("anger", "disgust"))
    assert second.vad is not None
    assert second.vad.triple == (0.0, 1.0, 0.5)
    assert second.vad_source == "gold"


def test_a_record_survives_being_written_and_read(tmp_path: Path) -> None:
    record = Record(
        id="é1",
        text="Well…\n“no” \\ yes",
        context=("before",),
        labels=("afraid",),
        taxonomy="empathetic",
        vad=Vad(v=0.1, a=0.2, d=0.3),
        vad_source="lexicon",
        vad_weight=0.5,
        vad_coverage=0.25,
        rationale="a reason",
        corpus="other",
        split="test",
        appraisal=Appraisal(goal_attainment=0.1, controllability=0.2, certainty=0.3, fairness=0.4),
        cues=("no",),
    )
    name = _write(tmp_path, record.line(), "")
    split = load(name, "train")
    assert split.records == (record,)
    assert split.report.sha256 == hashlib.sha256((tmp_path / "mine.jsonl").read_bytes()).hexdigest()
    assert split.report.corpus == "jsonl:mine"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text":"a"', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"text":' + "9" * 5000 + "}", "not JSON"),
        ('{"text":"cut \\ud83d"}', "half a character"),
        ('["a"]', "list in place of a JSON object"),
        ('{"labels":["joy"]}', "field 'text' is missing. Write lines such as"),
        ('{"Text":"a"}', "field 'text' is missing. Write text in place of Text."),
        ('{"text":"a","context":"b"}', "field 'context' is 'b'. Write a list such as [\"How are you?\"]."),
        ('{"text":"a","vad":[0,0,0]}', "field 'vad' is [0, 0, 0]. Write an object such as {\"v\": 0.8,"),
        ('{"text":"a","appraisal":[1]}', "field 'appraisal' is [1]. Write an object of the four atoms."),
        ('{"text_id":"a"}', "field 'text' is missing. Write lines such as"),
        ('{"text":"a","vad":{"valence":1}}', "field 'vad.v' is missing. Write v in place of valence."),
        ('{"text":"a","labels":["joyy"]}', "unknown goemotions label 'joyy'. Did you mean joy?"),
        ('{"text":"a","labels":"joy"}', "field 'labels' is 'joy'"),
        ('{"text":"a","label":["joy"]}', "unknown field 'label'. Did you mean labels?"),
        ('{"text":"a","taxonomy":"ekmann"}', "unknown taxonomy 'ekmann'. Did you mean ekman"),
        ('{"text":"a","vad":{"v":1.5,"a":0,"d":0}}', "field 'vad.v' is 1.5"),
        ('{"text":"a","vad":{"v":NaN,"a":0,"d":0}}', "field 'vad.v' is nan"),
        ('{"text":"a","vad":{"v":1,"a":0}}', "field 'vad.d' is missing"),
        ('{"text":"a","id":"mine-1"}', "id 'mine-1' already occurs in line 1"),
        ('{"text":"a","taxonomy":"ekman"}', "taxonomy 'ekman' differs from that of the lines before"),
    ],
)
def test_a_bad_line_is_named_with_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(EmoLoomError) as caught:
        load(_write(tmp_path, '{"text":"good"}', line), "train")
    assert str(caught.value).startswith(f"{tmp_path / 'mine.jsonl'}:2: ")
    assert message in str(caught.value)


def test_texts_without_a_word_are_dropped(tmp_path: Path) -> None:
    report = load(_write(tmp_path, '{"text":"a"}', '{"text":" "}'), "test").report
    assert (report.rows_read, report.rows_kept, report.dropped) == (2, 1, {"empty_text": 1})


@pytest.mark.parametrize("content", ["", "\n \n", '{"text":""}\n'])
def test_a_file_without_records_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(EmoLoomError, match=r"mine\.jsonl: no usable row"):
        load(_write(tmp_path, content), "train")


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError, match=r"absent\.jsonl: cannot read the file: No such file"):
        load(f"jsonl:{tmp_path / 'absent.jsonl'}", "train")
    (tmp_path / "latin.jsonl").write_bytes('{"text":"é"}'.encode("latin-1"))
    with pytest.raises(EmoLoomError, match=r"latin\.jsonl: not UTF-8 at byte 9"):
        load(f"jsonl:{tmp_path / 'latin.jsonl'}", "train")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "w.jsonl").write_bytes(b'\xef\xbb\xbf{"text":"a"}\r\n{"text":"b"}\r\n')
    assert [record.text for record in load(f"jsonl:{tmp_path / 'w.jsonl'}", "train").records] == ["a", "b"]
