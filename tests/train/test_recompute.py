"""Activation checkpointing: the same gradients from less memory, when there is not enough."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tests import tiny
from tests.train.conftest import PREFIX, Load, assert_bit_equal, make_examples, run_training, sft, trained

from emoloom.config import PARTS, Recipe
from emoloom.train.adapter import make_trainable
from emoloom.train.batch import run_batch
from emoloom.train.recompute import recompute_layers

EXAMPLES = make_examples(8)
FULL = Recipe(method="full", batch_size=4, micro_batch=2, epochs=2, learning_rate=1e-3).without(*PARTS)
LORA = FULL.model_copy(update={"method": "lora", "rank": 4, "learning_rate": 1e-2})


class Kept:
    """Counts the bytes that a forward keeps for its backward; beyond ``limit`` there is no memory."""

    def __init__(self, limit: float = float("inf")) -> None:
        self.bytes, self.most, self._limit = 0, 0, limit
        self.refused = 0

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        self.bytes += tensor.nbytes
        self.most = max(self.most, self.bytes)
        if self.bytes > self._limit:
            self.bytes, self.refused = 0, self.refused + 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return tensor

    def unpack(self, tensor: torch.Tensor) -> torch.Tensor:
        self.bytes = 0
        return tensor


@contextmanager
def watch(kept: Kept) -> Iterator[Kept]:
    with torch.autograd.graph.saved_tensors_hooks(kept.pack, kept.unpack):
        yield kept


def gradients(model: Any) -> dict[str, torch.Tensor]:
    sft(model, PREFIX, EXAMPLES[:4]).backward()  # type: ignore[no-untyped-call]
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("recipe", [FULL, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_gradients_are_bit_equal_and_take_less_memory(architecture: str, recipe: Recipe, load: Load) -> None:
    plain, thrifty = (make_trainable(load(architecture), recipe, 0) for _ in range(2))
    assert recompute_layers(thrifty)
    with watch(Kept()) as before:
        expected = gradients(plain)
    with watch(Kept()) as after:
        found = gradients(thrifty)
    assert expected
    assert_bit_equal(found, expected)
    assert after.most < before.most / 2


@pytest.mark.parametrize("architecture", tiny.UNPACKABLE)
def test_models_that_cannot_be_packed(architecture: str, tmp_path: Path) -> None:
    folder = tiny.make_model(tmp_path, architecture)
    plain, thrifty = (make_trainable(tiny.load_tiny(folder).model, FULL, 0) for _ in range(2))
    assert recompute_layers(thrifty)
    assert_bit_equal(gradients(thrifty), gradients(plain))


def test_is_switched_on_once(load: Load) -> None:
    model = load("llama")
    assert recompute_layers(model)
    assert not recompute_layers(model)


def test_a_step_that_does_not_fit_is_taken_again(load: Load, tmp_path: Path) -> None:
    plain, thrifty = (make_trainable(load("llama"), LORA, 0) for _ in range(2))
    with watch(Kept()) as before:
        losses = run_training(plain, LORA, tmp_path / "plain", EXAMPLES)
    with watch(Kept(0.7 * before.most)) as after:
        assert run_training(thrifty, LORA, tmp_path / "thrifty", EXAMPLES) == losses
    assert after.refused == 1
    assert_bit_equal(trained(thrifty), trained(plain))


def test_gradients_of_a_step_that_did_not_fit_do_not_count(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory runs out in the second micro-batch, when the first has left its gradients."""
    plain, thrifty = (make_trainable(load("llama"), FULL, 0) for _ in range(2))
    losses = run_training(plain, FULL, tmp_path / "plain", EXAMPLES)
    calls = 0

    def short(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run_batch(*arguments)

    monkeypatch.setattr("emoloom.train.objective.run_batch", short)
    assert run_training(thrifty, FULL, tmp_path / "thrifty", EXAMPLES) == losses
    assert_bit_equal(trained(thrifty), trained(plain))


def test_what_does_not_fit_even_so_fails(load: Load, tmp_path: Path) -> None:
    with watch(Kept(100)) as kept, pytest.raises(torch.OutOfMemoryError):
        run_training(load("llama"), FULL, tmp_path / "c", EXAMPLES)
    assert kept.refused == 2


def test_other_errors_are_not_tried_again(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def broken(*_: Any) -> Any:
        nonlocal calls
        calls += 1
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr("emoloom.train.objective.run_batch", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        run_training(load("llama"), FULL, tmp_path / "c", EXAMPLES)
    assert calls == 1
