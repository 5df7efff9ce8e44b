"""Fast decoding returns the reference's tokens, whatever is drafted and whoever shares the forward."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from tests import tiny
from tests.decode.conftest import MAX_NEW, NEVER, Case, branching, draft_of, half_knows

from emoloom.decode import fast
from emoloom.decode.fast import Counts, Draft, Proposal, Seen
from emoloom.decode.reference import decode_reference, next_logits
from emoloom.model import attention
from emoloom.model.forward import is_packed, packed_logits
from emoloom.model.packing import Pack, align

ALL = list(range(48))


def nothing(_generated: list[int], _seen: Seen) -> Proposal:
    return Proposal()


def guesses(seed: int) -> Draft:
    """Random tokens, none to too many."""
    rng = random.Random(seed)
    return draft_of(lambda *_: tiny.draw(rng, 0, 2 * MAX_NEW))


def knows(reply: list[int]) -> Draft:
    """The right continuation, and more than is asked for."""
    return draft_of(lambda generated, _seen: [*reply, *reply][len(generated) :])


def test_without_drafts(case: Case) -> None:
    assert case.fast(ALL, nothing) == case.expected(ALL)


def test_with_wrong_drafts(case: Case) -> None:
    assert case.fast(ALL, [guesses(i) for i in ALL]) == case.expected(ALL)


def test_with_right_drafts(case: Case) -> None:
    assert case.fast(ALL, [knows(case.replies[i]) for i in ALL]) == case.expected(ALL)


def test_with_half_right_drafts(case: Case) -> None:
    assert case.fast(ALL, [half_knows(case.replies[i], i) for i in ALL]) == case.expected(ALL)


def test_with_branches(case: Case) -> None:
    assert case.fast(ALL, [branching(case.replies[i], i) for i in ALL]) == case.expected(ALL)


def test_with_the_guard(case: Case) -> None:
    assert case.fast(ALL, [half_knows(case.replies[i], i) for i in ALL], guard=True) == case.expected(ALL)


def test_with_the_fused_kernel(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a GPU would: packed logits are not canonical to the last bit, and the guard decides near-ties."""
    monkeypatch.setattr(attention, "_fuses", lambda _: True)
    chosen = ALL[:12]
    settings: dict[str, Any] = {"eos": NEVER, "max_new_tokens": MAX_NEW}
    expected = {i: decode_reference(case.model, case.prefix, case.prompts[i], **settings) for i in chosen}
    assert case.fast(chosen, [branching(expected[i], i) for i in chosen], guard=True) == expected


@pytest.mark.parametrize("size", [1, 7, 32])
@pytest.mark.parametrize("pack_tokens", [1, 200, 100_000])
def test_company_and_order_do_not_matter(
    case: Case, size: int, pack_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "PACK_TOKENS", pack_tokens)
    monkeypatch.setattr(fast, "ADMITTED", size)
    chosen = random.Random(size).sample(ALL, size)
    drafts = [half_knows(case.replies[i], i) if i % 3 else guesses(i) for i in chosen]
    assert case.fast(chosen, drafts) == case.expected(chosen)


def test_large_vocabularies_make_small_packs(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def watching(model: Any, packed: Pack, rows: Sequence[int]) -> torch.Tensor:
        read.append(len(rows))
        return packed_logits(model, packed, rows)

    monkeypatch.setattr(fast, "packed_logits", watching)
    for together in (0, 3):
        monkeypatch.setattr(fast, "LOGITS", together * 2 * MAX_NEW * case.model.config.get_text_config().vocab_size)
        drafts = [branching(case.replies[i], i) for i in ALL[:12]]
        assert case.fast(ALL[:12], drafts) == case.expected(ALL[:12])
        assert max(read) <= max(together, 1) * 2 * MAX_NEW
        read.clear()


def test_a_neighbour_of_extreme_length(case: Case) -> None:
    long = tiny.draw(random.Random(0), 400)
    mixed = Case(case.model, case.prefix, [*case.prompts[:6], long], [], case.exact)
    replies = mixed.fast(list(range(7)), nothing, max_new_tokens=6)
    alone = decode_reference(case.model, case.prefix, long, eos=NEVER, max_new_tokens=6)
    assert replies == {**{i: case.replies[i][:6] for i in range(6)}, 6: alone}


@pytest.mark.parametrize("limit", [1, 2, 9])
@pytest.mark.parametrize("helpful", [True, False])
def test_no_more_tokens_than_allowed(case: Case, limit: int, helpful: bool) -> None:
    chosen = ALL[:12]
    drafts = [knows(case.replies[i]) if helpful else guesses(i) for i in chosen]
    replies = case.fast(chosen, drafts, max_new_tokens=limit)
    assert replies == {i: case.replies[i][:limit] for i in chosen}


@pytest.mark.parametrize("helpful", [True, False])
def test_a_reply_ends_before_the_end_token(case: Case, helpful: bool) -> None:
    for i in range(6):
        reply = case.replies[i]
        eos = reply[i]
        cut = reply[: reply.index(eos)]
        draft = knows([*cut, eos, eos]) if helpful else guesses(i)
        assert case.fast([i], draft, eos=eos) == {i: cut}


def test_drafters_are_told_what_the_model_would_have_had(case: Case) -> None:
    prompt, told = case.prompts[0], [0, 0]

    def best(generated: list[int], token: int) -> bool:
        logits = next_logits(case.model, case.prefix, [*prompt, *generated])
        return float(logits.max() - logits[token]) < 1e-4

    def draft(generated: list[int], seen: Seen) -> Proposal:
        tokens = list(seen.proposal.tokens)
        if seen.wanted:
            before = generated[: len(generated) - seen.kept - 1]
            assert generated == [*before, *tokens[: seen.kept], seen.wanted[seen.kept]]
            assert len(seen.wanted) == len(tokens) + 1
            assert all(best([*before, *tokens[:step]], wanted) for step, wanted in enumerate(seen.wanted))
            told[0] += len(tokens) - seen.kept
        for (step, way), wanted in zip(seen.proposal.branches, seen.branches, strict=True):
            assert len(wanted) == len(way)
            for further in range(len(way)):
                assert best([*before, *tokens[:step], *way[: further + 1]], wanted[further])
                assert seen.after(step, way[: further + 1]) in {*wanted, *seen.wanted}
                told[1] += 1
        return propose(generated, seen)

    propose = branching(case.replies[0], 5)
    case.fast([0], draft)
    assert told[0]
    assert bool(told[1]) == is_packed(case.model)


def test_what_comes_after_is_looked_up_in_the_whole_proposal() -> None:
    seen = Seen(Proposal([1, 2, 3], [(1, [5, 6]), (1, [5, 7]), (0, [2])]), [1, 2, 8, 9], 2, [[10, 11], [12, 13], [14]])
    assert [seen.after(1, way) for way in ([2], [2, 3], [5], [5, 6], [5, 7], [6])] == [8, 9, 10, 11, 13, None]
    assert [seen.after(0, way) for way in ([1, 2], [2], [2, 2])] == [8, 14, None]


def test_every_prompt_is_answered_once(case: Case) -> None:
    twice = [(case.prompts[0], nothing), (case.prompts[0], nothing), (case.prompts[1], nothing)]
    settings: dict[str, Any] = {"eos": NEVER, "max_new_tokens": MAX_NEW, "guard": True, "counts": Counts()}
    answers = list(fast.decode_fast(case.model, case.prefix, twice, **settings))
    assert sorted(answers) == [(0, case.replies[0]), (1, case.replies[0]), (2, case.replies[1])]
    assert list(fast.decode_fast(case.model, case.prefix, [], **settings)) == []


def test_counts_without_drafts(case: Case) -> None:
    counts = Counts()
    case.fast([0, 1], nothing, counts=counts, guard=False)
    together = align(len(case.prefix)) + len(case.prompts[0]) + len(case.prompts[1])
    assert counts == Counts(MAX_NEW, sum(together + 2 * step for step in range(MAX_NEW)), 0)


def test_counts_with_right_drafts(case: Case) -> None:
    counts = Counts()
    case.fast([0], knows(case.replies[0]), counts=counts, guard=False)
    assert counts == Counts(1, align(len(case.prefix)) + len(case.prompts[0]) + MAX_NEW - 1, 0)
    case.fast([0], knows(case.replies[0]), counts=counts, guard=False)
    assert counts.forwards == 2


def with_twins(case: Case) -> Case:
    """The case with a model for which the best token always has a twin that is as good up to 1e-5."""
    model = copy.deepcopy(case.model)
    output = model.get_output_embeddings().weight
    half = output[tiny.FIRST_BYTE : tiny.FIRST_BYTE + 128].detach()
    noise = torch.randn(half.shape, generator=torch.Generator().manual_seed(0)).to(half.device)
    with torch.no_grad():
        output[tiny.FIRST_BYTE + 128 :] = half + 1e-6 * noise
    prompts = case.prompts[:8]
    replies = [decode_reference(model, case.prefix, own, eos=NEVER, max_new_tokens=MAX_NEW) for own in prompts]
    return Case(model, case.prefix, prompts, replies, exact=False)


@pytest.mark.usefixtures("shaky")
def test_the_guard_decides_near_ties(case: Case) -> None:
    close = with_twins(case)
    chosen = list(range(8))
    counts = Counts()
    drafts = [half_knows(close.replies[i], i) for i in chosen]
    assert close.fast(chosen, drafts, guard=True, counts=counts) == close.expected(chosen)
    assert counts.guarded >= 8
    assert close.fast(chosen, nothing, guard=False) != close.expected(chosen)


def fake_self_test(monkeypatch: pytest.MonkeyPatch, wrong: set[tuple[int, int]]) -> bool:
    """The self-test where logits are token and position, and packed ones one last bit off at ``wrong`` (token, position)."""

    def logits(token: int, position: int, off: bool) -> torch.Tensor:
        exact = torch.tensor([float(token), float(position)])
        return torch.nextafter(exact, exact + 1) if off else exact

    def packed(_model: Any, pack: Pack, rows: Sequence[int]) -> torch.Tensor:
        # As a round of decoding is: with branches, and more rows than are compared.
        assert all(pack.branches)
        assert len(rows) > len(pack.offsets) + 1
        at = [(int(pack.tokens[row]), int(pack.positions[row])) for row in rows]
        return torch.stack([logits(*place, place in wrong) for place in at])

    def canonical(_model: Any, prefix: Sequence[int], own: Sequence[int]) -> torch.Tensor:
        return logits(own[-1], len(prefix) + len(own) - 1, off=False)

    monkeypatch.setattr(fast, "packed_logits", packed)
    monkeypatch.setattr(fast, "next_logits", canonical)
    monkeypatch.setattr(fast, "is_packed", lambda _: True)
    prompts = [list(range(100, 120)), [200, 201, 202], [300]]
    return fast.self_test(torch.nn.Linear(1, 1), [9] * 16, prompts)


@pytest.mark.parametrize(
    ("token", "position", "found"),
    [(119, 35, True), (110, 26, True), (111, 27, False), (200, 16, False), (202, 18, True), (300, 16, True)],
)
def test_self_test_sees_one_bit(token: int, position: int, found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fake_self_test(monkeypatch, set())
    assert fake_self_test(monkeypatch, {(token, position)}) is not found


@pytest.mark.usefixtures("shaky")
def test_self_test_notices_a_shaky_machine(case: Case) -> None:
    assert not fast.self_test(case.model, case.prefix, case.prompts[:3])
