"""Files are whole or absent, whatever call of the system fails; JSON has one spelling."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoloom.errors import EmoLoomError
from emoloom.store.files import canonical_json, digest, readable_json, sha256_file, write_atomic

CALLS = ((os, ("mkdir", "open", "fsync", "rename", "replace", "rmdir", "unlink", "scandir")), (io, ("open",)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


class FailingSystem:
    """Lets all calls but the ``n``-th (1-based) through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, n: int) -> None:
        self.left = n
        self.failed = ""
        for module, names in CALLS:
            for name in names:
                monkeypatch.setattr(module, name, self._wrapped(name, getattr(module, name)))

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                self.failed = name
                raise OSError(28, "No space left on device")
            return call(*args, **kwargs)

        return wrapper


@pytest.mark.parametrize("old", [b"old", None], ids=["replaces", "is-new"])
def test_the_file_is_old_or_new_whichever_call_fails(tmp_path: Path, old: bytes | None) -> None:
    failed = []
    for n in range(1, 50):
        path = tmp_path / str(n) / "deep" / "file.json"
        if old is not None:
            path.parent.mkdir(parents=True)
            path.write_bytes(old)
        error: EmoLoomError | None = None
        with pytest.MonkeyPatch.context() as monkeypatch:
            system = FailingSystem(monkeypatch, n)
            try:
                write_atomic(path, b"new")
            except EmoLoomError as caught:
                error = caught
        content = path.read_bytes() if path.exists() else None
        assert content in (old, b"new")
        if error is None:
            assert content == b"new"
            if not system.failed:
                break
            continue
        assert (error.where, error.problem) == (str(path), "cannot write: No space left on device")
        failed.append((system.failed, content == b"new"))
        write_atomic(path, b"new")
        assert path.read_bytes() == b"new"
    # The content appears with the renaming and not before; names are made durable after it.
    assert {name for name, _ in failed} >= {"open", "fsync", "replace", "mkdir"}
    assert ("replace", False) in failed
    assert ("fsync", True) in failed
    assert failed == sorted(failed, key=lambda step: step[1])


def test_the_content_is_durable_before_it_is_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    synced: list[tuple[bool, int]] = []
    fsync = os.fsync

    def watched(handle: int) -> None:
        synced.append((path.exists(), os.fstat(handle).st_size))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    write_atomic(path, "four")
    assert synced[0] == (False, 4)
    assert [visible for visible, _ in synced] == [False, True]


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a" / "file", "é")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "file"]
    assert (tmp_path / "a" / "file").read_bytes() == "é".encode()


def test_a_file_in_place_of_the_folder_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(EmoLoomError, match="cannot write"):
        write_atomic(tmp_path / "file" / "x", "new")
    assert (tmp_path / "file").read_text() == "mine"


def test_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content := bytes(range(256)) * 5000)
    assert sha256_file(tmp_path / "x") == hashlib.sha256(content).hexdigest()


@given(JSON)
def test_json_keeps_its_value(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value == json.loads(readable_json(value))
    assert "\n" not in canonical_json(value)


@given(st.dictionaries(st.text(), JSON))
def test_the_order_of_keys_does_not_count(value: dict[str, Any]) -> None:
    assert digest(dict(reversed(value.items()))) == digest(value)


def test_a_digest_is_that_of_the_canonical_spelling() -> None:
    assert canonical_json({"b": [1, 2.5], "a": "é"}) == '{"a":"é","b":[1,2.5]}'
    assert digest({"b": [1, 2.5], "a": "é"}) == hashlib.sha256('{"a":"é","b":[1,2.5]}'.encode()).hexdigest()


@pytest.mark.parametrize("write", [canonical_json, readable_json])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_hold_is_refused(write: Callable[[Any], str], value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write({"x": value})
