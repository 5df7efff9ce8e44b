from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Emoloom
from typer.testing import CliRunner

from emoloom.cli.data import app
from emoloom.data.load import load
from emoloom.errors import EmoLoomError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("EMOLOOM_DATA", raising=False)
    (tmp_path / "goemotions").mkdir()
    for split, text in (("train", "a\t0\tx\nb\t1\ty\n"), ("dev", "B\t0\tz\n"), ("test", "c\t0\tw\n")):
        (tmp_path / "goemotions" / f"{split}.tsv").write_text(text, encoding="utf-8")
    return tmp_path


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False, terminal_width=200, env={"COLUMNS": "200"})
    assert result.exit_code == 0
    return result.stdout


def test_check_reports_every_split_as_json(folder: Path) -> None:
    report = json.loads(_run("check", "goemotions", "--json", "--data-dir", str(folder)))
    assert list(report) == ["splits"]
    train, dev, test = report["splits"]
    assert train == {
        "corpus": "goemotions",
        "split": "train",
        "rows_read": 2,
        "rows_kept": 1,
        "dropped": {"also_in_dev": 1},
        "sha256": load("goemotions", "train", folder).report.sha256,
    }
    assert (dev["split"], dev["dropped"], test["split"]) == ("dev", {}, "test")


def test_check_takes_what_is_at_hand(folder: Path) -> None:
    report = json.loads(_run("check", "--json", "--data-dir", str(folder)))
    names = [(split["corpus"], split["split"]) for split in report["splits"]]
    assert names == [(corpus, split) for corpus in ("starter", "goemotions") for split in ("train", "dev", "test")]


def test_check_prints_a_table(folder: Path) -> None:
    lines = [
        line for line in _run("check", "starter", "goemotions", "--data-dir", str(folder)).splitlines() if "│" in line
    ]
    assert len(lines) == 6
    assert "also_in_dev 1" in lines[3]


def test_a_file_is_checked_as_one_split(folder: Path) -> None:
    (folder / "mine.jsonl").write_text('{"text":"hm"}\n', encoding="utf-8")
    [split] = json.loads(_run("check", f"jsonl:{folder / 'mine.jsonl'}", "--json"))["splits"]
    assert (split["corpus"], split["rows_kept"]) == ("jsonl:mine", 1)


def test_every_bad_line_of_a_file_is_told(emoloom: Emoloom, tmp_path: Path) -> None:
    lines = [
        '{"text":"fine"}',
        "{",
        '{"text":"a","labels":["joyy"]}',
        '{"text":"b","id":"x"}',
        '{"text":"c","id":"x"}',
        "[]",
    ]
    file = tmp_path / "mine.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    done = emoloom("data", "check", "starter", f"jsonl:{file}")
    *told, last = done.err.splitlines()
    assert (done.code, done.out) == (2, "")
    assert [line.removeprefix(f"{file}:").partition(" ")[0] for line in told] == ["2:", "3:", "5:", "6:"]
    assert "Did you mean joy" in told[1]
    assert "id 'x' already occurs in line 4" in told[2]
    assert last == f"error: jsonl:{file}: 4 bad lines. Mend the file and check it again."


def test_many_bad_lines_are_counted_and_some_told(emoloom: Emoloom, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text("oh\n" * 50, encoding="utf-8")
    done = emoloom("data", "check", f"jsonl:{file}")
    *told, last = done.err.splitlines()
    assert (done.code, len(told)) == (2, 20)
    assert "50 bad lines, the first 20 shown above" in last


def test_show_prints_contract_records(folder: Path) -> None:
    shown = _run("show", "starter:dev", "--limit", "3")
    assert shown == "".join(f"{record.line()}\n" for record in load("starter", "dev").records[:3])
    assert json.loads(_run("show", "goemotions:test", "--data-dir", str(folder)))["text"] == "c"
    assert json.loads(_run("show", "goemotions", "--data-dir", str(folder)))["text"] == "a"


@pytest.mark.parametrize("name", ["mine.jsonl", "test", "odd:name.jsonl"])
def test_show_takes_files_whatever_their_name(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(folder)
    Path(name).write_text('{"text":"hm"}\n', encoding="utf-8")
    assert json.loads(_run("show", f"jsonl:{name}"))["split"] == "train"
    assert json.loads(_run("show", f"jsonl:{name}:dev"))["split"] == "dev"


def test_a_wrong_split_is_a_user_error(folder: Path) -> None:
    with pytest.raises(EmoLoomError, match="goemotions: unknown split 'validation'"):
        _run("show", "goemotions:validation", "--data-dir", str(folder))


def test_ls_names_the_place_of_each_corpus(folder: Path) -> None:
    listed = {
        line.split("│")[1].strip(): line for line in _run("ls", "--data-dir", str(folder)).splitlines() if "│" in line
    }
    assert set(listed) == {"starter", "goemotions", "empathetic", "dailydialog", "emobank"}
    assert "empathetic (32)" in listed["empathetic"]
    assert "hub: facebook/empathetic_dialogues" in listed["empathetic"]
    assert "not found" in listed["emobank"]


def test_the_commands_import_nothing_heavy() -> None:
    code = "import sys, emoloom.cli.data; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "pyarrow", "huggingface_hub", "pandas", "sklearn"} & set(loaded)


def test_show_prints_flips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOLOOM_CACHE", str(tmp_path / "cache"))
    lines = ['{"text":"I love  it","labels":["love"]}', '{"text":"a great day","labels":["joy"]}', '{"text":"rain"}']
    (tmp_path / "own.jsonl").write_text("\n".join(lines), encoding="utf-8")
    printed = _run("show", f"jsonl:{tmp_path / 'own.jsonl'}", "--flip").splitlines()
    assert [line for line in printed if "(" in line and "V" not in line] == ["own-1 (training)", "own-2 (flip test)"]
    assert [line.split("  ", 2)[2] for line in printed if line.startswith("  V")] == [
        "[love]  I love it",
        "[anger]  I hate it",
        "[joy]  a great day",
        "[sadness]  a terrible day",
    ]
    first = _run("show", f"jsonl:{tmp_path / 'own.jsonl'}", "--flip", "--limit", "1")
    assert "(flip test)" not in first


def test_show_refuses_flips_where_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text('{"text":"rain"}\n', encoding="utf-8")
    with pytest.raises(EmoLoomError, match="no record here has a mirror image"):
        _run("show", f"jsonl:{tmp_path / 'own.jsonl'}", "--flip")
