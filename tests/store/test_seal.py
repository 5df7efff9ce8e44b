"""Fingerprints of files: the hashes are those of the content, and a change is put where it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoloom.store.seal import changes, fingerprint


def places(before: bytes, after: bytes, path: Path) -> list[tuple[str, str]]:
    path.write_bytes(before)
    sealed = fingerprint(path)
    path.write_bytes(after)
    return list(changes(path, sealed))


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 16384, 16385, 100_000])
def test_blocks_are_hashes_of_equal_stretches(tmp_path: Path, size: int) -> None:
    content = bytes(i * i % 251 for i in range(size))
    (tmp_path / "x").write_bytes(content)
    found = fingerprint(tmp_path / "x")
    block = max(64, -(-size // 256))
    blocks = [hashlib.sha256(content[i : i + block]).hexdigest()[:8] for i in range(0, size, block)]
    assert (found.size, found.sha256) == (size, hashlib.sha256(content).hexdigest())
    assert found.blocks == "".join(blocks)
    assert len(blocks) <= 256


@given(st.binary(max_size=2000), st.binary(max_size=2000))
def test_contents_that_differ_have_a_place(tmp_path_factory: pytest.TempPathFactory, a: bytes, b: bytes) -> None:
    found = places(a, b, tmp_path_factory.getbasetemp() / "file")
    assert bool(found) == (a != b)


def test_each_changed_stretch_is_named_with_its_lines(tmp_path: Path) -> None:
    content = b"".join(b"line %04d\n" % i for i in range(1000))
    after = bytearray(content)
    after[0] ^= 1
    after[130] ^= 1
    after[9_999] ^= 1
    assert places(content, bytes(after), tmp_path / "x.jsonl") == [
        ("lines 1 to 7 (bytes 0 to 63)", "not what was sealed"),
        ("lines 13 to 20 (bytes 128 to 191)", "not what was sealed"),
        ("lines 999 to 1000 (bytes 9984 to 9999)", "not what was sealed"),
    ]
    assert places(content, bytes(after), tmp_path / "x.safetensors")[0][0] == "bytes 0 to 63"


def test_a_file_cut_short_is_named_with_its_end(tmp_path: Path) -> None:
    assert places(b"x" * 128, b"x" * 64, tmp_path / "x") == [("byte 64", "it has 64 bytes and was sealed with 128")]
    assert places(b"", b"x", tmp_path / "x") == [("byte 0", "it has 1 bytes and was sealed with 0")]
