"""Heads on disk: the same bytes, the same answers, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from emoloom.errors import EmoLoomError
from emoloom.model.heads import FILE, LinearHeads, load_heads, save_heads


def some() -> LinearHeads:
    heads = LinearHeads(8, 28)
    with torch.no_grad():
        for number, parameter in enumerate(heads.parameters()):
            parameter.fill_(number + 1)
    return heads


def test_they_come_back_as_they_were(tmp_path: Path) -> None:
    save_heads(some(), tmp_path)
    first = (tmp_path / FILE).read_bytes()
    found = load_heads(tmp_path)
    for name, tensor in some().state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor)
    save_heads(found, tmp_path)
    assert (tmp_path / FILE).read_bytes() == first


def test_heads_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError, match="the heads cannot be read") as caught:
        load_heads(tmp_path)
    assert caught.value.where == str(tmp_path / FILE)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(EmoLoomError, match="the heads cannot be read") as caught:
        load_heads(tmp_path)
    assert caught.value.where == str(tmp_path / FILE)
