"""Training: EmoLoom's loop beside TRL's SFTTrainer and a plain loop, with the same LoRA, records, order and schedule.

python bench/train.py --records 64 --json train.json
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

import common
from emoloom.config import PARTS, Recipe
from emoloom.lexicon.load import load_teacher
from emoloom.model.attention import NAME
from emoloom.model.prompts import Prompter
from emoloom.train.adapter import make_trainable
from emoloom.train.collate import Example, examples
from emoloom.train.loop import learning_rate, make_order, train
from emoloom.train.objective import Objective

SEED = 0
IGNORED = -100
# What TRL offers on a CPU: padded batches, whole or in parts, each example alone, or all sequences of a batch flat behind each
# other.
TRL_SETTINGS: dict[str, dict[str, Any]] = {
    "padded": {},
    "padded, 2 x 4": {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
    "one by one, 8 x 1": {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8},
    "padding_free": {"padding_free": True},
}
# Steps by which a setting is chosen.
TRIAL_STEPS = 2
# Relative; beyond it a setting trains something else, say across the border between two records.
SAME_LOSS = 1e-3


@dataclass(frozen=True)
class Task:
    """What every loop is given: the model, its untrained LoRA weights, and the batches in their order."""

    model: Any
    untrained: Mapping[str, torch.Tensor]
    prompter: Prompter
    examples: Sequence[Example]
    recipe: Recipe

    @property
    def trainable(self) -> dict[str, torch.nn.Parameter]:
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    @property
    def batches(self) -> list[list[Example]]:
        order = make_order(self.examples, self.recipe, len(self.examples), SEED)
        return [[self.examples[i] for i in order.batch(step)] for step in range(len(order))]

    def reset(self, attention: str) -> None:
        """Puts the model back to where training begins, with an attention of transformers' or of EmoLoom."""
        self.model.get_base_model().set_attn_implementation(attention)
        self.model.zero_grad()
        for name, weight in self.trainable.items():
            weight.data.copy_(self.untrained[name])


def main() -> None:
    parser = common.arguments("Training beside other programs.", records=64)
    options = parser.parse_args()
    task = make_task(options.records)
    programs: dict[str, common.Program] = {"emoloom": partial(emoloom, task), "plain_loop": partial(plain_loop, task)}
    settings = best_trl_settings(task) if common.has("trl") else {}
    if settings:
        programs["trl"] = partial(trl, task, task.batches, next(iter(settings.values())))
    common.say("training")
    seconds, losses = common.interleaved(programs, options.rounds)
    rates = {name: len(task.examples) / median(runs) for name, runs in seconds.items()}
    gaps = {name: relative_gap(losses["emoloom"], theirs) for name, theirs in losses.items() if name != "emoloom"}
    common.write(
        options.json,
        {
            "ratios": {f"vs_{name}": rates["emoloom"] / rates[name] for name in gaps},
            "model": common.MODEL,
            "corpus": f"{common.corpus()}:train",
            "records": len(task.examples),
            "rounds": options.rounds,
            "recipe": task.recipe.model_dump(),
            "examples_per_s": rates,
            "gflop_per_example": count_work(task),
            "trl_settings": next(iter(settings), None),
            "largest_relative_difference_in_loss": gaps,
            "losses_equal": {name: gap < SAME_LOSS for name, gap in gaps.items()},
            "losses": losses,
            "seconds": seconds,
            "machine": common.machine(),
        },
    )


def make_task(count: int) -> Task:
    """Whole batches of at most ``count`` records, and the model with its LoRA."""
    recipe = Recipe().without(*PARTS)
    count = count // recipe.batch_size * recipe.batch_size
    candidate = common.load_base()
    records = common.some_records("train", count, load_teacher(None))
    model = make_trainable(candidate.model, recipe, SEED)
    weights = {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}
    return Task(model, weights, candidate.prompter, examples(records, candidate.prompter), recipe)


def emoloom(task: Task) -> common.Run:
    """What a screening runs; gives the loss of every step."""
    task.reset(NAME)
    objective = Objective(task.model, task.prompter, task.examples, task.recipe, {})

    def run() -> list[float]:
        with tempfile.TemporaryDirectory() as folder:
            history = train(
                task.model,
                objective,
                task.examples,
                task.recipe,
                total=len(task.examples),
                until=len(task.examples),
                seed=SEED,
                checkpoint=Path(folder) / "checkpoint.safetensors",
                checkpoint_seconds=float("inf"),
                advance=lambda *_: None,
            )
        return history.losses["sft"]

    return run


def count_work(task: Task) -> dict[str, float]:
    """Floating-point operations (10^9) for an example of the first batch, in EmoLoom and in a padded batch as TRL has it."""
    batch = task.batches[0]
    task.reset(NAME)
    objective = Objective(task.model, task.prompter, task.examples, task.recipe, {})
    tokens = sum(len(example.reply) for example in batch)
    with FlopCounterMode(display=False) as ours:
        objective.weighted(objective(batch), tokens, len(batch)).backward()  # type: ignore[no-untyped-call]
    # The fused attention of a CPU is not counted.
    task.reset("eager")
    with FlopCounterMode(display=False) as theirs:
        _plain_step(task, batch, make_optimizer(task))
    return {
        name: counter.get_total_flops() / 1e9 / len(batch) for name, counter in (("emoloom", ours), ("padded", theirs))
    }


def plain_loop(task: Task) -> common.Run:
    """Padded batches through transformers, as a tutorial writes it."""
    task.reset("sdpa")
    return lambda: [_plain_step(task, *at) for at in _steps(task)]


def _steps(task: Task) -> Iterator[tuple[list[Example], torch.optim.AdamW]]:
    """Each batch with the optimizer at its rate."""
    optimizer, batches = make_optimizer(task), task.batches
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(task.recipe, step, len(batches))
        yield batch, optimizer


def _plain_step(task: Task, batch: Sequence[Example], optimizer: torch.optim.AdamW) -> float:
    rows = [as_row(task, example) for example in batch]
    width = max(len(row["input_ids"]) for row in rows)
    ids, labels = torch.full((len(rows), width), task.prompter.eos), torch.full((len(rows), width), IGNORED)
    for i, row in enumerate(rows):
        ids[i, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
        labels[i, : len(row["labels"])] = torch.tensor(row["labels"])
    # Padding on the right is hidden from every real token by causality.
    logits = task.model(input_ids=ids, use_cache=False).logits
    loss = cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(task.trainable.values(), task.recipe.clip)
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.detach())


def trl(task: Task, batches: Sequence[Sequence[Example]], settings: Mapping[str, Any]) -> common.Run:
    """TRL's SFTTrainer on the same batches in the same order, with our schedule."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    task.reset("sdpa")
    # The trainer replaces the model's forward.
    task = replace(task, model=copy.deepcopy(task.model))
    optimizer = make_optimizer(task)
    rates = [learning_rate(task.recipe, step, len(batches)) / task.recipe.rate for step in range(len(batches))]
    defaults = {"per_device_train_batch_size": task.recipe.batch_size, "gradient_checkpointing": False}
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder,
            num_train_epochs=1,
            max_length=None,
            max_grad_norm=task.recipe.clip,
            train_sampling_strategy="sequential",
            bf16=False,
            use_cpu=True,
            dataloader_pin_memory=False,
            logging_steps=1,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            **(defaults | dict(settings)),
        )
        trainer = SFTTrainer(
            task.model,
            config,
            train_dataset=Dataset.from_list([as_row(task, example) for batch in batches for example in batch]),
            processing_class=task.prompter.tokenizer,
            optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: [*rates, 0.0][step])),
        )

    def run() -> list[float]:
        trainer.train()
        return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]

    return run


def best_trl_settings(task: Task) -> dict[str, dict[str, Any]]:
    """The fastest of TRL's settings that give the plain loop's first loss, by name."""
    batches = task.batches[:TRIAL_STEPS]
    common.say("looking for the best setting: TRL")
    programs = {name: partial(trl, task, batches, settings) for name, settings in TRL_SETTINGS.items()}
    seconds, losses = common.interleaved(programs, 1)
    task.reset("sdpa")
    first = _plain_step(task, batches[0], make_optimizer(task))
    right = [name for name, found in losses.items() if relative_gap([first], found[:1]) < SAME_LOSS]
    best = min(right, key=lambda name: seconds[name])
    return {best: TRL_SETTINGS[best]}


def make_optimizer(task: Task) -> torch.optim.AdamW:
    """The optimizer that EmoLoom's loop has."""
    return torch.optim.AdamW(task.trainable.values(), lr=task.recipe.rate, weight_decay=task.recipe.weight_decay)


def as_row(task: Task, example: Example) -> dict[str, list[int]]:
    """The example as a row of a data set: tokens, and labels where the loss counts."""
    prompt = [*task.prompter.prefix, *example.prompt]
    return {"input_ids": [*prompt, *example.reply], "labels": [*[IGNORED] * len(prompt), *example.reply]}


def relative_gap(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The largest relative difference between two series of losses."""
    return max(abs(a - b) / abs(a) for a, b in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    main()
