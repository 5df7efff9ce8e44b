"""Records as training examples, and the order in which they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emoloom.contract.record import Record, make_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import EmoLoomError
from emoloom.model.prompts import Prompter

# Batches are formed among this many batches' worth of shuffled records: enough for alike lengths, little enough for chance.
_BUCKET = 16


@dataclass(frozen=True)
class Example:
    """One record as tokens: the prompt's own part, then the reply with its end-of-sequence token."""

    record_id: str
    prompt: tuple[int, ...]
    reply: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.reply)


def example(record: Record, prompter: Prompter) -> Example:
    """A completed record (labels in ``goemotions``, VAD and rationale) as tokens.

    Raises:
        EmoLoomError: the record lacks labels or VAD.
    """
    if not record.labels or record.vad is None:
        raise EmoLoomError(
            f"record {record.id} has no {'VAD' if record.labels else 'labels'} to learn from",
            where=record.corpus,
            remedy="Train on a corpus with labels; fetch a lexicon for weak VAD.",
        )
    reply = make_reply(record.labels, record.vad.triple, record.rationale, GOEMOTIONS)
    return Example(record.id, prompter.encode(record).own, tuple(prompter.encode_reply(reply.line())))


def batches(lengths: Sequence[int], size: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of the examples of each batch of one epoch, a pure function of the arguments.

    Every example occurs once. Batches hold examples of alike length and come in random order.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths)).tolist()
    formed: list[list[int]] = []
    for start in range(0, len(order), size * _BUCKET):
        bucket = sorted(order[start : start + size * _BUCKET], key=lambda index: lengths[index])
        formed.extend(bucket[i : i + size] for i in range(0, len(bucket), size))
    return [formed[i] for i in rng.permutation(len(formed))]
