"""The heads' answers from packs against one sequence after the other through the model's own attention."""

from __future__ import annotations

import random

import pytest
import torch
from tests import tiny
from tests.decode.conftest import Case

from emoloom.decode.scored import read_heads
from emoloom.model import packing
from emoloom.model.heads import LinearHeads

# Of two layers: what is above the first must not matter to who reads there.
DEPTHS = (1, 2)
OPENING = [9, 8, 7]


@pytest.fixture
def heads() -> LinearHeads:
    heads = LinearHeads(32, 28)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in heads.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return heads


@pytest.mark.parametrize("depth", DEPTHS)
def test_each_prompt_gets_what_it_gets_alone(
    case: Case, heads: LinearHeads, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small packs, so that there are several.
    monkeypatch.setattr(packing, "PACK_TOKENS", 200)
    model = case.model
    found = {
        index: (logits, vad)
        for index, logits, vad in read_heads(model, heads, depth, OPENING, case.prefix, case.prompts, alone=False)
    }
    assert sorted(found) == list(range(len(case.prompts)))
    usual = model.config._attn_implementation
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        for index in random.Random(0).sample(range(len(case.prompts)), 12):
            whole = torch.tensor([[*case.prefix, *case.prompts[index], *OPENING]])
            states = model.base_model(whole, use_cache=False, output_hidden_states=True).hidden_states
            logits, vad = heads(states[depth][0, -1:])
            torch.testing.assert_close(torch.tensor(found[index][0]), logits[0], atol=2e-3, rtol=1e-3)
            torch.testing.assert_close(torch.tensor(found[index][1]), vad[0], atol=1e-3, rtol=1e-3)
    model.set_attn_implementation(usual)


def test_neighbours_and_order_change_nothing(case: Case, heads: LinearHeads) -> None:
    chosen = case.prompts[:9]
    together = {
        tuple(chosen[i]): (a, b)
        for i, a, b in read_heads(case.model, heads, 1, OPENING, case.prefix, chosen, alone=not case.exact)
    }
    turned = chosen[::-1]
    for i, logits, vad in read_heads(case.model, heads, 1, OPENING, case.prefix, turned, alone=not case.exact):
        assert (logits, vad) == together[tuple(turned[i])]
    for own in chosen:
        ((_, logits, vad),) = read_heads(case.model, heads, 1, OPENING, case.prefix, [own], alone=not case.exact)
        assert (logits, vad) == together[tuple(own)]


def test_no_prompts_no_forward(case: Case, heads: LinearHeads) -> None:
    assert list(read_heads(None, heads, 1, OPENING, case.prefix, [], alone=False)) == []


def test_a_prompt_longer_than_a_pack_has_its_own(
    case: Case, heads: LinearHeads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "PACK_TOKENS", 16)
    long = tiny.draw(random.Random(1), 100)
    assert [
        index for index, _, _ in read_heads(case.model, heads, 1, OPENING, case.prefix, [long, long], alone=False)
    ] in (
        [0, 1],
        [1, 0],
    )
