"""Where an interrupted training goes on: trained weights, optimizer moments and the step, in one safetensors file."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save

from emoloom.store.files import write_atomic

_MOMENTS = ("exp_avg", "exp_avg_sq")


def save_checkpoint(
    path: Path, named: dict[str, torch.nn.Parameter], optimizer: torch.optim.AdamW, step: int, losses: list[float]
) -> None:
    """Writes the state after ``step`` optimizer steps, atomically."""
    tensors = {f"weight/{name}": parameter.detach() for name, parameter in named.items()}
    for name, parameter in named.items():
        for moment in _MOMENTS:
            tensors[f"{moment}/{name}"] = optimizer.state[parameter][moment]
    contiguous = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    write_atomic(path, save(contiguous, metadata={"step": str(step), "losses": json.dumps(losses)}))


def load_checkpoint(
    path: Path, named: dict[str, torch.nn.Parameter], optimizer: torch.optim.AdamW
) -> tuple[int, list[float]]:
    """Puts weights and moments back and returns the step and the losses so far; (0, []) where there is no checkpoint."""
    if not path.exists():
        return 0, []
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        step = int(metadata["step"])
        for name, parameter in named.items():
            with torch.no_grad():
                parameter.copy_(file.get_tensor(f"weight/{name}"))
            moments = {moment: file.get_tensor(f"{moment}/{name}").to(parameter.device) for moment in _MOMENTS}
            optimizer.state[parameter] = {"step": torch.tensor(float(step)), **moments}
    return step, json.loads(metadata["losses"])
