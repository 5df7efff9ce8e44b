"""How many token sequences share one forward: behind one copy of their common prefix, flat, without padding tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

ALIGN = 16
"""Attention keys come in multiples of this many, because matrix kernels sum them in groups of that size."""

PACK_TOKENS = 2048
"""Own tokens in a forward: large enough to keep the matrix kernels busy, small enough to stay in cache."""


def align(length: int) -> int:
    """``length`` rounded up to a multiple of :data:`ALIGN`."""
    return -(-length // ALIGN) * ALIGN


@dataclass(frozen=True)
class Span:
    """A branch among a sequence's own tokens: it stands at ``start`` to ``stop``, behind all others, in place of what follows
    the first ``root`` of them."""

    root: int
    start: int
    stop: int


@dataclass(frozen=True)
class Pack:
    """B sequences that continue one prefix, flattened to N = P + sum of their own lengths.

    Attributes:
        tokens: (N,) token ids: the prefix, then each sequence's own tokens.
        positions: (N,) position of each token in its sequence.
        prefix: P, the tokens of the prefix with its filling, a multiple of :data:`ALIGN` (0 where nothing is shared).
        filling: how many of them stand before the prefix only to make it so long; nobody behind them sees them.
        offsets: for each sequence, the index in ``tokens`` of its first own token.
        slots: (B, T) index in ``tokens`` of own token t of sequence b, T the longest own length, aligned. Slots beyond a
            sequence's end point anywhere: causality hides them from every real token.
        unslot: (N - P,) index into the flattened (B, T) grid of each own token.
        branches: for each sequence, where its branches stand among its own tokens; empty where no sequence has any.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    prefix: int
    filling: int
    offsets: tuple[int, ...]
    slots: torch.Tensor
    unslot: torch.Tensor
    branches: tuple[tuple[Span, ...], ...] = ()
    _masks: dict[int | None, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """For each sequence, where its own tokens begin and end in ``tokens``."""
        return tuple(zip(self.offsets, (*self.offsets[1:], len(self.tokens)), strict=True))

    def masks(self, window: int | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Additive causal masks of the prefix (P, P) and of own tokens, with a sliding ``window`` if there is one: (T, P + T), or
        (B, 1, T, P + T) where there are branches."""
        length = self.prefix + self.slots.shape[1]
        key = window if window is not None and window < length else None
        if key not in self._masks:
            position = torch.arange(length, device=self.tokens.device)
            distance = position[:, None] - position[None, :]
            hidden = (distance < 0) if key is None else (distance < 0) | (distance >= key)
            hidden[self.filling :, : self.filling] = True
            mask = torch.zeros(length, length, device=self.tokens.device).masked_fill_(hidden, float("-inf"))
            own = mask[self.prefix :]
            if any(self.branches):
                own = self._with_branches(own)
            self._masks[key] = mask[: self.prefix, : self.prefix], own
        return self._masks[key]

    def _with_branches(self, own: torch.Tensor) -> torch.Tensor:
        """The masks of each sequence: a branch's tokens see what stands before its root, and each other as far as they came."""
        masks = own.expand(len(self.branches), 1, *own.shape).clone()
        for mask, spans in zip(masks[:, 0], self.branches, strict=True):
            for span in spans:
                rows = mask[span.start : span.stop]
                # As the sequence would go on from the root: what the token there sees, moved to where the branch stands.
                seen = own[span.root : span.root + span.stop - span.start]
                rows[:] = float("-inf")
                before, within = self.prefix + span.root, self.prefix + span.start
                rows[:, :before] = seen[:, :before]
                rows[:, within : within + len(rows)] = seen[:, before : before + len(rows)]
        return masks


Branch = tuple[int, Sequence[int]]
"""How many of a sequence's own tokens stay, and tokens that may follow them in place of the others."""


def pack(
    prefix: Sequence[int],
    sequences: Sequence[Sequence[int]],
    device: torch.device,
    branches: Sequence[Sequence[Branch]] = (),
) -> Pack:
    """Lays out ``sequences`` (each without the prefix, none empty) behind ``prefix``.

    Args:
        branches: of each sequence; their tokens come behind its own and change nothing for those. None by default.
    """
    shared = align(len(prefix))
    filling = shared - len(prefix)
    spans = [_spans(own, others) for own, others in zip(sequences, branches, strict=True)] if branches else []
    if branches:
        sequences = [
            [*own, *(t for _, tokens in others for t in tokens)]
            for own, others in zip(sequences, branches, strict=True)
        ]
    width = align(max(map(len, sequences)))
    tokens = [*[0] * filling, *prefix]
    positions = [*[0] * filling, *range(len(prefix))]
    offsets: list[int] = []
    slots = torch.zeros(len(sequences), width, dtype=torch.long)
    unslot: list[int] = []
    for row, own in enumerate(sequences):
        start = len(tokens)
        offsets.append(start)
        slots[row, : len(own)] = torch.arange(start, start + len(own))
        unslot.extend(range(row * width, row * width + len(own)))
        tokens.extend(own)
        positions.extend(range(len(prefix), len(prefix) + len(own)))
        for span in spans[row] if spans else ():
            at = start + span.start
            root = len(prefix) + span.root
            positions[at : start + span.stop] = range(root, root + span.stop - span.start)
    return Pack(
        tokens=torch.tensor(tokens, device=device),
        positions=torch.tensor(positions, device=device),
        prefix=shared,
        filling=filling,
        offsets=tuple(offsets),
        slots=slots.to(device),
        unslot=torch.tensor(unslot, device=device),
        branches=tuple(spans),
    )


def _spans(own: Sequence[int], branches: Sequence[Branch]) -> tuple[Span, ...]:
    spans: list[Span] = []
    start = len(own)
    for root, tokens in branches:
        spans.append(Span(root, start, start + len(tokens)))
        start += len(tokens)
    return tuple(spans)


def packfuls(sequences: Sequence[Sequence[int]], *, alone: bool) -> Iterator[list[int]]:
    """Indices of the ``sequences`` that go into one pack, of up to :data:`PACK_TOKENS` own tokens; one a pack if ``alone``."""
    # Alike lengths together: attention is computed on a grid as wide as the longest sequence.
    waiting = sorted(range(len(sequences)), key=lambda i: len(sequences[i]), reverse=True)
    while waiting:
        members = [waiting.pop()]
        room = 0 if alone else PACK_TOKENS - len(sequences[members[0]])
        while waiting and len(sequences[waiting[-1]]) <= room:
            room -= len(sequences[waiting[-1]])
            members.append(waiting.pop())
        yield members
