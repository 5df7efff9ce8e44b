"""What a cell costs, and who is told while it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from emoloom.decode.fast import Counts

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many more of it are done, and how many there are in all."""


@dataclass
class Cost:
    """What a cell cost on this machine; goes to ``timings.json``.

    ``examples`` were trained, tuned on, answered or probed, of ``tokens`` in their prompts (without the instruction that all
    share) and replies, those of earlier processes among them; the rest is this process's. ``fit_seconds`` is what the ``scored``
    readout takes before it answers: heads fitted, thresholds tuned.
    """

    examples: int = 0
    tokens: int = 0
    train_seconds: float = 0.0
    trained_examples: int = 0
    fit_seconds: float = 0.0
    decode_seconds: float = 0.0
    decoded: int = 0
    counts: Counts = field(default_factory=Counts)

    @property
    def work(self) -> dict[str, int]:
        """What counts against a budget and is the same however often the cell was interrupted."""
        return {"examples": self.examples, "tokens": self.tokens}
