from __future__ import annotations

import csv
import gzip
import hashlib
from pathlib import Path

import pytest

from emoloom.data.load import CORPORA, available, load, parse_place, splits_of
from emoloom.errors import EmoLoomError

ROWS_READ = {
    "goemotions": (43_410, 5_426, 5_427),
    "empathetic": (84_169, 12_078, 10_973),
    "dailydialog": (87_170, 8_069, 7_740),
    "emobank": (8_062, 1_000, 1_000),
}
SHA256 = {
    ("goemotions", "train"): "1c254a142be5c00e80d819b9ae1bbd36d94b2eeb8f4b1271846508d57e57d9c5",
    ("goemotions", "dev"): "575489c079c9de1097062a01738f998590d6b7ead66dd1c9fd1d2ba01fd8bc62",
    ("goemotions", "test"): "0587b2dd8b27b97352adbfc3fb083d46005c8946657fdc2b1ca8b1cc7f1f8be4",
    ("empathetic", "train"): "7dadd9f638af414d99672688d8db1861a39bf5d170a0a70f47e963404f7f742a",
    ("empathetic", "dev"): "2f187637c2aa759715d82e77e0d07ff1a24e016b7b4987b3fcff67c62d9dfe7d",
    ("empathetic", "test"): "04626fb5813200039d590b7aaf96beb95c2037bc48765eebb9e6f1c6440aabcd",
    ("emobank", "train"): "1ade4a4a453e880c0f39d0536d2b355e8a716e0cf88236c64cdb4d438cf9605b",
    ("emobank", "dev"): "1ade4a4a453e880c0f39d0536d2b355e8a716e0cf88236c64cdb4d438cf9605b",
    ("emobank", "test"): "1ade4a4a453e880c0f39d0536d2b355e8a716e0cf88236c64cdb4d438cf9605b",
}
DAILYDIALOG_SHA256 = {
    "train/dialogues_train.txt": "71633bd5fdb0b09dd82215b131b56432cf7329a0fe50bc8adec168713d350d1a",
    "train/dialogues_emotion_train.txt": "5c94e57c6e6c6641f4b1386513085f9d9b934229e732a556424ca7dfae4b6c77",
    "validation/dialogues_validation.txt": "2ad64701fe3a4449e7a6ee7cdc6c2a71c80f77b8a34f708ac0532395f499081c",
    "validation/dialogues_emotion_validation.txt": "3d4094299a995e998bbc3492ce1755c9abc1e7f56500c840e83b12dd16580596",
    "test/dialogues_test.txt": "3c323651cdfb09f7b529f850eddf96a638fc6cc9b43330b77956ab248484a1a8",
    "test/dialogues_emotion_test.txt": "482b7235f91a1441055a09241b2d2709bb1702f4a08d7316c27fa807cba7d3c9",
}


def _texts(corpora: Path, corpus: str, split: str) -> list[str]:
    """The texts of an official split, read here without the package, one for each record that could be made of it."""
    if corpus == "goemotions":
        with (corpora / "goemotions" / f"{split}.tsv").open(encoding="utf-8", newline="") as file:
            return [row[0] for row in csv.reader(file, delimiter="\t")]
    if corpus == "emobank":
        with (corpora / "emobank" / "emobank.csv").open(encoding="utf-8", newline="") as file:
            return [row["text"] for row in csv.DictReader(file) if row["split"] == split]
    name = {"train": "train", "dev": "valid", "test": "test"}[split]
    with gzip.open(corpora / "empatheticdialogues" / f"{name}.csv.gz", "rt", encoding="utf-8", newline="\n") as lines:
        next(lines)
        prompts = {cells[0]: cells[3] for cells in (line.split(",") for line in lines)}
    return [prompt.replace("_comma_", ",") for prompt in prompts.values()]


def _dialogues(corpora: Path, split: str) -> list[tuple[str, ...]]:
    name = {"train": "train", "dev": "validation", "test": "test"}[split]
    text = (corpora / "dailydialog" / name / f"dialogues_{name}.txt").read_text(encoding="utf-8")
    return [tuple(line.lower().split()) for line in text.splitlines()]


@pytest.mark.parametrize("corpus", ROWS_READ)
def test_official_row_counts_and_checksums(corpora: Path, corpus: str) -> None:
    for split, rows_read in zip(("train", "dev", "test"), ROWS_READ[corpus], strict=True):
        records, report = (loaded := load(corpus, split, corpora)).records, loaded.report
        assert report.rows_read == rows_read
        assert report.rows_kept == len(records) == rows_read - sum(report.dropped.values())
        assert len({record.id for record in records}) == len(records)
        if corpus == "dailydialog":
            files = [corpora / "dailydialog" / file for file in CORPORA[corpus].files[split]]
            assert report.sha256 == hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
        else:
            assert report.sha256 == SHA256[corpus, split]


def test_official_dailydialog_files(corpora: Path) -> None:
    for name, sha256 in DAILYDIALOG_SHA256.items():
        assert hashlib.sha256((corpora / "dailydialog" / name).read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize("corpus", ["goemotions", "empathetic", "emobank"])
def test_train_rows_that_occur_in_evaluation_splits(corpora: Path, corpus: str) -> None:
    train, dev, test = (
        [tuple(t.lower().split()) for t in _texts(corpora, corpus, s)] for s in ("train", "dev", "test")
    )
    in_dev, in_test = set(dev), set(test)
    expected = {"also_in_dev": 0, "also_in_test": 0}
    for text in train:
        if text in in_dev:
            expected["also_in_dev"] += 1
        elif text in in_test:
            expected["also_in_test"] += 1
    report = load(corpus, "train", corpora).report
    assert {reason: report.dropped[reason] for reason in expected} == expected
    if corpus == "goemotions":
        in_train = set(train)
        assert sum(text in in_train for text in dev) == 49
        assert sum(text in in_train for text in test) == 42


def test_dailydialog_dialogues_that_occur_in_train(corpora: Path) -> None:
    train = set(_dialogues(corpora, "train"))
    for split, count in (("dev", 77), ("test", 106)):
        repeated = [dialogue for dialogue in _dialogues(corpora, split) if dialogue in train]
        assert len(repeated) == count
        rows = sum(dialogue.count("__eou__") for dialogue in repeated)
        assert load("dailydialog", split, corpora).report.dropped == {"dialogue_in_train": rows}
    assert load("dailydialog", "train", corpora).report.dropped == {"misaligned": 11}


def test_loading_twice_gives_the_same(corpora: Path) -> None:
    assert load("emobank", "train", corpora) == load("emobank", "train", corpora)


def test_names_and_taxonomies(tmp_path: Path) -> None:
    spaces = {name: corpus.taxonomy.name for name, corpus in CORPORA.items()}
    assert spaces == {
        "starter": "goemotions",
        "goemotions": "goemotions",
        "empathetic": "empathetic",
        "dailydialog": "dailydialog",
        "emobank": "goemotions",
    }
    assert splits_of("starter") == ("train", "dev", "test")
    assert splits_of(f"jsonl:{tmp_path / 'x.jsonl'}") == ("train",)


def test_unknown_names_are_answered_with_close_ones() -> None:
    with pytest.raises(EmoLoomError, match=r"unknown corpus 'goemotion'\. Did you mean goemotions"):
        load("goemotion", "train")
    for split in ("validation", "valid", "Train", ""):
        with pytest.raises(EmoLoomError, match=f"starter: unknown split '{split}'"):
            load("starter", split)


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ("starter", ("starter", "test")),
        ("starter:dev", ("starter", "dev")),
        ("starter:", ("starter", "test")),
        ("starter:odd", ("starter", "odd")),
        ("jsonl:a.jsonl", ("jsonl:a.jsonl", "train")),
        ("jsonl:C:/a.jsonl", ("jsonl:C:/a.jsonl", "train")),
        ("jsonl:C:/a.jsonl:dev", ("jsonl:C:/a.jsonl", "dev")),
        ("jsonl:dev", ("jsonl:dev", "train")),
    ],
)
def test_a_corpus_is_named_with_or_without_its_split(spec: str, place: tuple[str, str]) -> None:
    assert parse_place(spec, "test") == place


def test_the_data_folder_comes_from_the_argument_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "goemotions").mkdir(parents=True)
        (tmp_path / name / "goemotions" / "dev.tsv").write_text(f"{name}\t0\tx\n", encoding="utf-8")
    monkeypatch.setenv("EMOLOOM_DATA", str(tmp_path / "one"))
    assert load("goemotions", "dev").records[0].text == "one"
    assert load("goemotions", "dev", tmp_path / "two").records[0].text == "two"
    assert available(tmp_path / "two")["goemotions"] == str(tmp_path / "two" / "goemotions")
    assert set(available()) == {"starter", "goemotions"}
    monkeypatch.delenv("EMOLOOM_DATA")
    assert set(available()) == {"starter"}
    with pytest.raises(EmoLoomError, match="absent: the data folder does not exist"):
        available(tmp_path / "absent")


@pytest.mark.usefixtures("no_data")
def test_a_corpus_that_is_nowhere_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError) as caught:
        load("emobank", "train", tmp_path)
    assert f"no folder {tmp_path / 'emobank'}" in str(caught.value)
    assert "Put emobank.csv into DIR/emobank and pass --data-dir DIR" in str(caught.value)
    with pytest.raises(EmoLoomError, match="EMOLOOM_DATA is not set"):
        load("emobank", "train")


def test_a_folder_that_lacks_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "goemotions").mkdir()
    (tmp_path / "goemotions" / "train.tsv").write_text("a\t0\tx\n", encoding="utf-8")
    with pytest.raises(EmoLoomError, match=r"dev\.tsv: cannot read the file: No such file"):
        load("goemotions", "train", tmp_path)


def test_a_split_without_a_usable_row_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "goemotions").mkdir()
    for content in ("", " \t0\tx\n"):
        (tmp_path / "goemotions" / "dev.tsv").write_text(content, encoding="utf-8")
        with pytest.raises(EmoLoomError, match=r"dev\.tsv: no usable row in split dev"):
            load("goemotions", "dev", tmp_path)


def test_a_files_bare_name_is_told_how_to_write_it() -> None:
    with pytest.raises(EmoLoomError, match=r"mine\.jsonl: a file is not a corpus's name\. Write jsonl:mine\.jsonl\."):
        load("mine.jsonl", "train")
