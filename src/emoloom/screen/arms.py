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
    """``full``, ``plain`` and ``no-PART`` for every part that the recipe has, each with its seeds: ``ARM/SEED``.

    Seed by seed, so that a run that is stopped early has compared all arms by the first one.
    """
    full = config.recipe
    recipes = {FULL: full, PLAIN: full.without(*PARTS)}
    recipes |= {f"no-{part}": without for part in PARTS if (without := full.without(part)) != full}
    seeds = {name: config.seeds if name in (FULL, PLAIN) else config.part_seeds for name in recipes}
    return tuple(
        Arm(f"{name}/{seed}", recipe, seed)
        for seed in range(max(seeds.values()))
        for name, recipe in recipes.items()
        if seed < seeds[name]
    )
