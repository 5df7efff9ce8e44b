from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from emoloom.assets import wheels
from emoloom.assets.wheels import WheelMember, fetch_member
from emoloom.errors import EmoLoomError

from .conftest import MakeWheel

WRONG = "0" * 64


def test_member_is_downloaded_and_extracted(make_wheel: MakeWheel, tmp_path: Path) -> None:
    said: list[str] = []
    fetch_member(make_wheel("toy", {"toy/a.bin": b"\0content"}, "toy/a.bin"), tmp_path / "a", said.append)
    assert (tmp_path / "a").read_bytes() == b"\0content"
    assert said == ["downloading toy==1.0 from the package index"]


@pytest.mark.parametrize("field", ["wheel_sha256", "member_sha256"])
def test_wrong_checksum_is_refused(make_wheel: MakeWheel, tmp_path: Path, field: str) -> None:
    pinned = make_wheel("toy", {"toy/a.bin": b"content"}, "toy/a.bin")
    good = getattr(pinned, field)
    with pytest.raises(EmoLoomError) as caught:
        fetch_member(dataclasses.replace(pinned, **{field: WRONG}), tmp_path / "a")
    assert good in str(caught.value)
    assert WRONG in str(caught.value)
    assert caught.value.where.startswith("toy==1.0")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index"]


def test_missing_member_is_named(make_wheel: MakeWheel, tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError, match=r"no readable member 'toy/b\.bin'"):
        fetch_member(make_wheel("toy", {"toy/a.bin": b"content"}, "toy/b.bin"), tmp_path / "a")


@pytest.mark.parametrize("name", ["../escaped", "/tmp/emoloom-escaped", "toy/../../escaped"])
def test_member_names_never_become_paths(make_wheel: MakeWheel, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "deep" / "deeper"
    folder.mkdir(parents=True)
    fetch_member(make_wheel("toy", {name: b"evil", "toy/a": b"good"}, name), folder / "a")
    assert [path.relative_to(tmp_path / "deep") for path in (tmp_path / "deep").rglob("*") if path.is_file()] == [
        Path("deeper/a")
    ]
    assert not Path("/tmp/emoloom-escaped").exists()


def test_unknown_package_gives_the_last_line_of_pip(make_wheel: MakeWheel, tmp_path: Path) -> None:
    make_wheel("toy", {}, "")
    with pytest.raises(EmoLoomError) as caught:
        fetch_member(WheelMember("absent==1.0", WRONG, "m", WRONG), tmp_path / "a")
    assert "No matching distribution found for absent==1.0" in caught.value.problem
    assert "pip config list" in caught.value.remedy


def test_missing_pip_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "_PIP", [sys.executable, "-I", "-S", "-m", "pip"])
    with pytest.raises(EmoLoomError, match="ensurepip"):
        fetch_member(WheelMember("toy==1.0", WRONG, "m", WRONG), tmp_path / "a")
