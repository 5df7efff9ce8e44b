"""Draft and verify: the reference's tokens in a few packed forwards.

Each round proposes how every unfinished reply goes on, runs all of them in one forward and keeps, for each, the longest
part on which the model agrees plus the model's own next token. A forward always reads whole sequences from their tokens:
nothing is carried from one to the next but the accepted tokens themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from emoloom.decode.reference import next_logits
from emoloom.model.forward import packed_logits
from emoloom.model.packing import pack

Draft = Callable[[list[int]], list[int]]
"""Given the tokens generated so far, how they may go on (any length, may be wrong or empty)."""

# Own tokens in a forward: large enough to keep the matrix kernels busy, small enough to stay in cache.
PACK_TOKENS = 2048
# Where packed and canonical logits differ in their last bits, a step whose two best tokens lie closer than this is decided
# by the canonical forward.
GUARD_MARGIN = 1e-3
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
    generated: list[int] = field(default_factory=list)


def decode_fast(
    model: torch.nn.Module,
    prefix: Sequence[int],
    prompts: Sequence[tuple[Sequence[int], Draft]],
    *,
    eos: int,
    max_new_tokens: int,
    guard: bool,
    counts: Counts,
) -> Iterator[tuple[int, list[int]]]:
    """Yields (index, generated tokens without ``eos``) of every prompt, as they are finished.

    Args:
        prefix: token ids shared by all prompts, a multiple of 16 of them.
        prompts: each prompt's own tokens and its drafter.
        guard: decide near-ties by the canonical forward; needed where :func:`self_test` fails.
        counts: added to as the work goes on.
    """
    # Alike lengths together: attention is computed on a grid as wide as the longest sequence.
    waiting = sorted(
        (Job(i, own, draft) for i, (own, draft) in enumerate(prompts)), key=lambda job: len(job.prompt), reverse=True
    )
    active: list[Job] = []
    while waiting or active:
        while waiting and (not active or _size(active) + len(waiting[-1].prompt) + max_new_tokens <= PACK_TOKENS):
            active.append(waiting.pop())
        finished = _round(model, prefix, active, eos, max_new_tokens, guard, counts)
        for job in finished:
            yield job.index, job.generated
        active = [job for job in active if job not in finished]


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
) -> list[Job]:
    """One forward for all ``jobs``; returns those it finished."""
    drafts = [job.draft(job.generated)[: max_new_tokens - len(job.generated) - 1] for job in jobs]
    sequences = [[*job.prompt, *job.generated, *draft] for job, draft in zip(jobs, drafts, strict=True)]
    packed = pack(prefix, sequences, next(model.parameters()).device)
    rows: list[int] = []
    for job, draft, offset in zip(jobs, drafts, packed.offsets, strict=True):
        last = offset + len(job.prompt) + len(job.generated) - 1
        rows.extend(range(last, last + len(draft) + 1))
    logits = packed_logits(model, packed, rows)
    best = logits.argmax(dim=-1).tolist()
    close = _near_ties(logits) if guard else set()
    counts.forwards += 1
    counts.tokens += len(packed.tokens)

    finished = []
    row = 0
    for job, draft in zip(jobs, drafts, strict=True):
        for step in range(len(draft) + 1):
            token = best[row + step]
            if row + step in close:
                token = int(next_logits(model, prefix, [*job.prompt, *job.generated]).argmax())
                counts.guarded += 1
            if token != eos:
                job.generated.append(token)
            if token == eos or len(job.generated) == max_new_tokens:
                finished.append(job)
                break
            if step < len(draft) and token != draft[step]:
                break
        row += len(draft) + 1
    return finished


def _near_ties(logits: torch.Tensor) -> set[int]:
    top = logits.topk(2, dim=-1).values
    return set((top[:, 0] - top[:, 1] < GUARD_MARGIN).nonzero().flatten().tolist())


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
