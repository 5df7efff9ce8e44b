"""How many token sequences share one forward: behind one copy of their common prefix, flat, without padding tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

ALIGN = 16
"""Attention keys come in multiples of this many, because matrix kernels sum them in groups of that size."""

PACK_TOKENS = 4096
"""Own tokens in a forward, drafts aside: so many that the prefix hardly counts, so few that memory stays small."""

LOGITS = 2**30
"""Logits that one forward may give, 4 GiB in float32: some vocabularies are large."""


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
class Grid:
    """B sequences of alike lengths, laid out beside each other for attention.

    Attributes:
        members: which sequences of the pack.
        slots: (B, T) index in the pack's tokens of own token t of member b, T the longest own length, aligned. Slots beyond a
            sequence's end point anywhere: causality hides them from every real token.
    """

    members: tuple[int, ...]
    slots: torch.Tensor


@dataclass(frozen=True)
class Pack:
    """Sequences that continue one prefix, flattened to N = P + sum of their own lengths.

    Attributes:
        tokens: (N,) token ids: the prefix, then each sequence's own tokens.
        positions: (N,) position of each token in its sequence.
        prefix: P, the tokens of the prefix with its filling, a multiple of :data:`ALIGN` (0 where nothing is shared).
        filling: how many of them stand before the prefix only to make it so long; nobody behind them sees them.
        offsets: for each sequence, the index in ``tokens`` of its first own token.
        grids: the sequences by aligned length, so that attention is not computed for slots without a token.
        unslot: (N - P,) index of each own token into the slots of all grids, flattened, one grid behind the other.
        branches: for each sequence, where its branches stand among its own tokens; empty where no sequence has any.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    prefix: int
    filling: int
    offsets: tuple[int, ...]
    grids: tuple[Grid, ...]
    unslot: torch.Tensor
    branches: tuple[tuple[Span, ...], ...] = ()
    _masks: dict[int | None, tuple[torch.Tensor, tuple[torch.Tensor, ...]]] = field(default_factory=dict)

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """For each sequence, where its own tokens begin and end in ``tokens``."""
        return tuple(zip(self.offsets, (*self.offsets[1:], len(self.tokens)), strict=True))

    def masks(self, window: int | None) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Additive causal masks of the prefix (P, P) and of each grid's own tokens, with a sliding ``window`` if there is one:
        (T, P + T), or (B, 1, T, P + T) where there are branches."""
        length = self.prefix + max(grid.slots.shape[1] for grid in self.grids)
        key = window if window is not None and window < length else None
        if key not in self._masks:
            position = torch.arange(length, device=self.tokens.device)
            distance = position[:, None] - position[None, :]
            hidden = (distance < 0) if key is None else (distance < 0) | (distance >= key)
            hidden[self.filling :, : self.filling] = True
            mask = torch.zeros(length, length, device=self.tokens.device).masked_fill_(hidden, float("-inf"))
            own = tuple(self._own_mask(grid, mask) for grid in self.grids)
            self._masks[key] = mask[: self.prefix, : self.prefix], own
        return self._masks[key]

    def _own_mask(self, grid: Grid, mask: torch.Tensor) -> torch.Tensor:
        """The grid's part of a ``mask`` of all positions. A branch's tokens see what stands before its root, and each other as
        far as they came."""
        length = self.prefix + grid.slots.shape[1]
        own = mask[self.prefix : length, :length]
        branches = [self.branches[member] for member in grid.members] if self.branches else []
        if not any(branches):
            return own
        masks = own.expand(len(branches), 1, *own.shape).clone()
        for rows, spans in zip(masks[:, 0], branches, strict=True):
            for span in spans:
                # As the sequence would go on from the root: what the token there sees, moved to where the branch stands.
                seen = own[span.root : span.root + span.stop - span.start]
                branch = rows[span.start : span.stop]
                branch[:] = float("-inf")
                before, within = self.prefix + span.root, self.prefix + span.start
                branch[:, :before] = seen[:, :before]
                branch[:, within : within + len(branch)] = seen[:, before : before + len(branch)]
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
    tokens = [*[0] * filling, *prefix]
    positions = [*[0] * filling, *range(len(prefix))]
    offsets: list[int] = []
    for number, own in enumerate(sequences):
        start = len(tokens)
        offsets.append(start)
        tokens.extend(own)
        positions.extend(range(len(prefix), len(prefix) + len(own)))
        for span in spans[number] if spans else ():
            at = start + span.start
            root = len(prefix) + span.root
            positions[at : start + span.stop] = range(root, root + span.stop - span.start)
    grids, unslot = _grids(offsets, [len(own) for own in sequences], device)
    return Pack(
        tokens=torch.tensor(tokens, device=device),
        positions=torch.tensor(positions, device=device),
        prefix=shared,
        filling=filling,
        offsets=tuple(offsets),
        grids=tuple(grids),
        unslot=unslot,
        branches=tuple(spans),
    )


def _grids(offsets: Sequence[int], lengths: Sequence[int], device: torch.device) -> tuple[list[Grid], torch.Tensor]:
    """The sequences by aligned length, and where each own token is among the slots."""
    by_width: dict[int, list[int]] = {}
    for number, length in enumerate(lengths):
        by_width.setdefault(align(length), []).append(number)
    grids: list[Grid] = []
    slot_of: dict[int, range] = {}
    slots_before = 0
    for width, members in by_width.items():
        slots = torch.zeros(len(members), width, dtype=torch.long)
        for row, member in enumerate(members):
            slots[row, : lengths[member]] = torch.arange(offsets[member], offsets[member] + lengths[member])
            slot_of[member] = range(slots_before, slots_before + lengths[member])
            slots_before += width
        grids.append(Grid(tuple(members), slots.to(device)))
    unslot = [slot for number in range(len(lengths)) for slot in slot_of[number]]
    return grids, torch.tensor(unslot, device=device)


def _spans(own: Sequence[int], branches: Sequence[Branch]) -> tuple[Span, ...]:
    spans: list[Span] = []
    start = len(own)
    for root, tokens in branches:
        spans.append(Span(root, start, start + len(tokens)))
        start += len(tokens)
    return tuple(spans)


def fullest(sequences: Sequence[Sequence[int]]) -> list[int]:
    """Indices of the longest of the ``sequences`` and of as many of the shortest as go into one pack with it."""
    shortest = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
    chosen = [shortest.pop()]
    room = PACK_TOKENS - len(sequences[chosen[0]])
    for index in shortest:
        room -= len(sequences[index])
        if room < 0:
            break
        chosen.append(index)
    return chosen


def packfuls(sequences: Sequence[Sequence[int]], *, alone: bool) -> Iterator[list[int]]:
    """Indices of the ``sequences`` that go into one pack, of up to :data:`PACK_TOKENS` own tokens; one a pack if ``alone``."""
    # Alike lengths together: attention is computed on a grid for each aligned length, and few large ones take less time.
    waiting = sorted(range(len(sequences)), key=lambda i: len(sequences[i]), reverse=True)
    while waiting:
        members = [waiting.pop()]
        room = 0 if alone else PACK_TOKENS - len(sequences[members[0]])
        while waiting and len(sequences[waiting[-1]]) <= room:
            room -= len(sequences[waiting[-1]])
            members.append(waiting.pop())
        yield members
