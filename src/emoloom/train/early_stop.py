"""Early stopping: training ends after an epoch that has not lowered the loss on records outside of it (Prechelt 1998, "Early
Stopping - But When?", with one strip an epoch and a patience of one)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from emoloom.model.tensors import damaged, read_tensors, write_tensors
from emoloom.train.collate import Example
from emoloom.train.objective import Objective

_WHAT = "weights of the best epoch"


class EarlyStop:
    """Watches ``L_sft``, the mean over reply tokens, on examples that are not trained on, and keeps the weights of the epoch
    with the lowest.

    Attributes:
        losses: after each epoch so far; put back by whoever goes on from a checkpoint.
    """

    def __init__(self, objective: Objective, examples: Sequence[Example], micro_batch: int, file: Path) -> None:
        """Begins to watch.

        Args:
            examples: the watched ones.
            micro_batch: how many of them share a forward.
            file: keeps the best weights.
        """
        self.losses: list[float] = []
        self._objective = objective
        self._examples = examples
        self._micro_batch = micro_batch
        self._file = file

    @property
    def is_over(self) -> bool:
        """Whether the last epoch has not lowered the loss."""
        *before, last = self.losses or [0.0]
        return bool(before) and not last < min(before)

    @property
    def tokens(self) -> int:
        """Of all watched examples."""
        return sum(map(len, self._examples))

    def look(self, named: Mapping[str, torch.nn.Parameter]) -> None:
        """Reads the loss at the end of an epoch, and keeps the trained weights if it is the lowest."""
        total = 0.0
        with torch.no_grad():
            for start in range(0, len(self._examples), self._micro_batch):
                total += float(self._objective.reply_loss(self._examples[start : start + self._micro_batch]))
        self.losses.append(total / sum(len(example.reply) for example in self._examples))
        if not self.is_over:
            write_tensors(self._file, named)

    def put_best(self, named: Mapping[str, torch.nn.Parameter]) -> None:
        """Puts the weights of the best epoch back.

        Raises:
            EmoLoomError: they cannot be read, or are another training's.
        """
        weights = read_tensors(self._file, _WHAT)
        if weights.keys() != named.keys():
            raise damaged(self._file, _WHAT, "they are another training's")
        with torch.no_grad():
            for name, parameter in named.items():
                parameter.copy_(weights[name])
