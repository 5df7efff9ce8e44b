"""A short calibration: what a candidate takes on this machine, in time and memory."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch

from emoloom.contract.record import Record
from emoloom.model.forward import packed_logits
from emoloom.model.load import Candidate
from emoloom.model.packing import LOGITS, PACK_TOKENS, pack, packfuls
from emoloom.screen.arms import Arm
from emoloom.screen.pricing.memory import peak_memory, reset_peak_memory
from emoloom.train.adapter import make_trainable
from emoloom.train.collate import Example, examples
from emoloom.train.loop import train
from emoloom.train.objective import Objective
from emoloom.train.recompute import recompute_layers


@dataclass(frozen=True)
class Rates:
    """A candidate's units on this machine: seconds to load it, for a training example, for a forward over a prompt; the peak
    memory of reading it out and of training it, in bytes; and whether it is to compute activations twice in training."""

    load: float
    example: float
    forward: float
    reading: float
    training: float
    recompute: bool = False


TOO_LARGE = Rates(0.0, 0.0, 0.0, 1e18, 1e18)
"""Of a candidate that does not fit into this machine's memory: its cells will fail at once."""


def calibrate(
    load: Callable[[], Candidate], records: Sequence[Record], arm: Arm, words: Mapping[str, Any], *, recompute: bool
) -> Rates:
    """The units of one candidate: two forwards and two steps of training, the second of each is timed; and a pack of replies.

    Args:
        records: completed training records, at least one.
        recompute: trains with activations that are computed twice.
    """
    reset_peak_memory()
    start = time.monotonic()
    candidate = load()
    loaded = time.monotonic() - start
    some = list(islice(cycle(records), 2 * arm.recipe.batch_size))
    prompter = candidate.prompter
    prompts = [prompter.encode(record).own for record in some]
    packed = pack(prompter.prefix, prompts, candidate.device)
    forwards: list[float] = []
    with torch.inference_mode():
        for _ in range(2):
            start = time.monotonic()
            packed_logits(candidate.model, packed, packed.offsets)
            if torch.cuda.is_available():
                # A GPU is still at work when the call returns.
                torch.cuda.synchronize()
            forwards.append((time.monotonic() - start) / len(prompts))
    pool = examples(some, prompter)
    _read_full_pack(candidate, pool)
    reading = peak_memory()
    reset_peak_memory()
    model = make_trainable(candidate.model, arm.recipe, arm.seed)
    if recompute:
        recompute_layers(model)
    steps: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        train(
            model,
            Objective(model, prompter, pool, arm.recipe, words),
            pool,
            arm.recipe,
            total=len(pool),
            until=len(pool),
            seed=arm.seed,
            checkpoint=Path(scratch) / "checkpoint.safetensors",
            checkpoint_seconds=3600.0,
            advance=lambda _more, _tokens: steps.append(time.monotonic()),
        )
    step = steps[-1] - steps[-2]
    return Rates(loaded, step / arm.recipe.batch_size, forwards[-1], float(reading), float(peak_memory()), recompute)


@torch.inference_mode()
def _read_full_pack(candidate: Candidate, pool: Sequence[Example]) -> None:
    """One forward over as many of the examples' replies as share a pack, as a round of decoding verifies its drafts."""
    many = list(islice(cycle(pool), PACK_TOKENS // min(map(len, pool)) + 1))
    members = next(packfuls([[*e.prompt, *e.reply] for e in many], alone=False))
    chosen = [many[i] for i in members]
    packed = pack(candidate.prompter.prefix, [[*e.prompt, *e.reply] for e in chosen], candidate.device)
    rows = [
        start + len(e.prompt) + n for e, start in zip(chosen, packed.offsets, strict=True) for n in range(len(e.reply))
    ]
    vocabulary = candidate.model.config.get_text_config().vocab_size
    packed_logits(candidate.model, packed, rows[: LOGITS // vocabulary])
