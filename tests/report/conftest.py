"""A run of baselines alone, whose files tests bend to their needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.screenings import rename, screen, small, write_jsonl

from emoloom.store.run import RunFolder


@pytest.fixture(scope="session")
def baselines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("EMOLOOM_CACHE", str(root / "cache"))
        yield screen(small(None, write_jsonl(root / "mine.jsonl"), root / "run", limit=None)).path


@pytest.fixture
def run(baselines: Path, tmp_path: Path) -> RunFolder:
    """A copy of the run with a fine-tuned candidate, which is the TF-IDF baseline under another name."""
    folder = RunFolder(Path(shutil.copytree(baselines, tmp_path / "run")))
    rename(folder, "path:/models/a")
    return folder
