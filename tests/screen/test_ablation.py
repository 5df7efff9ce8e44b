"""Arms, their means over seeds, and paired differences, against arithmetic and a finished ablation of a tiny model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from pydantic import ValidationError
from tests.screenings import BASELINES_ONLY, OFF, lasting, small

from emoloom.config import AblationConfig
from emoloom.errors import EmoLoomError
from emoloom.evaluate.bootstrap import Estimate
from emoloom.evaluate.score import Scores
from emoloom.report.ablation import print_ablation, write_figure
from emoloom.screen.ablation import ablation
from emoloom.screen.arms import ablation_arms
from emoloom.screen.cost import Progress
from emoloom.screen.plan import make_ablation_plan
from emoloom.screen.run import run_ablation
from emoloom.store.run import RunFolder

EVERYTHING = {
    "l_cls": 1.0,
    "l_write": 1.0,
    "l_reg": 0.5,
    "l_vad": 0.5,
    "l_app": 0.1,
    "flip": True,
    "mixture": "entropy",
}


def quiet(*_: object) -> None:
    pass


def estimate(value: float, seed: int) -> Estimate:
    return Estimate(value, value + 0.01 * np.random.default_rng(seed).standard_normal(1000))


def scores(
    f1: float | None = None, ccc: float | None = None, flips: float | None = None, *, source: str = "gold"
) -> Scores:
    named = {"strict_macro_f1": f1, "vad_ccc_mean": ccc, "flip_test": flips}
    estimates = {name: estimate(value, 7) for name, value in named.items() if value is not None}
    return Scores(10, estimates, "goemotions", (), (), (), {}, {}, {} if ccc is None else {source: 10})


def weak(f1: float) -> Scores:
    return scores(f1, 0.9, source="blend")


def test_figures_are_means_over_corpora_and_seeds() -> None:
    found = ablation(
        {
            ("full/0", "free"): {"a": weak(0.4), "b": scores(0.2), "c": scores(ccc=0.3), "f": scores(flips=0.5)},
            ("full/1", "free"): {"a": weak(0.6), "b": scores(0.4), "c": scores(ccc=0.5), "f": scores(flips=0.7)},
            ("plain/0", "free"): {"a": weak(0.3), "b": scores(0.1), "c": scores(ccc=0.1), "f": scores(flips=0.1)},
        },
        ("free",),
        seed=0,
    )  # fmt: skip
    full, plain = found["arms"]
    assert (full["arm"], full["seeds"], plain["arm"], plain["seeds"]) == ("full", 2, "plain", 1)
    # Weak VAD does not count.
    assert {name: full["metrics"][name]["value"] for name in full["metrics"]} == pytest.approx(
        {"strict_macro_f1": 0.4, "ccc_mean": 0.4, "flip_test": 0.6}
    )
    assert found["differences"] == ["full_minus_plain"]
    # Only the seed that both have.
    gap = found["full_minus_plain"]
    assert gap["seeds"] == 1
    assert gap["strict_macro_f1"]["difference"] == pytest.approx(0.1)
    assert gap["ccc_mean"]["difference"] == pytest.approx(0.2)
    assert gap["flip_test"]["difference"] == pytest.approx(0.4)


def test_records_that_both_find_hard_widen_no_interval() -> None:
    gap = ablation(
        {("full/0", "free"): {"a": scores(0.4)}, ("plain/0", "free"): {"a": scores(0.3)}}, ("free",), seed=0
    )["full_minus_plain"]
    assert gap["strict_macro_f1"]["interval"] == pytest.approx([0.1, 0.1])
    assert gap["ccc_mean"] is None


def test_seeds_that_differ_widen_the_interval() -> None:
    arms = {(f"full/{n}", "free"): {"a": scores(f1)} for n, f1 in enumerate((0.3, 0.5))}
    arms |= {(f"plain/{n}", "free"): {"a": scores(0.3)} for n in range(2)}
    low, high = ablation(arms, ("free",), seed=0)["full_minus_plain"]["strict_macro_f1"]["interval"]
    # Both seeds drawn from the worse one, or from the better one, happens in a quarter of the resamples each.
    assert (low, high) == (pytest.approx(0.0, abs=0.01), pytest.approx(0.2, abs=0.01))


def test_arms_are_compared_by_one_readout_at_a_time() -> None:
    by_readout = {("full", "free"): 0.4, ("full", "scored"): 0.5, ("plain", "free"): 0.3, ("plain", "scored"): 0.35}
    by_readout |= {("no-vad", "free"): 0.41}
    arms = {(f"{arm}/0", readout): {"a": scores(f1)} for (arm, readout), f1 in by_readout.items()}
    found = ablation(arms, ("free", "scored"), seed=0)
    gaps = {key: (found[key]["readout"], found[key]["strict_macro_f1"]["difference"]) for key in found["differences"]}
    assert gaps == {
        "full_minus_plain": ("free", pytest.approx(0.1)),
        "full_minus_plain_scored": ("scored", pytest.approx(0.15)),
        "full_minus_no_vad": ("free", pytest.approx(-0.01)),
    }
    assert [(arm["arm"], arm["readout"]) for arm in found["arms"]] == list(by_readout)


def config(model: Path | None, data: Path, out: Path | None = None, **changes: Any) -> AblationConfig:
    recipe = {"batch_size": 2, "rank": 2, "learning_rate": 0.1, **EVERYTHING}
    merged = {"recipe": recipe, "seeds": 2, **changes}
    screening = small(model, data, out).model_dump() | merged | {"recipe": OFF | merged["recipe"]}
    return AblationConfig.model_validate(screening)


def test_an_arm_leaves_out_one_part(data: Path) -> None:
    arms = {arm.name: arm for arm in ablation_arms(config(None, data))}
    assert list(arms) == [
        "full/0", "plain/0", "no-vad/0", "no-app/0", "no-flip/0", "no-mixture/0", "no-write/0", "no-cls/0", "no-reg/0",
        "full/1", "plain/1",
    ]  # fmt: skip
    full = arms["full/0"].recipe.model_dump()
    for name, arm in arms.items():
        changed = {key for key, value in arm.recipe.model_dump().items() if value != full[key]}
        part = name.partition("/")[0].removeprefix("no-")
        expected = set(EVERYTHING) if part == "plain" else {part if part in EVERYTHING else f"l_{part}"}
        assert changed == (set() if part == "full" else expected)
    assert [arms[f"full/{n}"].seed for n in range(2)] == [0, 1]


def test_a_part_that_the_recipe_lacks_is_not_left_out(data: Path) -> None:
    arms = ablation_arms(config(None, data, recipe={"l_vad": 1.0}))
    assert {arm.name.partition("/")[0] for arm in arms} == {"full", "plain", "no-vad"}


def test_one_model_is_taken(model: Path, data: Path) -> None:
    for models in (BASELINES_ONLY, (f"path:{model}", "pypi:gemma3-270m")):
        settings = config(model, data).model_copy(update={"model": models})
        with pytest.raises(EmoLoomError, match="takes one model"):
            make_ablation_plan(settings, quiet)


@pytest.mark.parametrize("setting", [{"rungs": 2}, {"keep": ("path:x",)}])
def test_arms_do_not_race(data: Path, setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="do not race"):
        config(None, data, **setting)


def test_a_figure_that_a_seed_lacks_is_not_given() -> None:
    lacking = scores(0.2, 0.3)
    lacking = replace(lacking, estimates={**lacking.estimates, "vad_ccc_mean": Estimate(None, np.full(1000, np.nan))})
    arms = {("full/0", "free"): {"a": scores(0.4, 0.2)}, ("full/1", "free"): {"a": lacking}}
    [arm] = ablation(arms, ("free",), seed=0)["arms"]
    assert arm["corpora"]["a"]["strict_macro_f1"] == pytest.approx(0.3)
    assert arm["corpora"]["a"]["vad_ccc_mean"] is None


@pytest.fixture(scope="module")
def ablated(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return ablate(model, data, tmp_path_factory.mktemp("ablation") / "run")


def ablate(model: Path, data: Path, out: Path, progress: Progress = quiet) -> RunFolder:
    recipe = {"batch_size": 2, "rank": 2, "learning_rate": 0.1, "l_vad": 1.0, "l_cls": 1.0}
    run = run_ablation(make_ablation_plan(config(model, data, out, recipe=recipe, seeds=1), quiet), progress, quiet)
    write_figure(run)
    return run


def test_an_ablation_leaves_its_table_and_figure(ablated: RunFolder) -> None:
    found = json.loads((ablated.path / "ablation.json").read_text())
    assert [arm["arm"] for arm in found["arms"]] == ["full", "plain", "no-vad", "no-cls"]
    assert found["differences"] == ["full_minus_plain", "full_minus_no_vad", "full_minus_no_cls"]
    assert set(found["full_minus_plain"]) == {"readout", "seeds", "strict_macro_f1", "ccc_mean", "flip_test"}
    cells = ablated.read_json("manifest.json")["cells"]
    assert [(cell["stage"], cell["arm"]) for cell in cells[:2]] == [("training", "full/0"), ("tuned", "full/0")]
    assert {cell["stage"] for cell in cells} == {"training", "tuned"}
    for cell in cells:
        heads = (ablated.cell(cell["key"]).path / "adapter" / "heads.safetensors").exists()
        assert heads == (cell["stage"] == "training" and cell["arm"].startswith(("full", "no-vad")))
    figure = ElementTree.parse(ablated.path / "ablation.svg").getroot()
    assert "no vad" in "".join(figure.itertext())


def test_one_that_is_stopped_shows_what_it_has_compared(
    ablated: RunFolder, model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(what: str, _more: int, _total: int) -> None:
        if what.startswith("training no-vad/0"):
            raise KeyboardInterrupt

    run = RunFolder(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        ablate(model, data, run.path, stop)
    whole, found = (json.loads((folder.path / "ablation.json").read_text()) for folder in (ablated, run))
    assert (whole["unfinished"], found["unfinished"]) == ([], ["no-vad/0", "no-cls/0"])
    assert found["arms"] == whole["arms"][:2]
    assert (found["differences"], found["full_minus_plain"]) == (["full_minus_plain"], whole["full_minus_plain"])
    write_figure(run)
    print_ablation(run)
    assert capsys.readouterr().out.endswith("not judged yet: no-vad/0, no-cls/0\n")
    assert lasting(ablate(model, data, run.path).path) == lasting(ablated.path)


def test_the_same_ablation_twice_is_the_same_bytes(ablated: RunFolder, model: Path, data: Path, tmp_path: Path) -> None:
    assert lasting(ablate(model, data, tmp_path / "again").path) == lasting(ablated.path)
