"""Settings from a file and from flags: flags win, mistakes are named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from emoloom.config import Recipe, ScreenConfig, load_config
from emoloom.errors import EmoLoomError

EXAMPLE = Path(__file__).parents[1] / "examples" / "screen.yaml"
DOCUMENT = Path(__file__).parents[1] / "docs" / "configuration.md"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "screen.yaml"


def load(file: Path, text: str, **flags: Any) -> ScreenConfig:
    file.write_text(text, encoding="utf-8")
    return load_config(file, flags, ScreenConfig)


def refused(file: Path, text: str, **flags: Any) -> str:
    with pytest.raises(EmoLoomError) as caught:
        load(file, text, **flags)
    assert caught.value.where == str(file)
    return str(caught.value)


def test_defaults_fill_what_is_not_given(file: Path) -> None:
    config = load(file, "model: [pypi:a]")
    assert config == ScreenConfig(model=("pypi:a",))
    assert (config.train, config.eval, config.limit, config.seed) == (("starter",), ("starter:test",), None, 0)


def test_flags_win_over_the_file_and_none_is_no_flag(file: Path) -> None:
    text = "model: [pypi:a]\nlimit: 5\nseed: 7\nrecipe: {epochs: 2, rank: 4}\n"
    config = load(file, text, model=["path:b", "path:c"], limit=9, seed=None, epochs=3, out=Path("x"))
    assert (config.model, config.limit, config.seed, config.out) == (("path:b", "path:c"), 9, 7, Path("x"))
    assert config.recipe == Recipe(epochs=3, rank=4)
    assert load(file, text, limit=None).limit == 5


def test_a_flag_can_be_zero_or_false(file: Path) -> None:
    text = "model: [pypi:a]\nseed: 7\ntrust_remote_code: true\n"
    config = load(file, text, seed=0, trust_remote_code=False)
    assert (config.seed, config.trust_remote_code) == (0, False)


def test_flags_alone_are_enough() -> None:
    assert load_config(None, {"model": ["pypi:a"], "epochs": 2}, ScreenConfig).recipe.epochs == 2


@pytest.mark.parametrize("key", ["modle", "sead", "eval_limit", "train-limit"])
def test_an_unknown_key_gets_close_matches(file: Path, key: str) -> None:
    close = {"modle": "model", "sead": "seed", "eval_limit": "train_limit", "train-limit": "train_limit"}[key]
    assert re.search(
        rf"unknown setting '{key}'\. Did you mean .*\b{close}\b", refused(file, f"model: [pypi:a]\n{key}: 3\n")
    )


def test_an_unknown_recipe_key_gets_recipe_keys(file: Path) -> None:
    message = refused(file, "model: [pypi:a]\nrecipe: {learning_rat: 1}\n")
    assert "unknown setting 'learning_rat'. Did you mean learning_rate" in message
    assert "model" not in message.partition("Did you mean")[2]


def test_an_unknown_budget_key_gets_budget_keys(file: Path) -> None:
    assert "unknown setting 'second'. Did you mean seconds?" in refused(file, "model: [pypi:a]\nbudget: {second: 5}\n")


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    message = refused(file, "modle: [pypi:a]\nlimit: -3\nrecipe: {epochs: 0, rnk: 4}\n")
    assert all(
        part in message for part in ("'modle'", "limit is -3", "recipe.epochs is 0", "'rnk'", "model is not given")
    )
    assert message.count("Also: ") == 4


def test_settings_that_do_not_go_together_are_told_without_the_whole_file(file: Path) -> None:
    message = refused(file, "model: [pypi:a]\ndtype: bfloat16\nrecipe: {method: full}\n")
    assert message.startswith(f"{file}: method full would lose its updates in bfloat16 weights")


def test_a_misspelt_readout_is_told_once(file: Path) -> None:
    with pytest.raises(EmoLoomError, match=r"readout\.0 is 'score'") as caught:
        load(file, "model: [pypi:a]\nreadout: [score]\n")
    assert "Also" not in str(caught.value)


def test_a_readout_named_twice_is_one(file: Path) -> None:
    assert load(file, "model: [pypi:a]\nreadout: [scored, free, scored]\n").readout == ("scored", "free")


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("limit: 0", "limit is 0"),
        ("limit: many", "limit is 'many'"),
        ("train_limit: -1", "train_limit is -1"),
        ("seed: -1", "seed is -1"),
        ("seed: 4294967296", "seed is 4294967296"),
        ("checkpoint_seconds: 0", "checkpoint_seconds is 0"),
        ("train: []", r"train is \[\]"),
        ("eval: starter", "eval is 'starter'"),
        ("recipe: {epochs: 0}", "recipe.epochs is 0"),
        ("recipe: {method: qlora}", "recipe.method is 'qlora'"),
        ("recipe: {learning_rate: 2}", "recipe.learning_rate is 2"),
        ("recipe: {warmup: 1.5}", "recipe.warmup is 1.5"),
        ("recipe: 3", "recipe is 3"),
        ("1: 2", "1 is 1"),
    ],
)
def test_a_bad_value_is_named_with_its_place(file: Path, line: str, key: str) -> None:
    assert re.search(key, refused(file, f"model: [pypi:a]\n{line}\n"))


@pytest.mark.parametrize(
    "text", ["model: [a", "a: b: c", "\tmodel: x", "!!python/object/apply:os.getcwd []", "out: 2026-11-31"]
)
def test_what_is_not_yaml_is_said_to_be_so(file: Path, text: str) -> None:
    message = refused(file, text)
    assert "not YAML" in message
    assert len(message.splitlines()) == 1


def test_a_file_that_is_no_text_is_refused(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(EmoLoomError, match="not YAML"):
        load_config(file, {}, ScreenConfig)


@pytest.mark.parametrize("text", ["- model", "model", "3"])
def test_a_file_without_settings_is_refused(file: Path, text: str) -> None:
    assert "not a mapping" in refused(file, text)


@pytest.mark.parametrize("text", ["", "seed: 1"])
def test_a_missing_model_is_asked_for(file: Path, text: str) -> None:
    assert "model is not given. Pass --model" in refused(file, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError, match=r"nowhere\.yaml: cannot read: No such file"):
        load_config(tmp_path / "nowhere.yaml", {"model": ["pypi:a"]}, ScreenConfig)


def test_the_learning_rate_depends_on_the_method() -> None:
    assert (Recipe().rate, Recipe(method="full").rate, Recipe(learning_rate=0.5).rate) == (1e-3, 5e-5, 0.5)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Recipe().epochs = 2


def test_the_example_and_the_document_are_valid(file: Path) -> None:
    assert load_config(EXAMPLE, {}, ScreenConfig).model == ("pypi:smollm2-135m-instruct",)
    shown = DOCUMENT.read_text("utf-8").split("```yaml\n")[1].split("```")[0]
    config = load(file, shown)
    assert set(yaml.safe_load(shown)) == set(ScreenConfig.model_fields)
    assert set(yaml.safe_load(shown)["recipe"]) == set(Recipe.model_fields)
    assert config.recipe == Recipe(learning_rate=0.001)


def test_a_mixture_cools_and_does_not_heat() -> None:
    with pytest.raises(EmoLoomError, match=r"t_min 3\.0 is above t_max 2\.0"):
        load_config(None, {"model": ["pypi:a"], "recipe": {"t_min": 3.0, "t_max": 2.0}}, ScreenConfig)
    assert Recipe(t_min=2.0, t_max=2.0).t_max == 2.0
