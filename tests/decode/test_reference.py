"""The plain loop against transformers' own greedy search without a cache."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from tests import tiny
from tests.decode.conftest import MAX_NEW, NEVER, Case

from emoloom.decode.reference import decode_reference, next_logits


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("shared", [0, 32])
def test_reference_writes_what_generate_writes(architecture: str, shared: int, tmp_path: Path) -> None:
    folder = tiny.make_model(tmp_path, architecture, seed=2)
    model = tiny.load_tiny(folder).model
    eager = tiny.load_eager(folder, model.device)
    rng = random.Random(shared)
    prefix = tiny.draw(rng, shared) if shared else []
    for _ in range(3):
        own = tiny.draw(rng, 1, 80)
        tokens = torch.tensor([[*prefix, *own]], device=model.device)
        written = eager.generate(
            tokens, attention_mask=torch.ones_like(tokens), use_cache=False, do_sample=False, max_new_tokens=20
        )[0, tokens.shape[1] :].tolist()
        until_end = written[: written.index(tiny.END)] if tiny.END in written else written
        assert decode_reference(model, prefix, own, eos=tiny.END, max_new_tokens=20) == until_end


def test_reference_stops_before_the_end_token(case: Case) -> None:
    for at, (own, reply) in enumerate(zip(case.prompts[:4], case.replies[:4], strict=True)):
        eos = reply[2 * at]
        stopped = decode_reference(case.model, case.prefix, own, eos=eos, max_new_tokens=MAX_NEW)
        assert stopped == reply[: reply.index(eos)]


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_reference_writes_no_more_than_it_may(case: Case, limit: int) -> None:
    reply = decode_reference(case.model, case.prefix, case.prompts[0], eos=NEVER, max_new_tokens=limit)
    assert reply == case.replies[0][:limit]


def test_sharing_a_prefix_does_not_show(case: Case) -> None:
    for own in case.prompts[:4]:
        bare = next_logits(case.model, [], [*case.prefix, *own])
        torch.testing.assert_close(next_logits(case.model, case.prefix, own), bare, atol=1e-4, rtol=0)


@pytest.mark.parametrize("context", [700, 703, 704, 705, 715])
def test_reference_fills_a_context_of_any_length(context: int, tmp_path: Path) -> None:
    candidate = tiny.load_tiny(tiny.make_model(tmp_path, "gpt2", max_position_embeddings=context))
    own = candidate.prompter.encode(tiny.ask("a" * 1000)).own
    reply = decode_reference(candidate.model, candidate.prompter.prefix, own, eos=NEVER, max_new_tokens=64)
    assert len(reply) == 64
