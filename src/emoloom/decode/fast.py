"""Draft and verify: the reference's tokens in a few packed forwards.

Each round proposes how every unfinished reply goes on, runs all of them in one forward and keeps, for each, the longest
part on which the model agrees plus the model's own next token. A forward always reads whole sequences from their tokens:
nothing is carried from one to the next but the accepted tokens themselves. A proposal may have branches; nothing is taken from
them, but the next proposal may be made from what the model would have said there.

Under a constraint, arg-max is over the allowed tokens only. A draft ends where it is not allowed; where one token alone is,
it joins the draft, and the model is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from emoloom.decode.reference import Constraint, Cursor, forbid, next_logits
from emoloom.model.forward import is_packed, packed_logits
from emoloom.model.packing import LOGITS, PACK_TOKENS, Branch, fullest, pack


@dataclass(frozen=True)
class Proposal:
    """How a reply may go on.

    Attributes:
        tokens: the likeliest way (any length, may be wrong or empty).
        branches: other ways behind some of these tokens. Under a constraint, and in models that cannot be packed, they are left
            out.
    """

    tokens: Sequence[int] = ()
    branches: Sequence[Branch] = ()


@dataclass(frozen=True)
class Seen:
    """What the model made of a proposal.

    Attributes:
        proposal: as far as there was room for it.
        wanted: what it would have had in place of each of the proposal's tokens, given those before, and behind the last.
        kept: on how many of the tokens it agreed.
        branches: for each branch, what it would have had behind each of its tokens.
    """

    proposal: Proposal = field(default_factory=Proposal)
    wanted: Sequence[int] = ()
    kept: int = 0
    branches: Sequence[Sequence[int]] = ()

    def after(self, step: int, way: Sequence[int]) -> int | None:
        """What the model would have had behind ``way`` in place of the proposal's tokens from ``step`` on; None where it was not
        asked."""
        known = [(self.proposal.tokens[step:], self.wanted[step + 1 :])]
        for (root, tokens), wanted in zip(self.proposal.branches, self.branches, strict=True):
            known += [(tokens, wanted)] if root == step else []
        return next((wanted[len(way) - 1] for tokens, wanted in known if list(tokens[: len(way)]) == list(way)), None)


Draft = Callable[[list[int], Seen], Proposal]
"""Given the tokens generated so far and what became of the last proposal, the next one."""

# Where packed and canonical logits differ in their last bits, a step whose two best tokens lie closer than this is decided
# by the canonical forward; logits of 20 in bfloat16 come in steps of 1/8.
GUARD_MARGINS = {torch.float32: 1e-3, torch.bfloat16: 0.5}
_SELF_TESTED = 8
# Tokens of each branch, and logits asked for: matrix kernels may sum otherwise where many rows are read.
_SELF_TEST_BRANCH, _SELF_TEST_ROWS = 3, 1024
# Replies that are begun in one round: drafts are better once others have been finished.
ADMITTED = 16


@dataclass
class Counts:
    """What decoding cost."""

    forwards: int = 0
    tokens: int = 0
    guarded: int = 0


@dataclass
class Job:
    """One reply in the making."""

    index: int
    prompt: Sequence[int]
    draft: Draft
    cursor: Cursor | None
    generated: list[int] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    finished: bool = False


def decode_fast(
    model: Any,
    prefix: Sequence[int],
    prompts: Sequence[tuple[Sequence[int], Draft]],
    *,
    eos: int,
    max_new_tokens: int,
    guard: bool,
    counts: Counts,
    constraint: Constraint | None = None,
    between: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, list[int]]]:
    """Yields (index, generated tokens without ``eos``) of every prompt, as they are finished.

    Args:
        prefix: token ids shared by all prompts.
        prompts: each prompt's own tokens and its drafter.
        guard: decide near-ties by the canonical forward; needed where :func:`self_test` fails.
        counts: added to as the work goes on.
        constraint: which tokens replies may be made of; all, if there is none.
        between: called before each forward.
    """
    # Alike lengths together, as in :func:`~emoloom.model.packing.packfuls`.
    waiting = sorted(
        (Job(i, own, draft, constraint.start() if constraint else None) for i, (own, draft) in enumerate(prompts)),
        key=lambda job: len(job.prompt),
        reverse=True,
    )
    # As much for branches, where there can be any, as for drafts.
    asked = (2 if is_packed(model) and constraint is None else 1) * max_new_tokens
    together = LOGITS // (asked * model.config.get_text_config().vocab_size)
    active: list[Job] = []
    while waiting or active:
        for _ in range(ADMITTED):
            if not waiting or (active and not _fits(active, waiting[-1], together, max_new_tokens)):
                break
            active.append(waiting.pop())
        between()
        _round(model, prefix, active, eos, max_new_tokens, guard, counts)
        yield from ((job.index, job.generated) for job in active if job.finished)
        active = [job for job in active if not job.finished]


def _fits(active: Sequence[Job], job: Job, together: int, max_new_tokens: int) -> bool:
    """Whether one more job has room in the forwards of the ``active`` ones, of which so many may be ``together``."""
    tokens = sum(len(one.prompt) + len(one.generated) for one in [*active, job])
    return len(active) < together and tokens + max_new_tokens <= PACK_TOKENS


@torch.inference_mode()
def _round(
    model: torch.nn.Module,
    prefix: Sequence[int],
    jobs: Sequence[Job],
    eos: int,
    max_new_tokens: int,
    guard: bool,
    counts: Counts,
) -> None:
    """One forward for all ``jobs``."""
    branching = is_packed(model)
    proposals, asked = zip(*(_propose(job, eos, max_new_tokens, branching) for job in jobs), strict=True)
    before = [len(job.prompt) + len(job.generated) for job in jobs]
    sequences = [[*job.prompt, *job.generated, *p.tokens] for job, p in zip(jobs, proposals, strict=True)]
    branches = [[(n + step, way) for step, way in p.branches] for n, p in zip(before, proposals, strict=True)]
    weight = next(model.parameters())
    packed = pack(prefix, sequences, weight.device, branches)
    places = [(at, step) for at, steps in enumerate(asked) for step in steps]
    last = [offset + n - 1 for offset, n in zip(packed.offsets, before, strict=True)]
    aside = [
        range(packed.offsets[at] + span.start, packed.offsets[at] + span.stop)
        for at, spans in enumerate(packed.branches)
        for span in spans
    ]
    logits = packed_logits(
        model, packed, [*(last[at] + step for at, step in places), *(r for rows in aside for r in rows)]
    )
    for row, (at, step) in enumerate(places):
        if (allowed := asked[at][step]) is not None:
            forbid(logits[row], allowed)
    tokens = iter(logits.argmax(dim=-1).tolist())
    best = {place: next(tokens) for place in places}
    beside = iter([[next(tokens) for _ in rows] for rows in aside])
    close = {places[row] for row in _near_ties(logits[: len(places)], GUARD_MARGINS[weight.dtype])} if guard else set()
    counts.forwards += 1
    counts.tokens += len(packed.tokens)

    for at, (job, proposal) in enumerate(zip(jobs, proposals, strict=True)):
        kept = 0
        for step, proposed in enumerate([*proposal.tokens, None]):
            # A token that is proposed without being asked for is the only one allowed.
            token = best.get((at, step), proposed)
            if (at, step) in close:
                canonical = next_logits(model, prefix, [*job.prompt, *job.generated])
                if (allowed := asked[at][step]) is not None:
                    forbid(canonical, allowed)
                token = best[at, step] = int(canonical.argmax())
                counts.guarded += 1
            if token is not None:
                _take(job, token, eos, max_new_tokens)
            if job.finished or token != proposed:
                kept = step
                break
        wanted = [best.get((at, step), token) for step, token in enumerate([*proposal.tokens, eos])]
        job.seen = Seen(proposal, wanted, kept, [next(beside) for _ in proposal.branches])
        _jump(job, eos, max_new_tokens)


def _propose(
    job: Job, eos: int, max_new_tokens: int, branching: bool
) -> tuple[Proposal, dict[int, torch.Tensor | None]]:
    """What may come next, as far as there is room, and the steps at which the model is asked with what is allowed there (None:
    everything). Step 0 always is one."""
    room = max_new_tokens - len(job.generated) - 1
    proposal = job.draft(job.generated, job.seen)
    tokens = proposal.tokens[:room]
    if job.cursor is None:
        fitting = _fitting(proposal.branches, len(tokens), room, max_new_tokens) if branching else ()
        return Proposal(tokens, fitting), dict.fromkeys(range(len(tokens) + 1))
    followed, asked = _follow(job.cursor, tokens, eos, room)
    return Proposal(followed), asked


def _fitting(branches: Sequence[Branch], length: int, room: int, left: int) -> list[Branch]:
    """The branches behind a draft of this length for which there is ``room``, of up to ``left`` tokens in all."""
    fitting: list[Branch] = []
    for step, way in branches:
        if step <= length and step + len(way) <= room and len(way) <= left:
            fitting.append((step, way))
            left -= len(way)
    return fitting


def _follow(
    cursor: Cursor, draft: Sequence[int], eos: int, room: int
) -> tuple[list[int], dict[int, torch.Tensor | None]]:
    """As much of a draft as is allowed, with every token that is the only one allowed; and the steps at which there is a
    choice."""
    followed: list[int] = []
    asked: dict[int, torch.Tensor | None] = {}
    while True:
        step = len(followed)
        allowed = cursor.allowed()
        token = _only(allowed)
        if token is None or step == 0:
            asked[step] = allowed
        if token is None and followed == list(draft[:step]) and step < len(draft) and allowed[draft[step]]:
            token = draft[step]
        if token is None or token == eos or step == room:
            cursor.back(step)
            return followed, asked
        cursor.advance(token)
        followed.append(token)


def _only(allowed: torch.Tensor) -> int | None:
    """The one token that is allowed, or None where there are more."""
    return int(allowed.int().argmax()) if int(allowed.count_nonzero()) == 1 else None


def _take(job: Job, token: int, eos: int, max_new_tokens: int) -> None:
    if token != eos:
        job.generated.append(token)
        if job.cursor:
            job.cursor.advance(token)
    job.finished = token == eos or len(job.generated) == max_new_tokens


def _jump(job: Job, eos: int, max_new_tokens: int) -> None:
    """Takes the tokens that are the only ones allowed."""
    while job.cursor and not job.finished and (token := _only(job.cursor.allowed())) is not None:
        _take(job, token, eos, max_new_tokens)


def _near_ties(logits: torch.Tensor, margin: float) -> set[int]:
    top = logits.topk(2, dim=-1).values
    return set((top[:, 0] - top[:, 1] < margin).nonzero().flatten().tolist())


@torch.inference_mode()
def self_test(model: torch.nn.Module, prefix: Sequence[int], prompts: Sequence[Sequence[int]]) -> bool:
    """Whether packed logits equal the canonical ones bit for bit on this machine.

    One pack of ordinary size, the longest of ``prompts`` among its members, each with a branch, is asked for logits as a round of
    decoding is; they are compared at its members' last tokens and at the middle of the longest.
    """
    chosen = [prompts[i] for i in fullest(prompts)]
    branches = [[(len(own) // 2, own[:_SELF_TEST_BRANCH])] for own in chosen] if is_packed(model) else []
    packed = pack(prefix, chosen, next(model.parameters()).device, branches)
    checked = [(0, len(chosen[0]) // 2), *((i, len(chosen[i]) - 1) for i in range(min(_SELF_TESTED, len(chosen))))]
    rows = [packed.offsets[i] + step for i, step in checked]
    others = range(packed.offsets[0], len(packed.tokens))[: _SELF_TEST_ROWS - len(rows)]
    together = packed_logits(model, packed, [*rows, *others])
    return all(
        torch.equal(logits, next_logits(model, prefix, chosen[i][: step + 1]))
        for (i, step), logits in zip(checked, together[: len(checked)], strict=True)
    )
