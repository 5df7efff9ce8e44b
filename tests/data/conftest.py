"""Where the published corpora lie, for the tests that read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpora() -> Path:
    folder = Path(os.environ.get("EMOLOOM_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
    if not (folder / "goemotions").is_dir():
        pytest.skip(f"the published corpora are not in {folder}: set EMOLOOM_DATA")
    return folder


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a data folder nor the network."""
    monkeypatch.delenv("EMOLOOM_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
