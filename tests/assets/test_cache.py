from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from emoloom.assets import cache as cache_module
from emoloom.assets.cache import Asset, cache_root, publish_folder, read_asset, remembered_sha256
from emoloom.errors import EmoLoomError
from emoloom.store.files import sha256_file

OLD = 1_000_000_000


def _publish(folder: Path, content: str = "hello") -> Asset:
    return publish_folder(
        folder, lambda partial: _write(partial, content), name="n", source="s", licence="l", converter="c 1"
    )


def _write(partial: Path, content: str) -> None:
    (partial / "a.txt").write_text(content)


def _visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_root_prefers_own_variable_then_xdg_then_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("EMOLOOM_CACHE", "/own")
    assert cache_root() == Path("/own")
    monkeypatch.delenv("EMOLOOM_CACHE")
    assert cache_root() == Path("/xdg/emoloom")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path("/home/me/.cache/emoloom")


def test_published_folder_carries_its_commit_marker(cache: Path) -> None:
    asset = _publish(cache / "x")
    digest = hashlib.sha256(b"hello").hexdigest()
    assert asset == Asset("n", "s", "l", "c 1", {"a.txt": digest})
    assert read_asset(cache / "x") == asset
    assert json.loads((cache / "x" / "asset.json").read_text())["files"] == {"a.txt": digest}
    assert _visible(cache) == ["x"]


def test_complete_folder_is_not_built_again(cache: Path) -> None:
    _publish(cache / "x", "first")
    _publish(cache / "x", "second")
    assert (cache / "x" / "a.txt").read_text() == "first"


def test_folder_without_marker_is_incomplete_and_replaced(cache: Path) -> None:
    (cache / "x").mkdir(parents=True)
    (cache / "x" / "stray").touch()
    assert read_asset(cache / "x") is None
    _publish(cache / "x")
    assert _visible(cache / "x") == ["a.txt", "asset.json"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_interrupted_build_leaves_nothing(cache: Path, interruption: type[BaseException]) -> None:
    def build(partial: Path) -> None:
        _write(partial, "half")
        raise interruption

    with pytest.raises(interruption):
        publish_folder(cache / "x", build, name="n", source="s", licence="l")
    assert _visible(cache) == []


def _killed_while_building(folder: Path) -> None:
    def build(partial: Path) -> None:
        _write(partial, "half")
        os.kill(os.getpid(), signal.SIGKILL)

    publish_folder(folder, build, name="n", source="s", licence="l")


def test_killed_build_is_not_taken_for_complete_and_its_rest_is_cleared(cache: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_killed_while_building, args=(cache / "x",))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert read_asset(cache / "x") is None
    _publish(cache / "x")
    assert _visible(cache) == ["x"]
    assert (cache / "x" / "a.txt").read_text() == "hello"


def _build_when_both_run(folder: Path, own: Event, other: Event, log: Path) -> None:
    def build(partial: Path) -> None:
        with log.open("a") as file:
            file.write("built\n")
        _write(partial, "hello")

    own.set()
    other.wait()
    publish_folder(folder, build, name="n", source="s", licence="l")


def test_two_processes_build_once(cache: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    one, two, log = context.Event(), context.Event(), tmp_path / "log"
    processes = [
        context.Process(target=_build_when_both_run, args=(cache / "x", own, other, log))
        for own, other in ((one, two), (two, one))
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert log.read_text() == "built\n"


def test_unwritable_cache_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmoLoomError, match="EMOLOOM_CACHE"):
        _publish(tmp_path / "file" / "x")


def test_hash_is_remembered_by_path_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"one")
    os.utime(file, (OLD, OLD))
    assert remembered_sha256(file) == hashlib.sha256(b"one").hexdigest()
    with monkeypatch.context() as patch:
        patch.setattr(cache_module, "sha256_file", _refuse)
        assert remembered_sha256(file) == hashlib.sha256(b"one").hexdigest()
    file.write_bytes(b"two")
    assert remembered_sha256(file) == hashlib.sha256(b"two").hexdigest()
    os.utime(file, (OLD, OLD + 1))
    file.write_bytes(b"three")
    os.utime(file, (OLD, OLD))
    assert remembered_sha256(file) == hashlib.sha256(b"three").hexdigest()


def test_where_no_hash_can_be_remembered_the_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"one")
    os.utime(file, (OLD, OLD))
    monkeypatch.setenv("EMOLOOM_CACHE", str(file))
    assert remembered_sha256(file) == hashlib.sha256(b"one").hexdigest()


def test_a_damaged_marker_is_named(cache: Path) -> None:
    _publish(cache / "x")
    for content in ("{", "[]", '{"name": "x"}'):
        (cache / "x" / "asset.json").write_text(content)
        with pytest.raises(EmoLoomError, match=r"asset\.json"):
            read_asset(cache / "x")


def test_hash_of_a_fresh_file_is_not_remembered(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"one")
    stat = file.stat()
    remembered_sha256(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert remembered_sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_streamed_hash_equals_whole(tmp_path: Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "f").write_bytes(content)
    assert sha256_file(tmp_path / "f") == hashlib.sha256(content).hexdigest()


def _refuse(_: Path) -> str:
    raise AssertionError("the file was read again")
