"""``emoloom ablate`` and ``report`` on what it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tests.cli.conftest import Emoloom
from tests.screenings import OFF, lasting, shorten_replies


@pytest.fixture
def settings(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shorten_replies(monkeypatch)
    path = tmp_path / "settings.yaml"
    recipe = OFF | {"batch_size": 2, "rank": 2, "l_vad": 1.0, "mixture": "entropy"}
    settings = {"model": [f"path:{model}"], "train_limit": 4, "limit": 2, "part_seeds": 2, "recipe": recipe}
    path.write_text(yaml.safe_dump(settings))
    return path


def test_arms_are_trained_and_compared(emoloom: Emoloom, settings: Path, data: Path, tmp_path: Path) -> None:
    command = ("ablate", "--config", settings, "--eval", f"jsonl:{data}", "--seeds", 1, "--out", tmp_path / "run")
    done = emoloom(*command)
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "run" / "ablation.json").read_text())
    assert [(arm["arm"], arm["seeds"]) for arm in found["arms"]] == [
        ("full", 1), ("plain", 1), ("no-vad", 2), ("no-mixture", 2),
    ]  # fmt: skip
    for name in ("full", "no-vad", "full minus no mixture"):
        assert name in done.out
    assert done.out.endswith(f"run     {tmp_path / 'run'}\nfigure  {tmp_path / 'run' / 'ablation.svg'}\n")
    before = lasting(tmp_path / "run")
    assert "training full/0 of path:" in done.err
    again = emoloom(*command)
    assert (again.code, again.out) == (0, done.out)
    assert again.err.endswith(f"{tmp_path / 'run'}: 12 of 12 cells are done already\n")
    assert "training full/0 of path:" not in again.err
    nobody = emoloom("evaluate", "--run", tmp_path / "run", "--eval", f"jsonl:{data}")
    assert (nobody.code, "an ablation compares recipes and has no winner" in nobody.err) == (2, True)
    (tmp_path / "run" / "ablation.svg").unlink()
    assert emoloom("report", tmp_path / "run").code == 0
    assert lasting(tmp_path / "run") == before


def test_flags_of_a_screening_are_heard(emoloom: Emoloom, settings: Path, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = ("--seed", 3, "--epochs", 2, "--readout", "free", "--seeds", 1, "--part-seeds", 1, "--trust-remote-code")
    done = emoloom("ablate", "--config", settings, "--eval", f"jsonl:{data}", *flags, "--out", run)
    assert done.code == 0, done.err
    config = json.loads((run / "manifest.json").read_text())["config"]
    assert (config["seed"], config["recipe"]["epochs"], config["recipe"]["batch_size"]) == (3, 2, 2)
    assert (config["readout"], config["trust_remote_code"]) == (["free"], True)
    refused = emoloom("ablate", "--config", settings, "--lexicon", "warriner", "--out", tmp_path / "other")
    assert (refused.code, "Run `emoloom fetch lexicon:warriner`" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--model", "baseline:tfidf"), "an ablation takes one model"),
        ((), "model is not given"),
        (("--model", "pypi:smollm2-135m-instruct", "--config", "plain.yaml"), "the recipe has no part to leave out"),
        (("--seeds", 0), "greater than or equal to 1"),
    ],
)
def test_a_users_mistake_is_one_line(
    emoloom: Emoloom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[object, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain.yaml").write_text(yaml.safe_dump({"recipe": OFF}))
    done = emoloom("ablate", *flags, "--out", tmp_path / "run")
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "run").exists()
