"""Two thousand replies of each architecture that can be packed: batches of several sizes, shuffled, beside an extreme text."""

from __future__ import annotations

import random

import pytest
from tests import tiny
from tests.decode.conftest import NEVER, Case, branching

from emoloom.decode import fast
from emoloom.decode.fast import self_test
from emoloom.decode.reference import decode_reference

REPLIES, MAX_NEW = 2000, 6
EXTREME = 600
"""Tokens of the longest prompt; the others have at most 40."""


@pytest.fixture(scope="module", params=tiny.ARCHITECTURES)
def many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, int]:
    """The case, and a token that ends some of its replies."""
    model = tiny.load_tiny(tiny.make_model(tmp_path_factory.mktemp("many"), request.param, seed=2)).model
    rng = random.Random(request.param)
    prefix = tiny.draw(rng, 21)
    prompts = [*(tiny.draw(rng, 1, 40) for _ in range(REPLIES - 1)), tiny.draw(rng, EXTREME)]
    eos = decode_reference(model, prefix, prompts[0], eos=NEVER, max_new_tokens=3)[2]
    replies = [decode_reference(model, prefix, own, eos=eos, max_new_tokens=MAX_NEW) for own in prompts]
    assert len(set(map(tuple, replies))) > REPLIES // 4, "replies that are all alike would tell little"
    return Case(model, prefix, prompts, replies, self_test(model, prefix, prompts[:3])), eos


def test_two_thousand_replies(many: tuple[Case, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """So many texts are given at a time, and as many begun in a round, the longest among those of the first batch."""
    case, eos = many
    *others, extreme = range(REPLIES)
    for size in (1, 7, 32):
        monkeypatch.setattr(fast, "ADMITTED", size)
        order = random.Random(size).sample(others, len(others))
        order.insert(size // 2, extreme)
        replies: dict[int, list[int]] = {}
        for start in range(0, REPLIES, size):
            batch = order[start : start + size]
            drafts = [branching(case.replies[i], i) for i in batch]
            replies |= case.fast(batch, drafts, eos=eos, max_new_tokens=MAX_NEW)
        assert replies == case.expected(order)
