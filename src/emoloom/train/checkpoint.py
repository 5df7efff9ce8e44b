"""Where an interrupted training goes on: trained weights, optimizer moments and all else that decides the next step, in one
safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save

from emoloom.store.files import write_atomic

_MOMENTS = ("exp_avg", "exp_avg_sq")


def save_checkpoint(
    path: Path, named: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.AdamW, progress: Mapping[str, Any]
) -> None:
    """Writes weights, moments and ``progress`` (ready for JSON, with the number of ``step`` s done), atomically."""
    tensors = {f"weight/{name}": parameter.detach() for name, parameter in named.items()}
    for name, parameter in named.items():
        for moment in _MOMENTS:
            tensors[f"{moment}/{name}"] = optimizer.state[parameter][moment]
    contiguous = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    write_atomic(path, save(contiguous, metadata={"progress": json.dumps(progress)}))


def load_checkpoint(
    path: Path, named: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.AdamW
) -> dict[str, Any] | None:
    """Puts weights and moments back and returns the progress that was saved; None where there is no checkpoint."""
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as file:
        progress: dict[str, Any] = json.loads(file.metadata()["progress"])
        for name, parameter in named.items():
            with torch.no_grad():
                parameter.copy_(file.get_tensor(f"weight/{name}"))
            moments = {moment: file.get_tensor(f"{moment}/{name}").to(parameter.device) for moment in _MOMENTS}
            optimizer.state[parameter] = {"step": torch.tensor(float(progress["step"])), **moments}
    return progress
