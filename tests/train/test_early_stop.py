"""Early stopping, against trainings that were stopped by hand after each epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.conftest import PREFIX, Load, StoppedError, crash_after, make_examples, make_objective

from emoloom.config import PARTS, Recipe
from emoloom.train.adapter import make_trainable
from emoloom.train.collate import Example
from emoloom.train.loop import Advance, History, train

POOL, WATCHED = make_examples(6), make_examples(5, seed=1)
LORA = Recipe(batch_size=4, micro_batch=2, epochs=6, learning_rate=3e-2, rank=4, early_stop=True).without(*PARTS)
FULL = LORA.model_copy(update={"method": "full", "learning_rate": 3e-3})
BOTH = pytest.mark.parametrize("recipe", [LORA, FULL], ids=["lora", "full"])
TOTAL = LORA.epochs * len(POOL)


def run(
    model: Any,
    recipe: Recipe,
    checkpoint: Path,
    watched: Sequence[Example] = WATCHED,
    *,
    until: int = TOTAL,
    checkpoint_seconds: float = math.inf,
    advance: Advance = lambda *_: None,
) -> History:
    return train(
        model, make_objective(model, POOL, recipe), POOL, recipe, total=TOTAL, until=until, seed=3, checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds, advance=advance, watched=watched,
    )  # fmt: skip


def reply_loss(model: Any, examples: Sequence[Example]) -> float:
    """The mean over reply tokens, one text at a time through transformers' own attention; the model stays with that."""
    model.set_attn_implementation("eager")
    losses: list[float] = []
    for example in examples:
        tokens = torch.tensor([[*PREFIX, *example.prompt, *example.reply]])
        with torch.no_grad():
            chances = model(input_ids=tokens).logits[0].log_softmax(-1)
        first = tokens.shape[1] - len(example.reply)
        losses += [-float(chances[at - 1, tokens[0, at]]) for at in range(first, tokens.shape[1])]
    return sum(losses) / len(losses)


def trained(model: Any) -> dict[str, list[Any]]:
    return {name: p.tolist() for name, p in model.named_parameters() if p.requires_grad}


@BOTH
def test_training_ends_after_the_first_epoch_that_does_not_help_with_the_best_ones_weights(
    recipe: Recipe, load: Load, tmp_path: Path
) -> None:
    by_hand: list[tuple[float, dict[str, list[Any]]]] = []
    for epoch in range(1, recipe.epochs + 1):
        model = make_trainable(load("llama"), recipe, 0)
        run(model, recipe, tmp_path / str(epoch), (), until=epoch * len(POOL))
        by_hand.append((reply_loss(model, WATCHED), trained(model)))
    losses = [loss for loss, _ in by_hand]
    worse = next(epoch for epoch in range(1, recipe.epochs) if losses[epoch] >= min(losses[:epoch]))
    assert 1 < worse < recipe.epochs - 1, "these settings are to learn first and stop in time"
    model = make_trainable(load("llama"), recipe, 0)
    history = run(model, recipe, tmp_path / "watched")
    assert history.watched == pytest.approx(losses[: worse + 1], abs=1e-5)
    # Six examples are two steps.
    assert len(history.losses["sft"]) == 2 * (worse + 1)
    assert trained(model) == by_hand[worse - 1][1]


@pytest.mark.parametrize("calls", range(2, 9))
def test_an_interrupted_one_ends_with_the_same_bits(calls: int, load: Load, tmp_path: Path) -> None:
    whole = make_trainable(load("llama"), LORA, 0)
    never = run(whole, LORA, tmp_path / "whole" / "c")
    with pytest.raises(StoppedError):
        run(
            make_trainable(load("llama"), LORA, 0),
            LORA,
            tmp_path / "c",
            checkpoint_seconds=0,
            advance=crash_after(calls),
        )
    told: list[int] = []
    resumed = make_trainable(load("llama"), LORA, 0)
    after = run(resumed, LORA, tmp_path / "c", checkpoint_seconds=0, advance=lambda more, _: told.append(more))
    assert after == never
    assert trained(resumed) == trained(whole)
    assert sum(told) == (len(POOL) + len(WATCHED)) * len(never.watched)


def test_a_paused_one_has_the_weights_of_that_moment_and_ends_with_the_same_bits(load: Load, tmp_path: Path) -> None:
    whole, paused, by_hand = (make_trainable(load("llama"), LORA, 0) for _ in range(3))
    never = run(whole, LORA, tmp_path / "whole" / "c")
    run(paused, LORA, tmp_path / "c", until=9)
    run(by_hand, LORA, tmp_path / "hand" / "c", (), until=9)
    assert trained(paused) == trained(by_hand)
    for _ in range(2):
        # The second call finds a training that has ended early.
        model = make_trainable(load("llama"), LORA, 0)
        assert run(model, LORA, tmp_path / "c") == never
        assert trained(model) == trained(whole)


def test_the_last_epoch_may_be_the_best(load: Load, tmp_path: Path) -> None:
    recipe = LORA.model_copy(update={"learning_rate": 1e-4})
    model, by_hand = (make_trainable(load("llama"), recipe, 0) for _ in range(2))
    history = run(model, recipe, tmp_path / "c")
    run(by_hand, recipe, tmp_path / "hand" / "c", ())
    assert len(history.watched) == recipe.epochs
    assert history.watched == sorted(history.watched, reverse=True)
    assert trained(model) == trained(by_hand)
