"""What training changes in a model, and how it is kept: a LoRA adapter, or all weights."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

from emoloom.config import Recipe
from emoloom.model.tensors import damaged, read_tensors, write_tensors
from emoloom.store.files import readable_json, write_atomic

_LORA_WEIGHTS, _LORA_CONFIG = "adapter_model.safetensors", "adapter_config.json"
_FULL_WEIGHTS = "model.safetensors"
_WHAT = "trained weights"


def make_trainable(model: Any, recipe: Recipe, seed: int) -> Any:
    """The model with the recipe's parameters, and only those, requiring gradients. LoRA starts from ``seed``."""
    if recipe.method == "full":
        return model.requires_grad_(True)
    torch.manual_seed(seed)
    return _with_lora(model, recipe)


def _with_lora(model: Any, recipe: Recipe) -> Any:
    # State space layers read these weights past an update; peft refuses some of them.
    mixers = [name for name, module in model.named_modules() if "Mixer" in type(module).__name__]
    past = [f"{mixer}.{layer}" for mixer in mixers for layer in ("out_proj", "conv1d", "dt_proj", "x_proj")]
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=2 * recipe.rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        exclude_modules=past or None,
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        # peft asks transformers for an attribute by its old name.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        # For GPT-2's transposed layers it chooses rightly and says so.
        warnings.filterwarnings("ignore", "fan_in_fan_out is set to False", UserWarning)
        return get_peft_model(model, config)


def save_trained(model: Any, recipe: Recipe, folder: Path, base: str) -> None:
    """Writes what was trained in the form that peft (LoRA) or transformers (full) loads; ``base`` names the model under it."""
    if recipe.method == "full":
        # Tied weights share their memory and are kept once, as parameters are named once.
        names = {name for name, _ in model.named_parameters()} | {name for name, _ in model.named_buffers()}
        state = {name: tensor for name, tensor in model.state_dict().items() if name in names}
        write_tensors(folder / _FULL_WEIGHTS, state)
        return
    write_tensors(folder / _LORA_WEIGHTS, get_peft_model_state_dict(model))
    config = {key: value for key, value in model.peft_config["default"].to_dict().items() if value is not None}
    config |= {"base_model_name_or_path": base, "inference_mode": True}
    # Sets come in an order of their own in each process.
    ordered = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    write_atomic(folder / _LORA_CONFIG, readable_json(json.loads(json.dumps(ordered, sort_keys=True, default=str))))


def is_saved(recipe: Recipe, folder: Path) -> bool:
    """Whether :func:`save_trained` has finished there."""
    return (folder / (_FULL_WEIGHTS if recipe.method == "full" else _LORA_CONFIG)).exists()


def apply_trained(model: Any, recipe: Recipe, folder: Path) -> Any:
    """A freshly loaded base model with the trained weights put in; LoRA updates are merged into the weights.

    Raises:
        EmoLoomError: they cannot be read, or are another model's.
    """
    if recipe.method == "full":
        path = folder / _FULL_WEIGHTS
        missing, unexpected = model.load_state_dict(read_tensors(path, _WHAT), strict=False)
        tied = model.state_dict().keys() - {name for name, _ in model.named_parameters()}
        if unexpected or set(missing) - tied:
            raise damaged(path, _WHAT, "they are not this model's")
        return model
    path = folder / _LORA_WEIGHTS
    wrapped = _with_lora(model, recipe)
    weights = read_tensors(path, _WHAT)
    if _shapes(weights) != _shapes(get_peft_model_state_dict(wrapped)):
        raise damaged(path, _WHAT, "they are not an adapter of this model at this rank")
    set_peft_model_state_dict(wrapped, weights)
    return wrapped.merge_and_unload()


def _shapes(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in weights.items()}
