"""The oracle: one sequence, one token at a time, every step from nothing but the tokens so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from emoloom.model.forward import packed_logits
from emoloom.model.packing import align, pack


class Cursor(Protocol):
    """Where one reply stands under a constraint."""

    def allowed(self) -> torch.Tensor:
        """(vocabulary,) bool, on the CPU: the tokens that may come next, at least one."""

    def advance(self, token: int) -> None:
        """Goes on by an allowed token (never the end token)."""

    def back(self, steps: int) -> None:
        """Takes the last ``steps`` tokens back."""


class Constraint(Protocol):
    """Says which tokens a reply may be made of."""

    def start(self) -> Cursor:
        """A reply's beginning."""


def forbid(logits: torch.Tensor, allowed: torch.Tensor) -> None:
    """Sets the ``logits`` (vocabulary,) of all tokens that are not ``allowed`` to minus infinity; what the model has beyond the
    tokenizer's vocabulary is not."""
    known = min(len(logits), len(allowed))
    logits[:known].masked_fill_(~allowed[:known].to(logits.device), float("-inf"))
    logits[known:] = float("-inf")


@torch.inference_mode()
def next_logits(model: torch.nn.Module, prefix: Sequence[int], own: Sequence[int]) -> torch.Tensor:
    """The canonical logits of a step, shape (vocabulary,): those of this sequence alone.

    Args:
        prefix: token ids of the prompt's common part (may be empty).
        own: the tokens after it so far, at least one.
    """
    padded = [*own, *[own[-1]] * (align(len(own)) - len(own))]
    step = pack(prefix, [padded], next(model.parameters()).device)
    return packed_logits(model, step, [step.offsets[0] + len(own) - 1])[0]


@torch.inference_mode()
def decode_reference(
    model: torch.nn.Module,
    prefix: Sequence[int],
    prompt: Sequence[int],
    *,
    eos: int,
    max_new_tokens: int,
    constraint: Constraint | None = None,
) -> list[int]:
    """Greedy continuation of ``prefix`` + ``prompt``: token ids without ``eos``, at most ``max_new_tokens``, of those that
    ``constraint`` allows."""
    generated: list[int] = []
    cursor = constraint.start() if constraint else None
    while len(generated) < max_new_tokens:
        logits = next_logits(model, prefix, [*prompt, *generated])
        if cursor:
            forbid(logits, cursor.allowed())
        token = int(logits.argmax())
        if token == eos:
            break
        generated.append(token)
        if cursor:
            cursor.advance(token)
    return generated
