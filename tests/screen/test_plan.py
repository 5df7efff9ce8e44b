"""A cell's key changes with everything that can change its result, and with nothing else."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from tests.screenings import ROWS, plan, small, write_jsonl

import emoloom
import emoloom.contract.prompt
import emoloom.screen.cells
import emoloom.screen.corpora
import emoloom.screen.environment
from emoloom.config import Recipe
from emoloom.contract.affect import ATOMS
from emoloom.errors import EmoLoomError
from emoloom.screen.environment import code_digest, environment
from emoloom.screen.plan import make_plan
from emoloom.store.run import planned

Keys = dict[str, str]
NORMS = "# scale: 0..1\nword,v,a,d\nhappy,0.9,0.6,0.7\nparcel,0.5,0.3,0.2\n"


@pytest.fixture(autouse=True)
def fresh_environment() -> Iterator[None]:
    environment.cache_clear()
    yield
    environment.cache_clear()


@pytest.fixture
def copy(model: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may change."""
    return Path(shutil.copytree(model, tmp_path / "model"))


def keys(model: Path, data: Path, **changes: Any) -> Keys:
    """Key of each cell by stage; baselines by name."""
    cells = plan(small(model, data, **changes)).cells
    return {cell.candidate if cell.stage == "baseline" else cell.stage: cell.key for cell in cells}


def changed(before: Keys, after: Keys) -> set[str]:
    assert set(before) == set(after)
    return {name for name in before if before[name] != after[name]}


TRAINED = {"training", "tuned"}
MODEL = TRAINED | {"probe", "zero-shot"}
ALL = MODEL | {"baseline:majority", "baseline:tfidf"}
JUDGED = ALL - {"probe", "training"}


def test_the_same_plan_has_the_same_keys_wherever_it_is_written(model: Path, data: Path, tmp_path: Path) -> None:
    before = keys(model, data)
    assert keys(model, data, out=tmp_path / "x", checkpoint_seconds=5.0, data_dir=tmp_path) == before
    assert len(set(before.values())) == len(before)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seed": 1}, ALL),
        ({"train_limit": 7}, ALL),
        ({"limit": 4}, JUDGED),
        ({"train": ("starter:dev",)}, ALL),
        ({"eval": ("starter:test",)}, JUDGED),
        ({"zero_shot_limit": 1}, {"zero-shot"}),
        ({"probe_limit": 3}, {"probe"}),
        ({"dtype": "bfloat16"}, MODEL),
        ({"recipe": {"batch_size": 4}}, TRAINED),
        ({"recipe": {"batch_size": 2, "rank": 2, "learning_rate": 0.1, "epochs": 2}}, TRAINED),
        ({"recipe": {"batch_size": 2, "rank": 2, "learning_rate": 0.1, "method": "full"}}, TRAINED),
    ],
    ids=lambda value: str(sorted(value)),
)
def test_settings_change_the_cells_that_they_matter_to(
    model: Path, data: Path, changes: dict[str, Any], expected: set[str]
) -> None:
    assert changed(keys(model, data), keys(model, data, **changes)) == expected


OTHER_RECIPES: dict[str, Any] = {
    "method": "full", "epochs": 2, "batch_size": 4, "micro_batch": 1, "learning_rate": 0.2, "warmup": 0.5, "weight_decay": 0.1,
    "clip": 0.5, "rank": 4, "l_cls": 0.1, "l_write": 0.1, "l_reg": 0.1, "l_vad": 0.1, "l_app": 0.1, "flip": True,
    "mixture": "entropy", "t_min": 1.5, "t_max": 2.0, "early_stop": True,
}  # fmt: skip


@pytest.mark.parametrize("name", Recipe.model_fields)
def test_every_part_of_the_recipe_changes_what_is_trained(name: str, model: Path, data: Path) -> None:
    before = keys(model, data, recipe={"epochs": 3})
    after = keys(model, data, recipe={"epochs": 3, name: OTHER_RECIPES[name]})
    assert changed(before, after) == TRAINED


@pytest.mark.parametrize("own", [False, True])
def test_scored_without_dev_records_is_told(own: bool, model: Path, data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    rows = [{**row, "text": f"{row['text']} again"} for row in ROWS]
    learnt = {"train": (f"jsonl:{write_jsonl(tmp_path / 'own.jsonl', rows)}",)} if own else {}
    make_plan(small(model, data, tmp_path / "run", readout=("scored",), **learnt), said.append)
    assert any("no dev records are left for scored" in line for line in said) is own


def test_a_budget_changes_no_cell(model: Path, data: Path) -> None:
    assert keys(model, data, budget=["20examples", "8GB"]) == keys(model, data)


def test_where_a_race_is_judged_changes_its_cells_alone(model: Path, copy: Path, data: Path) -> None:
    def raced(dev_limit: int) -> Keys:
        config = small(model, data, rungs=2, dev_limit=dev_limit)
        found = plan(config.model_copy(update={"model": (f"path:{model}", f"path:{copy}")})).cells
        return {f"{cell.candidate} {cell.stage}": cell.key for cell in found}

    assert changed(raced(1), raced(2)) == {f"path:{model} race", f"path:{copy} race"}


@pytest.mark.parametrize("named", [1, 2])
def test_one_candidate_alone_does_not_race(named: int, model: Path, data: Path) -> None:
    config = small(model, data, rungs=2, dev_limit=2).model_copy(update={"model": (f"path:{model}",) * named})
    with pytest.raises(EmoLoomError, match="a race takes two candidates or more"):
        plan(config)


def test_the_zero_shot_stage_may_be_left_out(model: Path, data: Path) -> None:
    assert set(keys(model, data)) - set(keys(model, data, zero_shot_limit=0)) == {"zero-shot"}


def test_a_plan_names_the_lexicon_that_it_found(model: Path, data: Path, tmp_path: Path) -> None:
    norms = tmp_path / "norms.csv"
    norms.write_text(NORMS, "utf-8")
    asked = [None, "none", str(norms)]
    found = [plan(small(model, data, lexicon=lexicon)).manifest for lexicon in asked]
    assert [manifest["config"]["lexicon"] for manifest in found] == ["none", "none", str(norms)]
    assert found[0] == found[1]


def test_flips_that_nobody_has_are_told(model: Path, data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    rows = [{"text": f"the parcel number {n}", "labels": ["neutral"]} for n in range(9)]
    train = (f"jsonl:{write_jsonl(tmp_path / 'plain.jsonl', rows)}",)
    make_plan(small(model, data, train=train, recipe={"flip": True}), said.append)
    assert "no training record has a mirror image: flips add nothing here" in said


def test_what_early_stopping_watches_changes_what_is_trained(model: Path, data: Path) -> None:
    recipe = {"epochs": 2, "early_stop": True}
    watched = keys(model, data, recipe=recipe, dev_limit=1)
    assert changed(watched, keys(model, data, recipe=recipe, dev_limit=2)) == TRAINED


def test_the_seed_counts_even_where_it_leaves_the_records_as_they_are(model: Path, tmp_path: Path) -> None:
    judged, learnt = (write_jsonl(tmp_path / f"{n}.jsonl", ROWS[n : n + 1]) for n in (0, 1))
    one = {"train": (f"jsonl:{learnt}",), "seed": 0}
    assert changed(keys(model, judged, **one), keys(model, judged, **one | {"seed": 1})) == ALL


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: flip(folder / "model.safetensors", -1), id="weights"),
        pytest.param(
            lambda folder: (folder / "generation_config.json").write_text('{"eos_token_id": 3}'), id="generation-config"
        ),
        pytest.param(
            lambda folder: (folder / "config.json").write_text(
                (folder / "config.json").read_text().replace("1e-06", "1e-05")
            ),
            id="config",
        ),
    ],
)
def test_one_byte_of_the_model_changes_its_cells(copy: Path, data: Path, change: Callable[[Path], object]) -> None:
    before = keys(copy, data)
    change(copy)
    assert changed(before, keys(copy, data)) == MODEL


def test_the_chat_template_changes_the_prompt(copy: Path, data: Path) -> None:
    before = plan(small(copy, data)).models[0].prompter.digest
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text().replace("assistant", "helper"))
    assert plan(small(copy, data)).models[0].prompter.digest != before


def test_the_prompt_version_changes_the_models_cells(model: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(model, data)
    monkeypatch.setattr(emoloom.contract.prompt, "VERSION", "next")
    assert changed(before, keys(model, data)) == MODEL


def test_the_length_of_replies_changes_the_models_cells(
    model: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys(model, data)
    monkeypatch.setattr(emoloom.screen.cells, "MAX_NEW_TOKENS", 9)
    assert changed(before, keys(model, data)) == MODEL - {"probe", "training"}


@pytest.mark.parametrize("field", [{"text": "lunch is at one"}, {"labels": ["joy"]}, {"rationale": "mine"}])
def test_one_record_changes_all_cells_that_see_it(model: Path, tmp_path: Path, field: dict[str, Any]) -> None:
    judged, learnt = (write_jsonl(tmp_path / f"{name}.jsonl") for name in ("judged", "learnt"))
    other = write_jsonl(tmp_path / "other.jsonl", [{"text": "judged", "labels": ["joy"]}])
    train = (f"jsonl:{learnt}",)
    before = keys(model, other, train=train), keys(model, judged, limit=None)
    changed_rows = [*ROWS[:3], {**ROWS[3], **field}, ROWS[4]]
    write_jsonl(learnt, changed_rows)
    write_jsonl(judged, changed_rows)
    assert changed(before[0], keys(model, other, train=train)) == ALL
    assert changed(before[1], keys(model, judged, limit=None)) == JUDGED


@pytest.mark.parametrize("library", ["torch", "transformers", "peft", "tokenizers", "numpy", "scikit-learn"])
def test_the_version_of_a_library_changes_all_cells(
    model: Path, data: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    before = keys(model, data)
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0.0.1" if name == library else version(name))
    environment.cache_clear()
    assert changed(before, keys(model, data)) == ALL


def test_threads_device_and_code_change_all_cells(model: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(model, data)
    known = environment()
    assert set(known) == {
        "emoloom", "code", "python", "libraries", "device_class", "device", "vector_instructions", "threads",
        "matmul_precision", "kernels",
    }  # fmt: skip
    with monkeypatch.context() as installed:
        version = metadata.version
        installed.setattr(metadata, "version", lambda name: "1.2" if name == "mamba-ssm" else version(name))
        environment.cache_clear()
        assert environment()["libraries"] == {**known["libraries"], "mamba-ssm": "1.2"}
    for name in known:
        monkeypatch.setattr(emoloom.screen.cells, "environment", lambda name=name: {**known, name: "other"})
        assert changed(before, keys(model, data)) == ALL, name


@pytest.mark.parametrize("name", ["MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "CUBLAS_WORKSPACE_CONFIG"])
def test_the_choice_of_kernels_changes_all_cells(
    model: Path, data: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = keys(model, data)
    monkeypatch.setenv(name, "COMPATIBLE")
    environment.cache_clear()
    assert changed(before, keys(model, data)) == ALL


def test_one_value_of_the_lexicon_changes_all_cells(model: Path, data: Path, tmp_path: Path) -> None:
    norms = tmp_path / "norms.csv"
    found = []
    for valence in ("0.9", "0.8"):
        norms.write_text(NORMS.replace("0.9", valence))
        found.append(keys(model, data, lexicon=str(norms)))
    assert changed(*found) == ALL | {"baseline:lexicon"}


def test_what_scored_is_tuned_on_changes_its_answers(model: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(model, data, readout=("scored",))
    monkeypatch.setattr(emoloom.screen.corpora, "TUNE_LIMIT", 1)
    assert changed(before, keys(model, data, readout=("scored",))) == {"tuned"}


def test_the_code_digest_covers_what_computes_and_not_what_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "emoloom"
    shutil.copytree(Path(emoloom.__file__).parent, root, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(emoloom, "__file__", str(root / "__init__.py"))
    before = code_digest()
    for shown in ("cli/app.py", "report/html.py"):
        (root / shown).write_text((root / shown).read_text() + "\n")
        assert code_digest() == before, shown
    for computing in ("decode/fast.py", "train/loop.py", "contract/parse.py", "config.py"):
        (root / computing).write_text((root / computing).read_text() + "\n")
        assert code_digest() != before, computing
        before = code_digest()


def test_a_model_named_twice_runs_once(model: Path, data: Path) -> None:
    config = small(model, data).model_copy(update={"model": (f"path:{model}", f"path:{model}")})
    assert len(plan(config).models) == 1


def test_the_manifest_names_the_verifier_that_read_texts(model: Path, data: Path, tmp_path: Path) -> None:
    learnt = write_jsonl(tmp_path / "learnt.jsonl", [{"text": "it rained all day", "labels": ["sadness"]}])
    read = plan(small(model, data, train=(f"jsonl:{learnt}",), recipe={"l_app": 0.1})).manifest["verifier"]
    assert (read["fitted_on"], read["corpora"], set(read["held_out_auc"])) == ("starter", ["starter"], set(ATOMS))
    # The starter corpus has appraisals of its own.
    assert plan(small(model, data, train=("starter",), recipe={"l_app": 0.1})).manifest["verifier"] is None


def test_the_manifest_names_what_identifies_the_run(model: Path, data: Path) -> None:
    manifest = plan(small(model, data)).manifest
    [candidate] = manifest["candidates"]
    assert set(planned(manifest)) == {
        "config", "environment", "data", "lexicon", "verifier", "candidates", "constant_vad", "arms", "cells",
    }  # fmt: skip
    assert {len(candidate["sha256"]), len(candidate["prompt_sha256"])} == {64}
    assert (candidate["chat_template"], candidate["licence"], manifest["lexicon"]) == (True, "not stated", None)
    assert manifest["verifier"] is None
    assert (
        candidate["files"]["model.safetensors"]
        == hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    )
    assert {"tokenizer.json", "config.json"} < candidate["files"].keys()
    assert not {"out", "data_dir", "checkpoint_seconds"} & set(manifest["config"])
