"""Rows outlive a crash one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emoloom.errors import EmoLoomError
from emoloom.store.rows import Rows

ROWS = [{"id": "a", "reply": "line\u2028separator\n"}, {"id": "b", "reply": "é"}]


def test_rows_are_kept_wherever_the_file_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "scratch" / "replies.jsonl"
    rows = Rows(path)
    assert rows.kept == []
    for row in ROWS:
        rows.add(row)
    content = path.read_bytes()
    assert [json.loads(line) for line in content.splitlines()] == ROWS
    for end in range(len(content) + 1):
        path.write_bytes(content[:end])
        again = Rows(path)
        assert again.kept == ROWS[: content[:end].count(b"\n")]
        for row in ROWS[len(again.kept) :]:
            again.add(row)
        assert path.read_bytes() == content


@pytest.mark.parametrize("damage", [b"{]\n", b"\xff\n", b"\n"])
def test_a_damaged_row_is_named(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "replies.jsonl"
    path.write_bytes(b'{"id":"a"}\n' + damage)
    with pytest.raises(EmoLoomError, match="the row is damaged") as caught:
        Rows(path)
    assert caught.value.where == f"{path}:2"
