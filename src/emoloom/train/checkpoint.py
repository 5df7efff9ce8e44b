"""Where an interrupted training goes on: trained weights, optimizer moments and all else that decides the next step, in one
safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from emoloom.errors import EmoLoomError
from emoloom.model.tensors import write_tensors

_MOMENTS = ("exp_avg", "exp_avg_sq")


def save_checkpoint(
    path: Path, named: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.AdamW, progress: Mapping[str, Any]
) -> None:
    """Writes weights, moments and ``progress`` (ready for JSON, with the number of ``step`` s done), atomically."""
    tensors: dict[str, torch.Tensor] = {f"weight/{name}": parameter for name, parameter in named.items()}
    for name, parameter in named.items():
        # A parameter that no term has reached yet has no moments.
        for moment in _MOMENTS if parameter in optimizer.state else ():
            tensors[f"{moment}/{name}"] = optimizer.state[parameter][moment]
    write_tensors(path, tensors, ("progress", json.dumps(progress)))


def load_checkpoint(
    path: Path, named: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.AdamW
) -> dict[str, Any] | None:
    """Puts weights and moments back and returns the progress that was saved; None where there is no checkpoint.

    Raises:
        EmoLoomError: the file is damaged or another training's.
    """
    if not path.exists():
        return None
    try:
        return _load(path, named, optimizer)
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise EmoLoomError(
            f"the checkpoint cannot be read: {error}", where=str(path), remedy="Remove it to train this cell anew."
        ) from error


def _load(path: Path, named: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.AdamW) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        progress: dict[str, Any] = json.loads(file.metadata()["progress"])
        kept = set(file.keys())
        for name, parameter in named.items():
            with torch.no_grad():
                parameter.copy_(file.get_tensor(f"weight/{name}"))
            if f"{_MOMENTS[0]}/{name}" in kept:
                moments = {moment: file.get_tensor(f"{moment}/{name}").to(parameter.device) for moment in _MOMENTS}
                optimizer.state[parameter] = {"step": torch.tensor(float(progress["step"])), **moments}
    return progress
