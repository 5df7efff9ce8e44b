"""The command line in this process, without cache, data folder or network of the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.screenings import screen, shorten_replies, small, write_jsonl
from tests.tiny import quick_model

from emoloom.cli.app import run
from emoloom.store.run import RunFolder


class Done(NamedTuple):
    """Exit code and what was printed where."""

    code: int
    out: str
    err: str


Emoloom = Callable[..., Done]


@pytest.fixture
def emoloom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Emoloom:
    """Calls ``emoloom`` with arguments."""
    monkeypatch.setenv("EMOLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("EMOLOOM_DATA", raising=False)

    def call(*arguments: object) -> Done:
        capsys.readouterr()
        return Done(run([str(argument) for argument in arguments]), *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "mine.jsonl")


@pytest.fixture(scope="session")
def finished(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    """A finished run; not to be changed."""
    root = tmp_path_factory.mktemp("cli")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("EMOLOOM_CACHE", str(root / "cache"))
        shorten_replies(monkeypatch)
        yield screen(small(model, write_jsonl(root / "mine.jsonl"), root / "runs" / "first"))
