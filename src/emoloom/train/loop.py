"""The training loop: batches in a fixed order, AdamW, warm-up and cosine, clipping, checkpoints."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from emoloom.config import Recipe
from emoloom.errors import DivergedError, is_out_of_memory
from emoloom.mixture.sampler import Drawn, Epochs, Mixture, Order
from emoloom.train.checkpoint import load_checkpoint, save_checkpoint
from emoloom.train.collate import Example
from emoloom.train.early_stop import EarlyStop
from emoloom.train.objective import Objective
from emoloom.train.recompute import recompute_layers

Advance = Callable[[int, int], None]
"""Told how many more examples lie behind, and of how many tokens: first those of the checkpoint, then each batch."""

# The heads begin at zero; with the rate of full fine-tuning they would hardly leave it.
_HEAD_RATE = 3e-3


@dataclass
class History:
    """What happened in a training.

    Attributes:
        losses: for each term its unweighted mean at each step: over reply tokens for ``sft``, over examples for the others.
        mixture: what was drawn from the sources, window by window; empty where every example is seen alike.
        watched: the loss on the watched examples after each epoch; empty where none were.
    """

    losses: dict[str, list[float]]
    mixture: list[Drawn]
    watched: list[float]


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The rate of 0-based ``step`` of ``steps``: linear warm-up to the recipe's rate, then a half cosine to zero."""
    return recipe.rate * _schedule(recipe, step, steps)


def pause_step(steps: int, until: int, total: int) -> int:
    """After how many of the ``steps`` of a training on ``total`` examples ``until`` of them lie behind; whole steps only."""
    return math.ceil(steps * until / total)


def epoch_ends(steps: int, epochs: int) -> list[int]:
    """After how many of the ``steps`` each of the ``epochs`` of a training lies behind."""
    return [pause_step(steps, epoch, epochs) for epoch in range(1, epochs + 1)]


def seen_by(recipe: Recipe, until: int, total: int, watched: int) -> int:
    """How many examples lie behind when a training on ``total`` pauses after ``until`` of them: it does so between two steps, and
    looks at the ``watched`` ones after each epoch."""
    steps = math.ceil(total / recipe.batch_size)
    step = pause_step(steps, until, total)
    looks = sum(end <= step for end in epoch_ends(steps, recipe.epochs))
    return min(total, step * recipe.batch_size) + looks * watched


def _schedule(recipe: Recipe, step: int, steps: int) -> float:
    warm = math.ceil(recipe.warmup * steps)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def make_order(examples: Sequence[Example], recipe: Recipe, total: int, seed: int) -> Order:
    """The order in which ``recipe`` sees ``total`` examples."""
    lengths = [len(example) for example in examples]
    if recipe.mixture == "natural":
        return Epochs(lengths, recipe.batch_size, total, seed)
    return Mixture(
        [example.source for example in examples],
        lengths,
        recipe.batch_size,
        total,
        seed,
        t_min=recipe.t_min,
        t_max=recipe.t_max,
        ignorance=_ignorance(examples),
    )


def _ignorance(examples: Sequence[Example]) -> float:
    """Entropy in nats of the first labels of all examples."""
    counts = Counter(example.labels[0] for example in examples)
    shares = [count / counts.total() for count in counts.values()]
    # One label alone has none; any positive value then gives the same draws.
    return -sum(share * math.log(share) for share in shares) or 1.0


def train(
    model: Any,
    objective: Objective,
    examples: Sequence[Example],
    recipe: Recipe,
    *,
    total: int,
    until: int,
    seed: int,
    checkpoint: Path,
    checkpoint_seconds: float,
    advance: Advance,
    watched: Sequence[Example] = (),
) -> History:
    """Trains the parameters of ``model`` that require gradients and the objective's heads, from ``checkpoint`` on if there is
    one. A step for which memory runs out is taken once more, and those behind it, with activations that are computed twice
    (:func:`~emoloom.train.recompute.recompute_layers`).

    The result is the same bits whether or not it was interrupted or paused, on the same machine with the same number of threads.

    Args:
        total: how many examples to train on.
        until: after about how many of them to pause, at the end of a step, with everything in the checkpoint.
        seed: decides the order of the examples.
        checkpoint: file to go on from, written every ``checkpoint_seconds``.
        watched: examples outside of the training that end it early (:class:`EarlyStop`); never, if there are none.

    Raises:
        DivergedError: the loss is not finite; the checkpoint then holds what there was before this step.
    """
    own = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    heads = dict(objective.heads.named_parameters(prefix="heads")) if objective.heads is not None else {}
    groups = [{"params": list(own.values()), "peak": recipe.rate}, {"params": list(heads.values()), "peak": _HEAD_RATE}]
    named = own | heads
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=recipe.rate, weight_decay=recipe.weight_decay)
    order = make_order(examples, recipe, total, seed)
    steps = len(order)
    stopper = EarlyStop(objective, watched, recipe.micro_batch, checkpoint.with_name("best.safetensors"))
    ends = epoch_ends(steps, recipe.epochs) if watched else []
    done, seen, tokens, losses = 0, 0, 0, dict[str, list[float]]()
    if saved_progress := load_checkpoint(checkpoint, named, optimizer):
        done, seen, tokens, losses = (saved_progress[key] for key in ("step", "examples", "tokens", "losses"))
        order.restore(saved_progress["order"])
        stopper.losses = saved_progress["watched"]

    def save(done: int) -> None:
        progress = {
            "step": done, "examples": seen, "tokens": tokens, "losses": losses, "order": order.state(),
            "watched": stopper.losses,
        }  # fmt: skip
        save_checkpoint(checkpoint, named, optimizer, progress)

    advance(seen, tokens)
    saved = time.monotonic()
    # Dropout would draw random numbers that a checkpoint does not hold.
    model.eval()
    stop = pause_step(steps, until, total)
    for step in range(done, stop):
        if stopper.is_over:
            break
        batch = [examples[index] for index in order.batch(step)]
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * _schedule(recipe, step, steps)
        try:
            means = _step(model, objective, batch, recipe, optimizer, named)
        except DivergedError:
            save(step)
            raise
        for name, loss in means.items():
            losses.setdefault(name, []).append(loss)
        if "entropy" in losses:
            order.observe(losses["entropy"][-1])
        read = sum(map(len, batch))
        seen, tokens = seen + len(batch), tokens + read
        advance(len(batch), read)
        if step + 1 in ends:
            stopper.look(named)
            seen, tokens = seen + len(watched), tokens + stopper.tokens
            advance(len(watched), stopper.tokens)
        due = step + 1 == stop or stopper.is_over or time.monotonic() - saved > checkpoint_seconds
        if due and step + 1 < steps:
            save(step + 1)
            saved = time.monotonic()
    if stopper.losses and (stopper.is_over or stop == steps):
        stopper.put_best(named)
    return History(losses, order.log if isinstance(order, Mixture) else [], stopper.losses)


def _step(
    model: Any,
    objective: Objective,
    batch: Sequence[Example],
    recipe: Recipe,
    optimizer: torch.optim.AdamW,
    named: Mapping[str, torch.nn.Parameter],
) -> dict[str, float]:
    """One optimizer step; returns the mean of each term."""
    means: dict[str, float] | None
    try:
        means = _accumulate(objective, batch, recipe)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error) or not recompute_layers(model):
            raise
        means = None
    if means is None:
        # Not within the handler, where the error still holds the forward that did not fit.
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        means = _accumulate(objective, batch, recipe)
    norm = float(torch.nn.utils.clip_grad_norm_(named.values(), recipe.clip))
    if not math.isfinite(sum(means.values()) + norm):
        ids = ", ".join(example.record_id for example in batch)
        spoken = ", ".join(f"{name} {value}" for name, value in means.items())
        raise DivergedError(
            f"a loss or gradient is not finite ({spoken}, gradient norm {norm}) on the records {ids}",
            where="training",
            remedy="Lower recipe.learning_rate, or look at these records; the checkpoint from before this step is kept.",
        )
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return means


def _accumulate(objective: Objective, batch: Sequence[Example], recipe: Recipe) -> dict[str, float]:
    """Adds a batch's gradients up, one micro-batch after the other; returns the mean of each term."""
    tokens = sum(len(example.reply) for example in batch)
    means: dict[str, float] = {}
    for start in range(0, len(batch), recipe.micro_batch):
        terms = objective(batch[start : start + recipe.micro_batch])
        objective.weighted(terms, tokens, len(batch)).backward()  # type: ignore[no-untyped-call]
        for name, value in terms.items():
            share = float(value.detach()) / (tokens if name == "sft" else len(batch))
            means[name] = means.get(name, 0.0) + share
    return means
