"""Draft and verify: the reference's tokens in a few packed forwards.

Each round proposes how every unfinished reply goes on, runs all of them in one forward and keeps, for each, the longest
part on which the model agrees plus the model's own next token. A forward always reads whole sequences from their tokens:
nothing is carried from one to the next but the accepted tokens themselves.

Under a constraint, arg-max is over the allowed tokens only. A draft ends where it is not allowed; where one token alone is,
it joins the draft, and the model is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from emoloom.decode.reference import Constraint, Cursor, forbid, next_logits
from emoloom.model.forward import packed_logits
from emoloom.model.packing import PACK_TOKENS, pack

Misses = Sequence[tuple[int, int]]
"""From the first token on that was proposed wrongly: each one that was proposed, and what the model would have had there."""
Draft = Callable[[list[int], Misses], list[int]]
"""Given the tokens generated so far and what the last draft got wrong, how they may go on (any length, may be wrong or empty)."""

# Where packed and canonical logits differ in their last bits, a step whose two best tokens lie closer than this is decided
# by the canonical forward; logits of 20 in bfloat16 come in steps of 1/8.
GUARD_MARGINS = {torch.float32: 1e-3, torch.bfloat16: 0.5}
_SELF_TESTED = 8


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
    misses: Misses = ()
    finished: bool = False


def decode_fast(
    model: torch.nn.Module,
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
        prefix: token ids shared by all prompts, a multiple of 16 of them.
        prompts: each prompt's own tokens and its drafter.
        guard: decide near-ties by the canonical forward; needed where :func:`self_test` fails.
        counts: added to as the work goes on.
        constraint: which tokens replies may be made of; all, if there is none.
        between: called before each forward.
    """
    # Alike lengths together: attention is computed on a grid as wide as the longest sequence.
    waiting = sorted(
        (Job(i, own, draft, constraint.start() if constraint else None) for i, (own, draft) in enumerate(prompts)),
        key=lambda job: len(job.prompt),
        reverse=True,
    )
    active: list[Job] = []
    while waiting or active:
        while waiting and (not active or _size(active) + len(waiting[-1].prompt) + max_new_tokens <= PACK_TOKENS):
            active.append(waiting.pop())
        between()
        _round(model, prefix, active, eos, max_new_tokens, guard, counts)
        yield from ((job.index, job.generated) for job in active if job.finished)
        active = [job for job in active if not job.finished]


def _size(jobs: Sequence[Job]) -> int:
    return sum(len(job.prompt) + len(job.generated) for job in jobs)


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
    proposals = [_propose(job, eos, max_new_tokens - len(job.generated) - 1) for job in jobs]
    sequences = [[*job.prompt, *job.generated, *draft] for job, (draft, _) in zip(jobs, proposals, strict=True)]
    weight = next(model.parameters())
    packed = pack(prefix, sequences, weight.device)
    places = [(at, step) for at, (_, asked) in enumerate(proposals) for step in asked]
    last = [offset + len(job.prompt) + len(job.generated) - 1 for job, offset in zip(jobs, packed.offsets, strict=True)]
    logits = packed_logits(model, packed, [last[at] + step for at, step in places])
    for row, (at, step) in enumerate(places):
        if (allowed := proposals[at][1][step]) is not None:
            forbid(logits[row], allowed)
    best = dict(zip(places, logits.argmax(dim=-1).tolist(), strict=True))
    close = {places[row] for row in _near_ties(logits, GUARD_MARGINS[weight.dtype])} if guard else set()
    counts.forwards += 1
    counts.tokens += len(packed.tokens)

    for at, (job, (draft, asked)) in enumerate(zip(jobs, proposals, strict=True)):
        for step, proposed in enumerate([*draft, None]):
            # A token that is proposed without being asked for is the only one allowed.
            token = best.get((at, step), proposed)
            if (at, step) in close:
                canonical = next_logits(model, prefix, [*job.prompt, *job.generated])
                if (allowed := asked[step]) is not None:
                    forbid(canonical, allowed)
                token = int(canonical.argmax())
                counts.guarded += 1
            if token is not None:
                _take(job, token, eos, max_new_tokens)
            if job.finished or token != proposed:
                job.misses = [(draft[i], best.get((at, i), draft[i])) for i in range(step, len(draft))]
                break
        _jump(job, eos, max_new_tokens)


def _propose(job: Job, eos: int, room: int) -> tuple[list[int], dict[int, torch.Tensor | None]]:
    """At most ``room`` tokens that may come next, and the steps at which the model is asked with what is allowed there (None:
    everything). Step 0 always is one."""
    draft = job.draft(job.generated, job.misses)[:room]
    if job.cursor is None:
        return draft, dict.fromkeys(range(len(draft) + 1))
    followed: list[int] = []
    asked: dict[int, torch.Tensor | None] = {}
    while True:
        step = len(followed)
        allowed = job.cursor.allowed()
        token = _only(allowed)
        if token is None or step == 0:
            asked[step] = allowed
        if token is None and followed == draft[:step] and step < len(draft) and allowed[draft[step]]:
            token = draft[step]
        if token is None or token == eos or step == room:
            job.cursor.back(step)
            return followed, asked
        job.cursor.advance(token)
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

    One pack of ordinary size, the longest of ``prompts`` among its members, is compared at its members' last tokens and at
    the middle of the longest.
    """
    by_length = sorted(prompts, key=len)
    chosen = [by_length[-1]]
    for own in by_length:
        if sum(map(len, chosen)) + len(own) > PACK_TOKENS:
            break
        chosen.append(own)
    packed = pack(prefix, chosen, next(model.parameters()).device)
    checked = [(0, len(chosen[0]) // 2), *((i, len(chosen[i]) - 1) for i in range(min(_SELF_TESTED, len(chosen))))]
    together = packed_logits(model, packed, [packed.offsets[i] + step for i, step in checked])
    return all(
        torch.equal(logits, next_logits(model, prefix, chosen[i][: step + 1]))
        for (i, step), logits in zip(checked, together, strict=True)
    )
