from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from emoloom.data.dailydialog import detokenise
from emoloom.data.load import load
from emoloom.errors import EmoLoomError

Dialogue = tuple[str, str]


def _write(folder: Path, train: list[Dialogue], validation: list[Dialogue], test: list[Dialogue]) -> Path:
    for name, dialogues in (("train", train), ("validation", validation), ("test", test)):
        place = folder / "dailydialog" / name
        place.mkdir(parents=True)
        for kind, column in (("", 0), ("emotion_", 1)):
            text = "".join(f"{dialogue[column]}\n" for dialogue in dialogues)
            (place / f"dialogues_{kind}{name}.txt").write_text(text, encoding="utf-8")
    return folder


GREETING = ("Hi , Ann ! __eou__ Oh , it ’ s you . __eou__", "4 6 ")
FAREWELL = ("Hi , Ann ! __eou__ Good bye . __eou__", "0 5 ")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("I ’ m fine , thanks .", "I’m fine, thanks."),
        ("Don ' t you think they ’ Ve left ?", "Don't you think they’Ve left?"),
        ("At five o ’ clock ( sharp ) , for $ 5 !", "At five o’clock (sharp), for $5!"),
        ("I'm sure it's 50 % .", "I'm sure it's 50%."),
        ("the axiom - ' You can't teach '", "the axiom - ' You can't teach '"),
        ("Well ... so be it 。", "Well... so be it。"),
    ],
)
def test_spaces_around_punctuation_are_closed(written: str, meant: str) -> None:
    assert detokenise(f" {written} ") == meant


def test_an_utterance_becomes_a_record(tmp_path: Path) -> None:
    train = load("dailydialog", "train", _write(tmp_path, [GREETING, FAREWELL], [FAREWELL], [FAREWELL]))
    assert [record.text for record in train.records] == ["Hi, Ann!", "Oh, it’s you.", "Hi, Ann!", "Good bye."]
    assert [record.labels for record in train.records] == [("happiness",), ("surprise",), ("no emotion",), ("sadness",)]
    assert train.records[1].id == "dailydialog-train-00001-02"
    assert train.records[0].taxonomy == "dailydialog"
    files = [tmp_path / "dailydialog" / "train" / f"dialogues_{kind}train.txt" for kind in ("", "emotion_")]
    assert train.report.sha256 == hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def test_evaluation_dialogues_that_occur_in_train_are_dropped_whole(tmp_path: Path) -> None:
    shouted = (GREETING[0].upper().replace("__EOU__", "__eou__"), "0 0 ")
    _write(tmp_path, [GREETING], [shouted, FAREWELL], [FAREWELL, GREETING, FAREWELL])
    dev, test = (load("dailydialog", split, tmp_path) for split in ("dev", "test"))
    assert dev.report.dropped == {"dialogue_in_train": 2}
    assert [record.id for record in dev.records] == ["dailydialog-dev-00002-01", "dailydialog-dev-00002-02"]
    assert (test.report.rows_read, test.report.rows_kept) == (6, 4)
    assert load("dailydialog", "train", tmp_path).report.dropped == {}


def test_a_misaligned_dialogue_is_dropped(tmp_path: Path) -> None:
    _write(tmp_path, [("One . __eou__ Two . __eou__ Three . __eou__", "0 4 "), GREETING], [FAREWELL], [FAREWELL])
    report = load("dailydialog", "train", tmp_path).report
    assert (report.rows_read, report.rows_kept, report.dropped) == (4, 2, {"misaligned": 2})


def test_defective_rows_are_dropped_with_their_reason(tmp_path: Path) -> None:
    _write(tmp_path, [GREETING], [("Hi . __eou__  __eou__ Eh ? __eou__", "0 0 7 ")], [FAREWELL])
    assert load("dailydialog", "dev", tmp_path).report.dropped == {"empty_text": 1, "unknown_label": 1}


def test_files_that_do_not_belong_together_are_an_error(tmp_path: Path) -> None:
    _write(tmp_path, [GREETING], [FAREWELL], [FAREWELL])
    emotions = tmp_path / "dailydialog" / "train" / "dialogues_emotion_train.txt"
    emotions.write_text("4 6 \n0 0 \n", encoding="utf-8")
    with pytest.raises(EmoLoomError, match="1 lines of dialogues, but 2 lines of emotions"):
        load("dailydialog", "train", tmp_path)
    emotions.write_text("4 happy \n", encoding="utf-8")
    with pytest.raises(EmoLoomError, match="line 1: '4 happy ' are not emotion ids"):
        load("dailydialog", "train", tmp_path)


def test_official_label_counts(corpora: Path) -> None:
    """The figures of the corpus, less those of the dialogues that are dropped, counted from the files by hand."""
    folder = corpora / "dailydialog"
    lines = {
        name: (folder / name / f"dialogues_{name}.txt").read_text(encoding="utf-8").splitlines()
        for name in ("train", "test")
    }
    emotions = (folder / "test" / "dialogues_emotion_test.txt").read_text(encoding="utf-8").splitlines()
    seen = {" ".join(line.lower().split()) for line in lines["train"]}
    counts = [0] * 7
    for line, ids in zip(lines["test"], emotions, strict=True):
        if " ".join(line.lower().split()) not in seen:
            for i in ids.split():
                counts[int(i)] += 1
    names = ("no emotion", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
    labels = [record.labels[0] for record in load("dailydialog", "test", corpora).records]
    assert [labels.count(name) for name in names] == counts
