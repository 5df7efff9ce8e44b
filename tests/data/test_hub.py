from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emoloom.data import hub
from emoloom.data.load import CORPORA, load
from emoloom.errors import EmoLoomError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Columns = dict[str, list[Any]]
Publish = Callable[[str, str, Columns], Path]


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Puts a parquet file where the hub's cache would have it; a file that was not put there can't be downloaded."""
    snapshot = tmp_path / "hub" / "snapshots" / COMMIT

    def hf_hub_download(repo_id: str, filename: str, *, repo_type: str, revision: str) -> str:
        assert repo_type == "dataset"
        assert repo_id.count("/") == 1
        assert revision
        if not (snapshot / filename).is_file():
            raise OSError("no network")
        return str(snapshot / filename)

    def write(corpus: str, split: str, columns: Columns) -> Path:
        source = CORPORA[corpus].hub
        assert source is not None
        path = snapshot / source.files[split]
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)
        return path

    monkeypatch.setattr("huggingface_hub.hf_hub_download", hf_hub_download)
    monkeypatch.delenv("EMOLOOM_DATA", raising=False)
    return write


def test_goemotions_reads_as_from_the_local_files(publish: Publish, tmp_path: Path) -> None:
    texts = {"train": ["thanks!", 'a "b"', "same"], "dev": ["Same"], "test": ["other"]}
    (tmp_path / "local" / "goemotions").mkdir(parents=True)
    for split, lines in texts.items():
        ids = [f"{split}{i}" for i in range(len(lines))]
        publish("goemotions", split, {"text": lines, "labels": [[15, 0]] * len(lines), "id": ids})
        escaped = ['"' + text.replace('"', '""') + '"' if '"' in text else text for text in lines]
        rows = [f"{text}\t15,0\t{i}\n" for text, i in zip(escaped, ids, strict=True)]
        (tmp_path / "local" / "goemotions" / f"{split}.tsv").write_text("".join(rows), encoding="utf-8")
    for split in texts:
        assert load("goemotions", split).records == load("goemotions", split, tmp_path / "local").records
    report = load("goemotions", "train").report
    assert (report.rows_read, report.dropped) == (3, {"also_in_dev": 1})


def test_the_report_names_commit_and_checksum(publish: Publish) -> None:
    path = publish("empathetic", "dev", {"conv_id": ["c"], "context": ["sad"], "prompt": ["Rain_comma_ again"]})
    split = load("empathetic", "dev")
    assert split.records[0].text == "Rain, again"
    assert split.report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert split.report.source == (
        f"hf://datasets/facebook/empathetic_dialogues@{COMMIT}/default/validation/0000.parquet"
    )


def test_rows_that_a_quoting_reader_ran_together_are_dropped(publish: Publish) -> None:
    prompts = ['"I lost it,0,oh,,\nhit:2,1,sad', "A quiet house", "A quiet house"]
    publish("empathetic", "dev", {"conv_id": ["a", "b", "b"], "context": ["sad"] * 3, "prompt": prompts})
    assert load("empathetic", "dev").report.dropped == {"misaligned": 1, "same_conversation": 1}


def test_dailydialog_dialogues_are_lists(publish: Publish) -> None:
    publish("dailydialog", "train", {"dialog": [["Hi , Ann . ", " Bye . "]], "emotion": [[0, 0]]})
    publish("dailydialog", "test", {"dialog": [["Hi , ann . ", "Bye ."], ["I ’ m late ."]], "emotion": [[4, 0], [3]]})
    test = load("dailydialog", "test")
    assert [(record.text, record.labels) for record in test.records] == [("I’m late.", ("fear",))]
    assert test.report.dropped == {"dialogue_in_train": 2}


def test_a_local_folder_wins(publish: Publish, tmp_path: Path) -> None:
    publish("goemotions", "dev", {"text": ["from the hub"], "labels": [[0]], "id": ["h"]})
    (tmp_path / "local" / "goemotions").mkdir(parents=True)
    (tmp_path / "local" / "goemotions" / "dev.tsv").write_text("from the folder\t0\tl\n", encoding="utf-8")
    assert load("goemotions", "dev", tmp_path / "local").records[0].text == "from the folder"
    assert load("goemotions", "dev").records[0].text == "from the hub"


def test_goemotions_is_pinned_to_a_commit() -> None:
    source = CORPORA["goemotions"].hub
    assert source is not None
    assert len(source.revision) == 40


@pytest.mark.usefixtures("publish")
def test_a_failed_download_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError) as caught:
        load("dailydialog", "train", tmp_path)
    message = str(caught.value)
    assert f"no folder {tmp_path / 'dailydialog'}" in message
    assert "li2017dailydialog/daily_dialog" in message
    assert "no network" in message
    assert "train/dialogues_train.txt" in message
    assert "--data-dir" in message


@pytest.mark.parametrize("module", ["huggingface_hub", "pyarrow"])
def test_the_extra_is_named_when_it_is_missing(publish: Publish, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    publish("goemotions", "dev", {"text": ["a"], "labels": [[0]], "id": ["h"]})
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EmoLoomError, match=rf'{module} is not installed.*pip install "emoloom\[hub\]"'):
        load("goemotions", "dev")


def test_a_file_of_another_shape_is_an_error(publish: Publish, tmp_path: Path) -> None:
    publish("goemotions", "dev", {"text": ["a"], "labels": [[0]]})
    with pytest.raises(EmoLoomError, match="no column id"):
        load("goemotions", "dev")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(EmoLoomError, match=r"x\.parquet: not a parquet file"):
        list(hub.rows(tmp_path / "x.parquet", ("text",)))
