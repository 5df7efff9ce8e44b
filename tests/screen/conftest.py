"""A tiny model, a tiny corpus and one finished run of them, for all tests that only read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.screenings import screen, shorten_replies, small, write_jsonl
from tests.tiny import quick_model

import emoloom.screen.pricing.budget
import emoloom.screen.pricing.rates
import emoloom.screen.pricing.schedule
import emoloom.screen.run
from emoloom.store.run import RunFolder


@pytest.fixture(scope="session", autouse=True)
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No cache, data folder or network of the machine."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("EMOLOOM_CACHE", str(tmp_path_factory.mktemp("cache")))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.delenv("EMOLOOM_DATA", raising=False)
        shorten_replies(monkeypatch)
        yield


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_jsonl(tmp_path_factory.mktemp("data") / "mine.jsonl")


@pytest.fixture(scope="session")
def finished(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of :func:`small`; not to be changed."""
    return screen(small(model, data, tmp_path_factory.mktemp("runs") / "first"))


class Clock:
    """Stands for time.monotonic; a ``step`` goes by at every look, a second if not said otherwise."""

    def __init__(self) -> None:
        self.now = 0.0
        self.step = 1.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    ticking = Clock()
    for module in (
        emoloom.screen.pricing.budget,
        emoloom.screen.pricing.rates,
        emoloom.screen.run,
        emoloom.screen.pricing.schedule,
    ):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=ticking))
    return ticking
