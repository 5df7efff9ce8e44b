r"""The order in which training examples are seen: once each, or drawn from sources at a temperature.

The mixture draws source s with probability :math:`P(s) \propto n_s^{1/T}`, :math:`n_s` its number of examples, at the temperature
:math:`T = T_{min} + (T_{max} - T_{min})\,H/H_0`, where H is the running mean entropy of the model's label distribution and
:math:`H_0` that of a model which knows how common each label is and nothing else: sources nearly alike while the model does not
know the labels, closer to their natural shares as it becomes sure (after EmoLoom-2B, arXiv 2601.01112: coverage first,
convergence later). H begins at :math:`H_0`: what an untrained model says at a label's place is no knowledge, however sure it is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

WINDOW = 16
"""Batches that are drawn together. Examples of alike length share a batch within them: enough to save padding, little enough
to leave the rest to chance."""
_MEMORY = 0.9
"""Share of the running mean entropy that an update keeps."""


class Order(Protocol):
    """Which examples a training step sees."""

    def __len__(self) -> int:
        """How many steps there are."""
        ...

    def batch(self, step: int) -> list[int]:
        """Indices of the examples of 0-based ``step``; steps are asked for in order, the last one as often as need be."""
        ...

    def observe(self, entropy: float) -> None:
        """Takes in the mean entropy of the label distribution over the last batch, in nats."""
        ...

    def state(self) -> Any:
        """What, beside the step, decides the batches to come, ready for JSON."""
        ...

    def restore(self, state: Any) -> None:
        """Goes on from what :meth:`state` gave."""
        ...


class Epochs:
    """Every example once in each epoch, a pure function of the seed and the step.

    Args:
        lengths: of the examples, in tokens.
        size: examples in a batch.
        total: examples in all; an epoch that is not finished then is cut.
        seed: decides the order.
    """

    def __init__(self, lengths: Sequence[int], size: int, total: int, seed: int) -> None:
        self._plan: list[list[int]] = []
        for epoch in range(math.ceil(total / len(lengths))):
            rng = np.random.default_rng([seed, epoch])
            order = rng.permutation(len(lengths)).tolist()
            self._plan += _by_length(order[: total - epoch * len(lengths)], lengths, size, rng)

    def __len__(self) -> int:
        return len(self._plan)

    def batch(self, step: int) -> list[int]:
        """See :class:`Order`."""
        return self._plan[step]

    def observe(self, entropy: float) -> None:
        """Has no say in this order."""

    def state(self) -> None:
        """The step alone decides."""

    def restore(self, state: Any) -> None:
        """Nothing to go on from."""


@dataclass
class Drawn:
    """What the mixture did over one window.

    Attributes:
        entropy: the running mean entropy before it, in nats.
        temperature: T.
        shares: the share of each source group among the examples drawn.
    """

    entropy: float
    temperature: float
    shares: dict[str, float]


@dataclass
class _State:
    entropy: float
    drawn: dict[str, int] = field(default_factory=dict)
    window: list[list[int]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)


class Mixture:
    """Draws examples from sources at a temperature that follows the model's entropy.

    Within a source every example comes once before any comes again. The order is a pure function of the seed, the step and
    :meth:`state`.

    Args:
        sources: the source of each example, ``GROUP/...``; shares are reported by group.
        lengths: of the examples, in tokens.
        size: examples in a batch.
        total: examples in all; one batch of the last window may be smaller.
        seed: decides the draws.
        t_min: temperature at entropy 0; 1 draws sources in their natural shares.
        t_max: temperature at ``ignorance`` and above.
        ignorance: :math:`H_0`, in nats, above 0.
    """

    def __init__(
        self,
        sources: Sequence[str],
        lengths: Sequence[int],
        size: int,
        total: int,
        seed: int,
        *,
        t_min: float,
        t_max: float,
        ignorance: float,
    ) -> None:
        self._members: dict[str, list[int]] = {}
        for index, source in enumerate(sources):
            self._members.setdefault(source, []).append(index)
        self._names = sorted(self._members)
        self._sources = sources
        self._lengths = lengths
        self._size = size
        self._total = total
        self._seed = seed
        self._range = (t_min, t_max)
        self._ignorance = ignorance
        self._state = _State(ignorance)
        self._turns: dict[str, tuple[int, list[int]]] = {}

    def __len__(self) -> int:
        return math.ceil(self._total / self._size)

    @property
    def log(self) -> list[Drawn]:
        """What was drawn in each window so far."""
        return [Drawn(**entry) for entry in self._state.log]

    def batch(self, step: int) -> list[int]:
        """See :class:`Order`."""
        number, place = divmod(step, WINDOW)
        if number == len(self._state.log):
            self._draw(number)
        return self._state.window[place]

    def observe(self, entropy: float) -> None:
        """Takes the entropy into the running mean."""
        self._state.entropy = _MEMORY * self._state.entropy + (1 - _MEMORY) * entropy

    def state(self) -> Any:
        """See :class:`Order`."""
        return asdict(self._state)

    def restore(self, state: Any) -> None:
        """See :class:`Order`."""
        self._state = _State(**state)

    def _draw(self, number: int) -> None:
        state = self._state
        temperature = self._temperature()
        rng = np.random.default_rng([self._seed, number])
        shares = probabilities({name: len(self._members[name]) for name in self._names}, temperature)
        room = min(self._size * WINDOW, self._total - number * self._size * WINDOW)
        drawn = rng.choice(len(self._names), size=room, p=[shares[name] for name in self._names])
        indices = [self._next(self._names[i]) for i in drawn]
        groups = Counter(self._sources[i].partition("/")[0] for i in indices)
        state.window = _by_length(indices, self._lengths, self._size, rng)
        entry = Drawn(state.entropy, temperature, {g: n / len(indices) for g, n in sorted(groups.items())})
        state.log.append(asdict(entry))

    def _temperature(self) -> float:
        t_min, t_max = self._range
        return t_min + (t_max - t_min) * min(1.0, self._state.entropy / self._ignorance)

    def _next(self, source: str) -> int:
        members = self._members[source]
        count = self._state.drawn.get(source, 0)
        self._state.drawn[source] = count + 1
        turn, place = divmod(count, len(members))
        if self._turns.get(source, (-1, []))[0] != turn:
            # The private stream of this source and turn; the last number keeps it apart from the windows'.
            rng = np.random.default_rng([self._seed, self._names.index(source), turn, 1])
            self._turns[source] = turn, rng.permutation(len(members)).tolist()
        return members[self._turns[source][1][place]]


def probabilities(sizes: Mapping[str, int], temperature: float) -> dict[str, float]:
    r""":math:`P(s) = n_s^{1/T} / \sum_{s'} n_{s'}^{1/T}`."""
    weights = {name: size ** (1 / temperature) for name, size in sizes.items()}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _by_length(order: Sequence[int], lengths: Sequence[int], size: int, rng: np.random.Generator) -> list[list[int]]:
    """Batches of examples of alike length, formed within windows of ``order``, in random order."""
    formed: list[list[int]] = []
    for start in range(0, len(order), size * WINDOW):
        bucket = sorted(order[start : start + size * WINDOW], key=lambda index: lengths[index])
        formed.extend(bucket[i : i + size] for i in range(0, len(bucket), size))
    return [formed[i] for i in rng.permutation(len(formed))]
