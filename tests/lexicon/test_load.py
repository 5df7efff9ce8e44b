"""Lexicons by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from emoloom.errors import EmoLoomError
from emoloom.lexicon.load import load_teacher


def test_lexicons_must_be_known_and_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOLOOM_CACHE", str(tmp_path))
    with pytest.raises(EmoLoomError, match=r"unknown lexicon 'wariner'\. Did you mean warriner"):
        load_teacher("wariner")
    with pytest.raises(EmoLoomError, match="emoloom fetch lexicon:warriner"):
        load_teacher("lexicon:warriner")
    assert load_teacher(None).lexicon is None
