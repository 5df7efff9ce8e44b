"""Tiny models to train, and examples for them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests import tiny

from emoloom.train.collate import Example

PREFIX = tiny.draw(random.Random(7), 16)
Load = Callable[[str], Any]


def make_examples(n: int, seed: int = 0) -> list[Example]:
    """Prompts and replies of random tokens, each reply with its end."""
    rng = random.Random(seed)
    return [
        Example(f"r{i}", tuple(tiny.draw(rng, 1, 30)), (*tiny.draw(rng, 2, 12), tiny.END)) for i in range(n)
    ]  # fmt: skip


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model folder of each architecture."""
    return {name: tiny.make_model(tmp_path_factory.mktemp(name), name) for name in tiny.ARCHITECTURES}


@pytest.fixture
def load(folders: dict[str, Path]) -> Load:
    """Loads a fresh model of an architecture."""
    return lambda architecture: tiny.load_tiny(folders[architecture]).model
