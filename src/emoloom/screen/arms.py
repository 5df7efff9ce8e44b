"""The ways of training that a run compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emoloom.config import AblationConfig, Recipe


@dataclass(frozen=True)
class Arm:
    """One way to train: a recipe and the seed of its initial weights and of the order of its examples."""

    name: str
    recipe: Recipe
    seed: int


FULL, PLAIN = "full", "plain"
"""The arm with the whole recipe, and the one without any part of it."""
PARTS: Mapping[str, Mapping[str, Any]] = {
    "cls": {"l_cls": 0.0},
    "reg": {"l_reg": 0.0},
    "vad": {"l_vad": 0.0},
    "app": {"l_app": 0.0},
    "flip": {"flip": False},
    "mixture": {"mixture": "natural"},
}
"""The parts of a recipe and how each is left out."""


def ablation_arms(config: AblationConfig) -> tuple[Arm, ...]:
    """``full``, ``plain`` and ``no-PART`` for every part that the recipe has, each with its seeds: ``ARM/SEED``."""
    full = config.recipe
    plain = {key: value for changes in PARTS.values() for key, value in changes.items()}
    recipes = {FULL: full, PLAIN: full.model_copy(update=plain)}
    recipes |= {f"no-{part}": full.model_copy(update=changes) for part, changes in PARTS.items()}
    seeds = {name: config.seeds if name in (FULL, PLAIN) else config.part_seeds for name in recipes}
    return tuple(
        Arm(f"{name}/{seed}", recipe, seed)
        for name, recipe in recipes.items()
        if name in (FULL, PLAIN) or recipe != full
        for seed in range(seeds[name])
    )
