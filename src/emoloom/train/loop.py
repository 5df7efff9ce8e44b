"""The training loop: batches in a fixed order, AdamW, warm-up and cosine, clipping, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from emoloom.config import Recipe
from emoloom.errors import EmoLoomError
from emoloom.train.checkpoint import load_checkpoint, save_checkpoint
from emoloom.train.collate import Example, batches
from emoloom.train.sft import sft_loss

Advance = Callable[[int], None]
"""Told how many more examples were trained on."""


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The rate of 0-based ``step`` of ``steps``: linear warm-up to the recipe's rate, then a half cosine to zero."""
    warm = math.ceil(recipe.warmup * steps)
    if step < warm:
        return recipe.rate * (step + 1) / warm
    return recipe.rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def train(
    model: Any,
    prefix: Sequence[int],
    examples: Sequence[Example],
    recipe: Recipe,
    *,
    seed: int,
    checkpoint: Path,
    checkpoint_seconds: float,
    advance: Advance,
) -> list[float]:
    """Trains the parameters of ``model`` that require gradients, from ``checkpoint`` on if there is one.

    The result is the same bits whether or not it was interrupted, on the same machine with the same number of threads.

    Args:
        prefix: token ids that all prompts share.
        seed: decides the order of the examples.
        checkpoint: file to go on from, written every ``checkpoint_seconds``.

    Returns:
        Mean loss of a reply token at each step.

    Raises:
        EmoLoomError: the loss is not finite; the last checkpoint stays.
    """
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    optimizer = torch.optim.AdamW(named.values(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    lengths = [len(example) for example in examples]
    plan = [batch for epoch in range(recipe.epochs) for batch in batches(lengths, recipe.batch_size, seed, epoch)]
    done, losses = load_checkpoint(checkpoint, named, optimizer)
    advance(sum(len(batch) for batch in plan[:done]))
    saved = time.monotonic()
    # Dropout would draw random numbers that a checkpoint does not hold.
    model.eval()
    for step in range(done, len(plan)):
        batch = [examples[index] for index in plan[step]]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step, len(plan))
        losses.append(_step(model, prefix, batch, recipe, optimizer, named))
        advance(len(batch))
        if time.monotonic() - saved > checkpoint_seconds and step + 1 < len(plan):
            save_checkpoint(checkpoint, named, optimizer, step + 1, losses)
            saved = time.monotonic()
    return losses


def _step(
    model: Any,
    prefix: Sequence[int],
    batch: Sequence[Example],
    recipe: Recipe,
    optimizer: torch.optim.AdamW,
    named: dict[str, torch.nn.Parameter],
) -> float:
    """One optimizer step; returns the mean loss of a reply token."""
    tokens = sum(len(example.reply) for example in batch)
    total = 0.0
    for start in range(0, len(batch), recipe.micro_batch):
        loss = sft_loss(model, prefix, batch[start : start + recipe.micro_batch]) / tokens
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    norm = float(torch.nn.utils.clip_grad_norm_(named.values(), recipe.clip))
    if not math.isfinite(total + norm):
        ids = ", ".join(example.record_id for example in batch)
        raise EmoLoomError(
            f"the loss is {total} and the gradient norm {norm} on the records {ids}",
            where="training",
            remedy="Lower recipe.learning_rate, or look at these records.",
        )
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return total
