"""The journal: every flipped byte is found, a torn tail is set aside, another course is refused."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from emoloom.errors import EmoLoomError
from emoloom.store.chain import GENESIS, read_chain
from emoloom.store.journal import Journal

EVENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("plan", {"cells": ["ab", "cd"]}),
    ("cell", {"key": "ab", "files": {"métrics.json": "0f"}, "note": 'tab\tnewline\n\x1f quote"'}),
    ("cell", {"key": "cd", "score": 1e-07, "none": None}),
    ("finished", {"ranking": []}),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def record_all(path: Path) -> bytes:
    journal = Journal(path)
    for event, facts in EVENTS:
        journal.record(event, **facts)
    return path.read_bytes()


def test_each_line_holds_the_hash_of_the_one_before(path: Path) -> None:
    previous = "0" * 64
    lines = record_all(path).decode().splitlines()
    assert len(lines) == len(EVENTS)
    for line, (event, facts) in zip(lines, EVENTS, strict=True):
        fields = json.loads(line)
        stated = fields.pop("hash")
        spelled = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert stated == hashlib.sha256(spelled.encode()).hexdigest()
        assert fields == {"event": event, **facts, "previous": previous}
        previous = stated
    assert GENESIS == "0" * 64


def test_the_same_course_changes_nothing(path: Path) -> None:
    first = record_all(path)
    assert record_all(path) == first


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_is_found_in_its_line(path: Path, bit: int) -> None:
    content = record_all(path)
    line = 1
    for offset, byte in enumerate(content[:-1]):
        path.write_bytes(content[:offset] + bytes([byte ^ 1 << bit]) + content[offset + 1 :])
        with pytest.raises(EmoLoomError) as caught:
            Journal(path)
        assert caught.value.where == f"{path}:{line}", f"byte {offset}"
        assert caught.value.remedy
        line += byte == ord("\n")


def test_lines_that_are_lost_or_swapped_are_found(path: Path) -> None:
    lines = record_all(path).splitlines(keepends=True)
    for changed, number in (
        (lines[1:], 1),
        ([lines[0], *lines[2:]], 2),
        ([lines[1], lines[0], *lines[2:]], 1),
        ([*lines, lines[-1]], 5),
        ([lines[0], b"\n", *lines[1:]], 2),
    ):
        path.write_bytes(b"".join(changed))
        with pytest.raises(EmoLoomError) as caught:
            Journal(path)
        assert caught.value.where == f"{path}:{number}"


def test_a_torn_tail_is_set_aside_and_recorded_again_to_the_same_bytes(path: Path) -> None:
    content = record_all(path)
    for end in range(len(content) + 1):
        path.write_bytes(content[:end])
        whole = content[: content.rfind(b"\n", 0, end) + 1]
        torn = content[len(whole) : end]
        journal = Journal(path)
        assert path.read_bytes() == whole
        aside = [file for file in path.parent.iterdir() if file != path]
        assert [file.read_bytes() for file in aside] == ([torn] if torn else [])
        number = whole.count(b"\n") + 1
        told = f"{path}:{number}: the last line was cut short; its {len(torn)} bytes are set aside in "
        assert journal.set_aside == (told + aside[0].name if torn else "")
        for event, facts in EVENTS:
            journal.record(event, **facts)
        journal.settle()
        assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == {path.name: content}


@pytest.mark.parametrize("torn", [b"\x00" * 100, b"\xff{", b'{"event":"mine"'])
def test_a_tail_of_rubbish_is_kept_beside_the_journal(path: Path, torn: bytes) -> None:
    content = record_all(path)
    path.write_bytes(content + torn)
    assert record_all(path) == content
    Journal(path).settle()
    (aside,) = (file for file in path.parent.iterdir() if file != path)
    assert aside.read_bytes() == torn


def test_two_torn_tails_are_both_kept(path: Path) -> None:
    content = record_all(path)
    for torn in (b"one", b"two", b"one"):
        path.write_bytes(content + torn)
        Journal(path)
    assert {file.read_bytes() for file in path.parent.iterdir() if file != path} == {b"one", b"two"}


def test_reading_changes_nothing(path: Path) -> None:
    content = record_all(path)[:-5]
    path.write_bytes(content)
    lines, torn = read_chain(path)
    assert (len(lines), torn) == (len(EVENTS) - 1, content[content.rfind(b"\n") + 1 :])
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == {path.name: content}


def test_a_file_of_one_line_feed_is_damaged(path: Path) -> None:
    path.write_bytes(b"\n")
    with pytest.raises(EmoLoomError, match=r"journal\.jsonl:1: the line is damaged"):
        Journal(path)


def test_another_course_is_refused_with_both(path: Path) -> None:
    content = record_all(path)
    journal = Journal(path)
    journal.record(EVENTS[0][0], **EVENTS[0][1])
    with pytest.raises(EmoLoomError, match=r'"key":"ab".* there, .*"key":"xy".* now') as caught:
        journal.record("cell", key="xy")
    assert caught.value.where == f"{path}:2"
    assert path.read_bytes() == content


def test_a_full_disk_is_a_user_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EmoLoomError, match="No space left"):
        journal.record("plan")
