"""A pack's sequences one by one, by the model's own mixing of tokens: for architectures that cannot be packed, such as state
space models, convolutions over neighbours, or positions that only the model itself counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from emoloom.model.packing import Pack


def separate_states(model: Any, pack: Pack, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """What :func:`~emoloom.model.forward.packed_states` gives, each sequence in a forward of its own behind the prefix."""
    parts: list[tuple[torch.Tensor, torch.Tensor]] = []
    order: list[int] = []
    for tokens, places in _sequences(pack):
        asked = [(at, places[row]) for at, row in enumerate(rows) if row in places]
        if asked:
            order.extend(at for at, _ in asked)
            parts.append(_states(model, tokens, [place for _, place in asked]))
    logits, states = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    back = torch.tensor(order, device=logits.device).argsort()
    return logits[back], states[back]


def separate_layers(model: Any, pack: Pack) -> tuple[torch.Tensor, ...]:
    """What :func:`~emoloom.model.forward.packed_layers` gives, each sequence in a forward of its own behind the prefix."""
    layers: list[list[torch.Tensor]] = []
    for tokens, places in _sequences(pack):
        out = model.base_model(input_ids=tokens[None], output_hidden_states=True, use_cache=False)
        layers.append([states[0, list(places.values())] for states in out.hidden_states])
    return tuple(torch.cat(layer) for layer in zip(*layers, strict=True))


def _sequences(pack: Pack) -> Iterator[tuple[torch.Tensor, dict[int, int]]]:
    """The tokens of each sequence with its prefix, and where the rows of the pack that it answers for stand among them: its own,
    and in the first sequence those of the prefix, whose filling stands for its first token."""
    prefix = pack.tokens[pack.filling : pack.prefix]
    for number, (start, end) in enumerate(pack.spans):
        places = {row: row - start + len(prefix) for row in range(start, end)}
        if number == 0:
            places = {row: max(0, row - pack.filling) for row in range(pack.prefix)} | places
        yield torch.cat([prefix, pack.tokens[start:end]]), places


def _states(model: Any, tokens: torch.Tensor, places: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits after the tokens at ``places`` of one sequence, and the states they are made from."""
    states: list[torch.Tensor] = []
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: states.append(inputs[0]))
    try:
        wanted = torch.tensor(places, device=tokens.device)
        logits = model(input_ids=tokens[None], logits_to_keep=wanted, use_cache=False).logits
    finally:
        hook.remove()
    return logits[0], states[0][0]
