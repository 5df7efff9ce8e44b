"""One tiny model of every architecture and its replies by the plain loop."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from tests import tiny
from tests.train.conftest import run_training

from emoloom.config import PARTS, Recipe
from emoloom.contract.record import make_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.decode import fast
from emoloom.decode.fast import Counts, Draft, Proposal, Seen, decode_fast, self_test
from emoloom.decode.reference import decode_reference
from emoloom.model.forward import packed_logits
from emoloom.model.packing import Pack
from emoloom.train.collate import Example

MAX_NEW = 16
NEVER = -1
"""An end token that no model writes."""


Tokens = Callable[[list[int], Seen], list[int]]
"""A draft without branches."""


def draft_of(tokens: Tokens) -> Draft:
    """A draft that proposes these tokens and no branches."""
    return lambda generated, seen: Proposal(tokens(generated, seen))


def half_knows(reply: list[int], seed: int) -> Draft:
    """The right continuation up to a random place."""
    rng = random.Random(seed)

    def draft(generated: list[int], _seen: Seen) -> list[int]:
        return [t if rng.random() < 0.7 else rng.randrange(tiny.VOCABULARY) for t in reply[len(generated) :]]

    return draft_of(draft)


def branching(reply: list[int], seed: int) -> Draft:
    """Half-known continuations with random branches anywhere, among them some for which there is no room."""
    rng = random.Random(seed)
    likely = half_knows(reply, seed)

    def draft(generated: list[int], seen: Seen) -> Proposal:
        tokens = likely(generated, seen).tokens
        branches = [(rng.randint(0, len(tokens) + 2), tiny.draw(rng, 0, 5)) for _ in range(rng.randint(0, 4))]
        return Proposal(tokens, branches)

    return draft


@dataclass(frozen=True)
class Case:
    """A model, prompts behind a shared prefix, and the reference's reply to each, without an end.

    ``exact``: whether a run would decode without the guard on this machine.
    """

    model: Any
    prefix: list[int]
    prompts: list[list[int]]
    replies: list[list[int]]
    exact: bool

    def fast(self, chosen: list[int], draft: Draft | list[Draft], **settings: Any) -> dict[int, list[int]]:
        """Replies to the ``chosen`` prompts by the fast decoder, by prompt, with a drafter for all or one for each."""
        drafts = draft if isinstance(draft, list) else [draft] * len(chosen)
        jobs = [(self.prompts[i], one) for i, one in zip(chosen, drafts, strict=True)]
        defaults = {"eos": NEVER, "max_new_tokens": MAX_NEW, "guard": not self.exact, "counts": Counts()}
        decoded = decode_fast(self.model, self.prefix, jobs, **{**defaults, **settings})
        return {chosen[at]: reply for at, reply in decoded}

    def expected(self, chosen: list[int]) -> dict[int, list[int]]:
        return {i: self.replies[i] for i in chosen}


@pytest.fixture(scope="session", params=[*tiny.ARCHITECTURES, *tiny.UNPACKABLE])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tiny.make_model(tmp_path_factory.mktemp(request.param), request.param, seed=1)
    model = tiny.load_tiny(folder).model
    rng = random.Random(request.param)
    prefix = tiny.draw(rng, 43)
    prompts = [tiny.draw(rng, 1, 60) for _ in range(48)]
    replies = [decode_reference(model, prefix, own, eos=NEVER, max_new_tokens=MAX_NEW) for own in prompts]
    return Case(model, prefix, prompts, replies, self_test(model, prefix, prompts[:3]))


@dataclass(frozen=True)
class Writer:
    """A model that has learned to write replies of the contract's shape, more or less, and what the reference makes it write.

    ``suggest`` knows the replies it was trained on up to their numbers.
    """

    model: Any
    prefix: list[int]
    prompts: list[list[int]]
    replies: list[list[int]]

    @staticmethod
    def suggest(labels: tuple[str, ...]) -> str:
        return taught(labels, 0.5)


def taught(labels: tuple[str, ...], v: float) -> str:
    return make_reply(labels, (v, 0.5, 0.5), f"{labels[0]}: oh", GOEMOTIONS).line()


@pytest.fixture(scope="session")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Writer:
    folder = tiny.make_model(tmp_path_factory.mktemp("writer"), tie_word_embeddings=True)
    candidate = tiny.load_tiny(folder)
    rng = random.Random(0)
    prefix = tiny.draw(rng, 11)
    prompts = [tiny.draw(rng, 3, 9) for _ in range(12)]
    lines = [taught((rng.choice(["joy", "grief"]),), rng.choice([0.2, 0.7])) for _ in prompts]
    examples = [
        Example(str(i), tuple(own), tuple(candidate.prompter.encode_reply(line)))
        for i, (own, line) in enumerate(zip(prompts, lines, strict=True))
    ]
    recipe = Recipe(method="full", epochs=30, batch_size=4, learning_rate=2e-2).without(*PARTS)
    run_training(candidate.model, recipe, folder / "checkpoint", examples, prefix=prefix, seed=0)
    replies = [decode_reference(candidate.model, prefix, own, eos=tiny.END, max_new_tokens=100) for own in prompts]
    return Writer(candidate.model, prefix, prompts, replies)


@pytest.fixture
def shaky(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packed logits up to 4e-4 off, otherwise for each pack, as on a machine that sums in another order; canonical ones exact."""

    def noisy(model: Any, pack: Pack, rows: Sequence[int]) -> torch.Tensor:
        logits = packed_logits(model, pack, rows)
        noise = torch.rand(logits.shape, generator=torch.Generator().manual_seed(len(pack.tokens)))
        return logits + (noise * 8e-4 - 4e-4).to(logits.device)

    monkeypatch.setattr(fast, "packed_logits", noisy)
