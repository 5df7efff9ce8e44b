"""What a cell costs, and who is told while it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from emoloom.decode.fast import Counts
from emoloom.screen.pricing.memory import peak_memory

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many more of it are done, and how many there are in all."""


Work = Literal["train_seconds", "fit_seconds", "decode_seconds"]


@dataclass
class Cost:
    """What a cell cost on this machine, in every process that worked on it; goes to ``timings.json``.

    ``examples`` were trained, tuned on, answered or probed, of ``tokens`` in their prompts (without the instruction that all
    share) and replies. The seconds for which ``trained_examples`` were trained and ``decoded`` answered or probed hold
    what was done twice because of a crash. ``fit_seconds`` is what the ``scored`` readout takes before it answers: heads
    fitted, thresholds tuned. ``peak_memory_bytes`` is the process's, on a GPU where there is one.
    """

    examples: int = 0
    tokens: int = 0
    train_seconds: float = 0.0
    trained_examples: int = 0
    trained_from: int | None = None
    fit_seconds: float = 0.0
    decode_seconds: float = 0.0
    decoded: int = 0
    counts: Counts = field(default_factory=Counts)
    peak_memory_bytes: int = 0

    def __post_init__(self) -> None:
        self._began: tuple[Work, float] | None = None
        self._trains = False

    @classmethod
    def begun(cls, before: Mapping[str, Any]) -> Cost:
        """The cost of a cell that an earlier process began and whose cost :meth:`so_far` told; examples and tokens are counted
        anew."""
        cost = cls(**{**before, "examples": 0, "tokens": 0})
        cost.counts = Counts(**before.get("counts", {}))
        return cost

    @contextmanager
    def timed(self, work: Work) -> Iterator[None]:
        """Counts the time within as that of a kind of work."""
        self._began = work, time.monotonic()
        try:
            yield
        finally:
            self._lap()
            self._began = None

    def trained(self, more: int) -> None:
        """A training is told to have ``more`` examples behind it: at first all that its checkpoint holds, then each batch.

        What a crash undid is done again and counts once; a race's training counts from the rung before.
        """
        if self._trains:
            self.trained_examples += more
            return
        self._trains = True
        self.trained_from = more if self.trained_from is None else self.trained_from
        self.trained_examples = min(self.trained_examples, more - self.trained_from)

    def take_over(self, training: Cost) -> None:
        """Counts the training that led here as a part of this cell."""
        self.train_seconds, self.trained_examples = training.train_seconds, training.trained_examples
        self.peak_memory_bytes = max(self.peak_memory_bytes, training.peak_memory_bytes)

    def so_far(self) -> dict[str, Any]:
        """Everything up to now, ready for JSON."""
        self._lap()
        self.peak_memory_bytes = max(self.peak_memory_bytes, peak_memory())
        return asdict(self)

    def _lap(self) -> None:
        if self._began:
            work, since = self._began
            now = time.monotonic()
            setattr(self, work, getattr(self, work) + now - since)
            self._began = work, now

    @property
    def work(self) -> dict[str, int]:
        """What counts against a budget and is the same however often the cell was interrupted."""
        return {"examples": self.examples, "tokens": self.tokens}
