"""The ways of training that a run compares."""

from __future__ import annotations

from dataclasses import dataclass

from emoloom.config import PARTS, AblationConfig, Recipe


@dataclass(frozen=True)
class Arm:
    """One way to train: a recipe and the seed of its initial weights and of the order of its examples."""

    name: str
    recipe: Recipe
    seed: int


FULL, PLAIN = "full", "plain"
"""The arm with the whole recipe, and the one without any part of it."""


def ablation_arms(config: AblationConfig) -> tuple[Arm, ...]:
    """``full``, ``plain`` and ``no-PART`` for every part that the recipe has, each with its seeds: ``ARM/SEED``."""
    full = config.recipe
    recipes = {FULL: full, PLAIN: full.without(*PARTS)}
    recipes |= {f"no-{part}": full.without(part) for part in PARTS}
    seeds = {name: config.seeds if name in (FULL, PLAIN) else config.part_seeds for name in recipes}
    return tuple(
        Arm(f"{name}/{seed}", recipe, seed)
        for name, recipe in recipes.items()
        if name in (FULL, PLAIN) or recipe != full
        for seed in range(seeds[name])
    )
