"""The oracle: one sequence, one token at a time, every step from nothing but the tokens so far."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from emoloom.model.forward import packed_logits
from emoloom.model.packing import align, pack


@torch.inference_mode()
def next_logits(model: torch.nn.Module, prefix: Sequence[int], own: Sequence[int]) -> torch.Tensor:
    """The canonical logits of a step, shape (vocabulary,): those of this sequence alone.

    Args:
        prefix: token ids of the prompt's common part, a multiple of 16 of them (may be empty).
        own: the tokens after it so far, at least one.
    """
    padded = [*own, *[own[-1]] * (align(len(own)) - len(own))]
    step = pack(prefix, [padded], next(model.parameters()).device)
    return packed_logits(model, step, [len(prefix) + len(own) - 1])[0]


def decode_reference(
    model: torch.nn.Module, prefix: Sequence[int], prompt: Sequence[int], *, eos: int, max_new_tokens: int
) -> list[int]:
    """Greedy continuation of ``prefix`` + ``prompt``: token ids without ``eos``, at most ``max_new_tokens``."""
    generated: list[int] = []
    while len(generated) < max_new_tokens:
        token = int(next_logits(model, prefix, [*prompt, *generated]).argmax())
        if token == eos:
            break
        generated.append(token)
    return generated
