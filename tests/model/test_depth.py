"""Forwards that end at a layer, against those that go on, and which layers heads may read."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests import tiny
from tests.model.conftest import Pair

from emoloom.model.depth import depth_states, head_depths, layer_count
from emoloom.model.forward import is_packed, packed_layers
from emoloom.model.packing import pack

PREFIX = tiny.draw(random.Random(1), 91)
SEQUENCES = [tiny.draw(random.Random(seed), 1, 90) for seed in range(5)]


@torch.inference_mode()
def test_a_forward_ends_at_the_layer_that_is_asked_for(pair: Pair) -> None:
    model = pair.candidate.model
    packed = pack(PREFIX, SEQUENCES, pair.candidate.device)
    layers = packed_layers(model, packed)
    assert len(layers) == 1 + layer_count(model)
    rows = [end - 1 for _, end in packed.spans]
    for depth in (1, 2):
        assert torch.equal(depth_states(model, packed, depth, rows), layers[depth][rows])
    second = next(module for module in model.modules() if isinstance(module, torch.nn.ModuleList))[1]
    seen: list[Any] = []
    watched = second.register_forward_hook(lambda *_: seen.append(depth))
    depth_states(model, packed, 1, rows)
    watched.remove()
    assert bool(seen) != is_packed(model)
    # Nothing is left behind that would end the next forward.
    assert torch.equal(packed_layers(model, packed)[2], layers[2])


@pytest.mark.parametrize(
    ("layers", "expected"), [(1, [1]), (2, [1, 2]), (12, [6, 7, 8, 10, 11, 12]), (30, [15, 18, 21, 24, 27, 30])]
)
def test_heads_may_read_in_the_upper_half(layers: int, expected: list[int]) -> None:
    config = SimpleNamespace(num_hidden_layers=layers)
    assert head_depths(SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: config))) == expected
