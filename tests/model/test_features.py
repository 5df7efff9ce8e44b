"""Pooled layers from a pack against transformers' own hidden states of each sequence alone."""

from __future__ import annotations

import random

import pytest
import torch
from tests import tiny
from tests.model.conftest import Pair

from emoloom.decode.fast import self_test
from emoloom.model.features import DEPTHS, depths, pooled_layers
from emoloom.model.packing import pack

PREFIX = tiny.draw(random.Random(1), 91)
SEQUENCES = [tiny.draw(random.Random(seed), 1, 90) for seed in range(12)]


@pytest.mark.parametrize("prefix", [[], PREFIX], ids=["bare", "shared"])
@torch.inference_mode()
def test_features_are_means_and_last_states_of_each_sequences_own_layers(pair: Pair, prefix: list[int]) -> None:
    device = pair.candidate.device
    found = pooled_layers(pair.candidate.model, pack(prefix, SEQUENCES, device))
    assert found.shape == (len(SEQUENCES), 2 * 2 * 32)
    for own, row in zip(SEQUENCES, found, strict=True):
        tokens = torch.tensor([[*prefix, *own]], device=device)
        hidden = pair.eager(tokens, use_cache=False, output_hidden_states=True).hidden_states
        parts = [states[0, len(prefix) :] for states in hidden[1:]]
        expected = torch.cat([pooled for part in parts for pooled in (part.mean(dim=0), part[-1])])
        torch.testing.assert_close(row, expected, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_neighbours_and_order_change_nothing(pair: Pair) -> None:
    model, device = pair.candidate.model, pair.candidate.device
    alone = [pooled_layers(model, pack(PREFIX, [own], device))[0] for own in SEQUENCES]
    exact = self_test(model, PREFIX, SEQUENCES[:3])
    for order in (range(12), range(11, -1, -1), [3, 3, 7]):
        found = pooled_layers(model, pack(PREFIX, [SEQUENCES[i] for i in order], device))
        for i, row in zip(order, found, strict=True):
            torch.testing.assert_close(row, alone[i], atol=5e-6, rtol=1e-6)
            assert not exact or torch.equal(row, alone[i])


@pytest.mark.parametrize("layers", range(1, 40))
def test_depths_are_evenly_spaced_and_end_with_the_last_layer(layers: int) -> None:
    found = depths(layers)
    assert len(found) == len(set(found)) == min(layers, DEPTHS)
    assert (found[-1], found == sorted(found), found[0] >= 1) == (layers, True, True)
    gaps = {b - a for a, b in zip([0, *found], found, strict=False)}
    assert max(gaps) - min(gaps) <= 1
