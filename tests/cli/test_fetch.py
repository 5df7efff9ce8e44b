from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from emoloom.assets.folder import fingerprint
from emoloom.cli.fetch import fetch
from emoloom.errors import EmoLoomError

app = typer.Typer()
app.command()(fetch)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "cache"
    monkeypatch.setenv("EMOLOOM_CACHE", str(root))
    return root


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_place_licence_and_checksum_are_printed(cache: Path, model: Path) -> None:
    lexicon = cache / "lexicons" / "warriner"
    lexicon.mkdir(parents=True)
    (lexicon / "NoVAD_v2013.csv").write_bytes(b"norms")
    marker = {"name": "n", "source": "s", "licence": "l", "converter": "none", "files": {}}
    (lexicon / "asset.json").write_text(json.dumps(marker))
    result = CliRunner().invoke(app, ["lexicon:warriner", f"path:{model}"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["lexicon:warriner", f"path:{model}"]
    assert f"  place    {lexicon / 'NoVAD_v2013.csv'}" in lines
    assert f"  sha256   {hashlib.sha256(b'norms').hexdigest()}" in lines
    assert any("CC BY-NC-ND 3.0" in line for line in lines)
    assert "  licence  not stated" in lines
    assert f"  sha256   {fingerprint(model, trust_remote_code=False)}" in lines


def test_remote_code_needs_the_flag(model: Path) -> None:
    (model / "config.json").write_text(json.dumps({"auto_map": {"AutoConfig": "c.C"}}))
    refused = CliRunner().invoke(app, [f"path:{model}"])
    assert isinstance(refused.exception, EmoLoomError)
    assert CliRunner().invoke(app, [f"path:{model}", "--trust-remote-code"]).exit_code == 0


@pytest.mark.parametrize(
    ("name", "hint"), [("lexicon:warriner2", "Did you mean warriner?"), ("pypi:gemma", "Did you mean gemma3-270m?")]
)
def test_unknown_name_gives_close_matches(name: str, hint: str) -> None:
    result = CliRunner().invoke(app, [name])
    assert hint in str(result.exception)
