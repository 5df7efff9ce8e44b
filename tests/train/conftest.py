"""Tiny models to train, and examples for them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests import tiny

from emoloom.config import Recipe
from emoloom.train.batch import run_batch
from emoloom.train.collate import Example
from emoloom.train.loop import Advance, train
from emoloom.train.objective import Objective
from emoloom.train.sft import sft_loss

PREFIX = tiny.draw(random.Random(7), 13)
Load = Callable[[str], Any]


def make_examples(n: int, seed: int = 0) -> list[Example]:
    """Prompts and replies of random tokens, each reply with its end."""
    rng = random.Random(seed)
    return [
        Example(f"r{i}", tuple(tiny.draw(rng, 1, 30)), (*tiny.draw(rng, 2, 12), tiny.END)) for i in range(n)
    ]  # fmt: skip


def make_objective(
    model: Any, examples: Sequence[Example], recipe: Recipe, prefix: Sequence[int] = PREFIX
) -> Objective:
    """The objective of a recipe behind a prefix of random tokens."""
    stand_in: Any = SimpleNamespace(prefix=prefix)
    return Objective(model, stand_in, examples, recipe, {})


def run_training(
    model: Any,
    recipe: Recipe,
    checkpoint: Path,
    examples: Sequence[Example],
    *,
    prefix: Sequence[int] = PREFIX,
    until: int | None = None,
    seed: int = 3,
    checkpoint_seconds: float = math.inf,
    advance: Advance = lambda *_: None,
) -> list[float]:
    """Trains on every example once an epoch; the loss of a reply token at each step."""
    history = train(
        model, make_objective(model, examples, recipe, prefix), examples, recipe,
        total=recipe.epochs * len(examples), until=until or recipe.epochs * len(examples),
        seed=seed, checkpoint=checkpoint, checkpoint_seconds=checkpoint_seconds, advance=advance,
    )  # fmt: skip
    return history.losses["sft"]


def sft(model: Any, prefix: Sequence[int], examples: Sequence[Example]) -> torch.Tensor:
    """The supervised loss after one forward."""
    return sft_loss(run_batch(model, prefix, examples))


def trained(model: Any) -> dict[str, torch.Tensor]:
    """A copy of what training changes."""
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def assert_bit_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


class StoppedError(Exception):
    """Stands for a crash."""


def crash_after(calls: int) -> Advance:
    """Raises at this call, the first of which says where training begins."""
    count = 0

    def advance(_examples: int, _tokens: int) -> None:
        nonlocal count
        count += 1
        if count == calls:
            raise StoppedError

    return advance


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model folder of each architecture."""
    return {name: tiny.make_model(tmp_path_factory.mktemp(name), name) for name in tiny.ARCHITECTURES}


@pytest.fixture
def load(folders: dict[str, Path]) -> Load:
    """Loads a fresh model of an architecture."""
    return lambda architecture: tiny.load_tiny(folders[architecture]).model
