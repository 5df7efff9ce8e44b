"""What is saved after training gives the trained model back: to EmoLoom, to peft and to transformers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from tests import tiny
from tests.train.conftest import PREFIX, Load, make_examples, run_training
from transformers import AutoModelForCausalLM

from emoloom.config import PARTS, Recipe
from emoloom.errors import EmoLoomError
from emoloom.model.forward import packed_logits
from emoloom.model.packing import pack
from emoloom.train import adapter
from emoloom.train.adapter import apply_trained, is_saved, make_trainable, save_trained

EXAMPLES = make_examples(16)
FULL = Recipe(method="full", batch_size=4, epochs=2, learning_rate=1e-2).without(*PARTS)
LORA = FULL.model_copy(update={"method": "lora", "rank": 4})


@torch.inference_mode()
def logits(model: Any) -> torch.Tensor:
    packed = pack(PREFIX, [one.prompt for one in EXAMPLES], torch.device("cpu"))
    return packed_logits(model.cpu(), packed, range(packed.prefix, len(packed.tokens)))


def fit(model: Any, recipe: Recipe, folder: Path) -> torch.Tensor:
    """Trains and saves; returns the trained model's logits."""
    base = logits(model)
    model = make_trainable(model, recipe, 0)
    run_training(model, recipe, folder / "c", EXAMPLES, seed=0)
    assert not is_saved(recipe, folder)
    save_trained(model, recipe, folder, "tiny:model")
    assert is_saved(recipe, folder)
    after = logits(model)
    assert (after - base).abs().max() > 0.1
    return after


def test_an_adapter_of_another_rank_or_model_is_refused(load: Load, tmp_path: Path) -> None:
    for architecture, recipe in (("llama", LORA.model_copy(update={"rank": 2})), ("gemma3_text", LORA)):
        save_trained(make_trainable(load(architecture), recipe, 0), recipe, tmp_path, "tiny:model")
        with pytest.raises(EmoLoomError, match="not an adapter of this model at this rank"):
            apply_trained(load("llama"), LORA, tmp_path)


@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False but the target module is `Conv1D`:UserWarning")
@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_lora_comes_back_merged(architecture: str, load: Load, tmp_path: Path) -> None:
    after = fit(load(architecture), LORA, tmp_path)
    merged = apply_trained(load(architecture), LORA, tmp_path)
    torch.testing.assert_close(logits(merged), after, atol=2e-5, rtol=0)
    assert not any("lora" in name for name, _ in merged.named_parameters())


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
def test_peft_loads_the_adapter(architecture: str, load: Load, folders: dict[str, Path], tmp_path: Path) -> None:
    after = fit(load(architecture), LORA, tmp_path)
    base = tiny.load_tiny(folders[architecture]).model
    adapted = PeftModel.from_pretrained(base.cpu(), tmp_path)
    torch.testing.assert_close(logits(adapted), after, atol=2e-5, rtol=0)


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text", "gpt2", "gpt_neox"])
def test_all_weights_come_back(architecture: str, load: Load, tmp_path: Path) -> None:
    after = fit(load(architecture), FULL, tmp_path)
    again = apply_trained(load(architecture), FULL, tmp_path)
    assert torch.equal(logits(again), after)


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text", "gpt2"])
def test_transformers_loads_all_weights(
    architecture: str, load: Load, folders: dict[str, Path], tmp_path: Path
) -> None:
    fit(load(architecture), FULL, tmp_path)
    shutil.copy(folders[architecture] / "config.json", tmp_path)
    again, info = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    ours = apply_trained(load(architecture), FULL, tmp_path)
    for (name, a), (_, b) in zip(again.named_parameters(), ours.named_parameters(), strict=True):
        assert torch.equal(a, b.cpu()), name


def test_lora_starts_from_its_seed_as_the_base_model(load: Load) -> None:
    base = logits(load("llama"))
    starts = [make_trainable(load("llama"), LORA, seed) for seed in (0, 0, 1)]
    states = [{n: p.clone() for n, p in model.named_parameters() if p.requires_grad} for model in starts]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])
    torch.testing.assert_close(logits(starts[0]), base, atol=1e-6, rtol=0)
    trained = {name.split(".")[-4] for name in states[0]}
    assert trained == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_saved_files_hold_weights_and_where_they_belong(load: Load, tmp_path: Path) -> None:
    fit(load("llama"), LORA, tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny:model"
    assert (config["r"], config["lora_alpha"], config["inference_mode"]) == (4, 8, True)
    assert config["target_modules"] == sorted(config["target_modules"])
    with safe_open(tmp_path / "adapter_model.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
        names = list(file.keys())
    assert all("lora_A" in name or "lora_B" in name for name in names)


SAVE = """
import sys
from pathlib import Path
from emoloom.config import Recipe
from emoloom.train.adapter import make_trainable, save_trained
from tests import tiny
recipe, (base, out) = Recipe(rank=2), map(Path, sys.argv[1:])
save_trained(make_trainable(tiny.load_tiny(base).model, recipe, 0), recipe, out, "tiny:model")
"""


def test_adapter_is_the_same_bytes_in_every_process(load: Load, folders: dict[str, Path], tmp_path: Path) -> None:
    recipe = Recipe(rank=2).without(*PARTS)
    save_trained(make_trainable(load("llama"), recipe, 0), recipe, tmp_path / "here", "tiny:model")
    root = Path(tiny.__file__).parents[1]
    source = Path(adapter.__file__).parents[2]
    # Another hash seed than this process has: sets come in another order.
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": f"{source}{os.pathsep}{root}"}
    command = [sys.executable, "-c", SAVE, str(folders["llama"]), str(tmp_path / "there")]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert names == ["adapter_config.json", "adapter_model.safetensors"]
    for name in names:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
