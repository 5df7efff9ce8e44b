"""The grammar: every reply keeps the contract in time, every kept reply can be written; fast decoding writes the reference's."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import tiny
from tests.decode.conftest import Tokens, draft_of
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from emoloom.contract.parse import Parsed, parse_reply
from emoloom.contract.record import make_reply
from emoloom.contract.taxonomy import DAILYDIALOG, EKMAN, EMPATHETIC, GOEMOTIONS, Taxonomy
from emoloom.decode import fast
from emoloom.decode.constrain import MAX_LABELS, Grammar
from emoloom.decode.draft import repeat
from emoloom.decode.fast import Counts, Draft, decode_fast, self_test
from emoloom.decode.reference import decode_reference
from emoloom.errors import EmoLoomError
from emoloom.model.prompts import Prompter

PIECES = [
    '{"',
    "labels",
    '":',
    '["',
    '","',
    '"]',
    ',"',
    "vad",
    '{"',
    "},",
    "rationale",
    '":"',
    '"}',
    "joy",
    "sad",
    "ness",
]
NUMBERS = ["0.", "1.", "1.00", *(f"{n:02d}" for n in range(0, 100, 3))]


def prompter(tokenizer: PreTrainedTokenizerFast) -> Prompter:
    return Prompter(tokenizer, GOEMOTIONS, max_tokens=4096, max_new_tokens=100)


TOKENIZERS: dict[str, Callable[[], Prompter]] = {
    "bytes": lambda: prompter(tiny.make_tokenizer()),
    "pieces": lambda: prompter(tiny.make_tokenizer(merges=tiny.merges_for(PIECES))),
    "numbers": lambda: prompter(tiny.make_tokenizer(merges=tiny.merges_for([*PIECES, *NUMBERS]))),
    "across": lambda: prompter(tiny.make_tokenizer(merges=tiny.merges_for(['"}', ':{"', '":["j', '"],"v', '.5', '0}', ':"I']))),
    "sentencepiece": lambda: prompter(tiny.make_sentencepiece([*PIECES, *NUMBERS, "▁{", "▁so"])),
    "sentencepiece characters": lambda: prompter(tiny.make_sentencepiece([])),
}  # fmt: skip


@pytest.fixture(scope="module", params=TOKENIZERS)
def spelling(request: pytest.FixtureRequest) -> Prompter:
    return TOKENIZERS[request.param]()


def least(prompter: Prompter) -> int:
    """Tokens of the shortest reply there is."""
    return Grammar(prompter, GOEMOTIONS, max_new_tokens=1000).tokens_to_end("")


def written(grammar: Grammar, choose: Callable[[list[int]], int]) -> list[int]:
    """The tokens of a reply, each chosen among those that are allowed."""
    cursor, generated = grammar.start(), list[int]()
    while len(generated) < grammar.max_new_tokens:
        allowed = cursor.allowed().nonzero().flatten().tolist()
        assert (grammar.eos in allowed) == (allowed == [grammar.eos])
        token = choose(allowed)
        if token == grammar.eos:
            break
        generated.append(token)
        cursor.advance(token)
    return generated


def assert_kept(reply: str) -> None:
    """The reply keeps the contract to the letter."""
    outcome = parse_reply(reply, GOEMOTIONS)
    assert isinstance(outcome, Parsed), (reply, outcome)
    assert outcome.repairs == ()
    assert outcome.reply.line() == reply
    assert len(outcome.reply.labels) <= MAX_LABELS


@pytest.mark.parametrize("spare", [0, 1, 2, 7, 40])
def test_any_choice_ends_in_a_kept_reply_in_time(spelling: Prompter, spare: int) -> None:
    grammar = Grammar(spelling, GOEMOTIONS, max_new_tokens=least(spelling) + spare)
    rng = random.Random(spare)
    for _ in range(12):
        assert_kept(spelling.decode(written(grammar, rng.choice)))


@pytest.mark.parametrize("prefers", [min, max, "longest", "shortest", "space"])
def test_stubborn_preferences_end_in_a_kept_reply(spelling: Prompter, prefers: Any) -> None:
    grammar = Grammar(spelling, GOEMOTIONS, max_new_tokens=least(spelling) + 9)
    keys: dict[str, Callable[[int], Any]] = {
        "longest": lambda token: len(grammar.text([token])),
        "shortest": lambda token: -len(grammar.text([token])),
        "space": lambda token: grammar.text([token]).endswith(" "),
    }
    choose = prefers if callable(prefers) else lambda allowed: max(allowed, key=keys[prefers])
    assert_kept(spelling.decode(written(grammar, lambda ids: ids[0] if ids == [grammar.eos] else choose(ids))))


def test_numbers_stay_the_models_choice_when_room_is_short() -> None:
    spelling = TOKENIZERS["bytes"]()
    grammar = Grammar(spelling, GOEMOTIONS, max_new_tokens=least(spelling))
    rng = random.Random(0)
    numbers = {n for _ in range(20) for n in re.findall(r"0\.\d\d", spelling.decode(written(grammar, rng.choice)))}
    assert len(numbers) > 20


words = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"\\'), min_size=1, max_size=6)
kept_replies = st.builds(
    lambda labels, vad, rationale: make_reply(labels, vad, " ".join(rationale), GOEMOTIONS).line(),
    st.sets(st.sampled_from(GOEMOTIONS.labels), min_size=1, max_size=MAX_LABELS),
    st.tuples(*[st.floats(0, 1)] * 3),
    st.lists(words, min_size=1, max_size=12),
)
TOKENIZERS_MADE = {name: make() for name, make in TOKENIZERS.items()}
GRAMMARS = {name: Grammar(made, GOEMOTIONS, max_new_tokens=300) for name, made in TOKENIZERS_MADE.items()}
GOOD = make_reply(("joy", "love"), (0.5, 1.0, 0.25), "so it is", GOEMOTIONS).line()


def accepts(grammar: Grammar, spelling: Prompter, line: str) -> bool:
    """Whether the grammar allows the line, in its tokenizer's own spelling."""
    ids = spelling.encode_reply(line)
    return bool(grammar.start()._matcher.validate_tokens(ids) == len(ids))


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=30)
@given(line=kept_replies)
def test_every_kept_reply_can_be_written(name: str, line: str) -> None:
    assert accepts(GRAMMARS[name], TOKENIZERS_MADE[name], line)


@pytest.mark.parametrize(
    ("part", "broken"),
    [
        ('"joy"', '"wrath"'),
        ('"joy","love"', ""),
        ('"joy","love"', '"love","joy"'),
        ('"joy","love"', '"joy","joy"'),
        ('"joy","love"', '"joy",'),
        ('"joy","love"', '"fear","joy","love","pride"'),
        ('"joy","love"', '"joy", "love"'),
        ("0.50", "0.5"),
        ("0.50", "0.500"),
        ("0.50", "1.01"),
        ("0.50", "-0.50"),
        ("0.50", ".50"),
        ("so it is", ""),
        ("so it is", " so"),
        ("so it is", "so "),
        ("so it is", "so  it"),
        ("so it is", "a b c d e f g h i j k l m"),
        ("so it is", "caf\u00e9"),
        ("so it is", "\\n"),
        ('"v"', '"a"'),
        ('"vad":', '"vad": '),
        ("}", "} "),
    ],
)  # fmt: skip
def test_no_other_line_can_be_written(part: str, broken: str) -> None:
    for name, grammar in GRAMMARS.items():
        assert accepts(grammar, TOKENIZERS_MADE[name], GOOD)
        assert not accepts(grammar, TOKENIZERS_MADE[name], GOOD.replace(part, broken))


@pytest.mark.parametrize("space", [EKMAN, EMPATHETIC, DAILYDIALOG])
def test_other_label_spaces(space: Taxonomy) -> None:
    spelling = TOKENIZERS_MADE["pieces"]
    grammar = Grammar(spelling, space, max_new_tokens=60)
    rng = random.Random(0)
    for _ in range(5):
        outcome = parse_reply(spelling.decode(written(grammar, rng.choice)), space)
        assert isinstance(outcome, Parsed)
        assert outcome.repairs == ()


@settings(max_examples=30)
@given(st.randoms(use_true_random=False), st.sampled_from(sorted(TOKENIZERS)))
def test_going_back_leaves_no_trace(rng: random.Random, name: str) -> None:
    grammar = GRAMMARS[name]
    cursor, kept = grammar.start(), list[int]()
    for _ in range(8):
        ahead = rng.randrange(12)
        taken: list[int] = []
        for _ in range(ahead):
            token = rng.choice(cursor.allowed().nonzero().flatten().tolist())
            if token == grammar.eos:
                break
            cursor.advance(token)
            taken.append(token)
        back = rng.randint(0, len(taken))
        cursor.back(back)
        kept += taken[: len(taken) - back]
    fresh = grammar.start()
    for token in kept:
        fresh.advance(token)
    assert torch.equal(cursor.allowed(), fresh.allowed())


def test_a_line_that_cannot_fit_is_refused() -> None:
    spelling = TOKENIZERS_MADE["bytes"]
    with pytest.raises(EmoLoomError, match="at least 69 tokens of this tokenizer, 68 are allowed"):
        Grammar(spelling, GOEMOTIONS, max_new_tokens=68)


def test_a_tokenizer_that_does_not_keep_the_text_is_refused() -> None:
    vocabulary = {token: i for i, token in enumerate(["[UNK]", "</s>", *map(chr, range(33, 127))])}
    backend = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    words = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", eos_token="</s>")
    with pytest.raises(EmoLoomError, match="cannot be used with a grammar"):
        Grammar(prompter(words), GOEMOTIONS, max_new_tokens=100)


def test_a_tokenizer_without_the_fast_backend_is_refused() -> None:
    spelling = TOKENIZERS["bytes"]()
    spelling.tokenizer = object()
    with pytest.raises(EmoLoomError, match="Only fast tokenizers"):
        Grammar(spelling, GOEMOTIONS, max_new_tokens=100)


class World:
    """A random model of an architecture, prompts, a grammar that just leaves room, and the reference's replies under it."""

    def __init__(self, folder: Path, architecture: str) -> None:
        self.candidate = tiny.load_tiny(tiny.make_model(folder, architecture, seed=1))
        self.prompter = self.candidate.prompter
        self.grammar = Grammar(self.prompter, GOEMOTIONS, max_new_tokens=80)
        rng = random.Random(architecture)
        self.prefix = tiny.draw(rng, 27)
        self.prompts = [tiny.draw(rng, 1, 40) for _ in range(8)]
        self.replies = [
            decode_reference(self.candidate.model, self.prefix, own, **self.limits) for own in self.prompts
        ]  # fmt: skip
        self.exact = self_test(self.candidate.model, self.prefix, self.prompts[:3])

    @property
    def limits(self) -> dict[str, Any]:
        return {"eos": tiny.END, "max_new_tokens": self.grammar.max_new_tokens, "constraint": self.grammar}

    def fast(self, chosen: list[int], drafts: list[Draft], counts: Counts, guard: bool) -> dict[int, list[int]]:
        jobs = [(self.prompts[i], draft) for i, draft in zip(chosen, drafts, strict=True)]
        arguments = {**self.limits, "guard": guard or not self.exact, "counts": counts}
        return {chosen[at]: ids for at, ids in decode_fast(self.candidate.model, self.prefix, jobs, **arguments)}


@pytest.fixture(scope="module", params=tiny.ARCHITECTURES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp(request.param), request.param)


def drafter(kind: str, reply: list[int], seed: int) -> Draft:
    rng = random.Random(seed)
    kinds: dict[str, Tokens] = {
        "nothing": lambda *_: [],
        "guesses": lambda *_: tiny.draw(rng, 0, 30),
        "right": lambda generated, _: [*reply, tiny.END, *reply][len(generated) :],
        "half": lambda generated, _: [t if rng.random() < 0.9 else rng.randrange(260) for t in reply[len(generated) :]],
        "other": lambda generated, _: PROMPTER.encode_reply(GOOD)[len(generated) :],
        "repeat": lambda generated, _: repeat([*reply, *generated]),
    }
    return draft_of(kinds[kind])


PROMPTER = tiny.make_prompter()
KINDS = ["nothing", "guesses", "right", "half", "other", "repeat"]


def test_untrained_models_keep_the_contract(world: World) -> None:
    for reply in world.replies:
        assert_kept(world.prompter.decode(reply))


@pytest.mark.parametrize("pack_tokens", [1, 200, 100_000])
@pytest.mark.parametrize("guard", [False, True])
def test_fast_writes_what_the_reference_writes(
    world: World, pack_tokens: int, guard: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "PACK_TOKENS", pack_tokens)
    rng = random.Random(pack_tokens)
    chosen = rng.sample(range(8), 6)
    drafts = [drafter(KINDS[(i + guard) % 6], world.replies[i], i) for i in chosen]
    assert world.fast(chosen, drafts, Counts(), guard) == {i: world.replies[i] for i in chosen}


@pytest.mark.parametrize("guard", [False, True])
def test_a_known_reply_takes_one_forward(world: World, guard: bool) -> None:
    counts = Counts()
    assert world.fast([0], [drafter("right", world.replies[0], 0)], counts, guard) == {0: world.replies[0]}
    assert counts.forwards == 1


def test_forced_tokens_take_no_forward(world: World) -> None:
    counts = Counts()
    world.fast([0], [drafter("nothing", [], 0)], counts, guard=False)
    cursor, choices = world.grammar.start(), 0
    for token in world.replies[0]:
        choices += int(cursor.allowed().count_nonzero()) > 1
        cursor.advance(token)
    # The first forward begins with forced tokens and asks only behind them.
    assert choices <= counts.forwards <= choices + 1 < len(world.replies[0]) / 2


@pytest.mark.usefixtures("shaky")
def test_the_guard_decides_between_allowed_tokens(world: World) -> None:
    twins = copy.deepcopy(world.candidate.model)
    output = twins.get_output_embeddings().weight
    with torch.no_grad():
        noise = torch.randn(output[0].shape, generator=torch.Generator().manual_seed(0)).to(output.device)
        # All characters are as good as each other up to 1e-5: every free choice is a near-tie, and no forced token is.
        output[tiny.FIRST_BYTE :] = output[tiny.FIRST_BYTE] + 1e-6 * torch.outer(
            torch.arange(256.0, device=output.device).cos(), noise
        )
    prompts = world.prompts[:3]
    expected = [decode_reference(twins, world.prefix, own, **world.limits) for own in prompts]
    counts = Counts()
    drafts = [(own, drafter("half", reply, i)) for i, (own, reply) in enumerate(zip(prompts, expected, strict=True))]
    decoded = decode_fast(twins, world.prefix, drafts, guard=True, counts=counts, **world.limits)
    assert dict(decoded) == dict(enumerate(expected))
    assert counts.guarded >= 20


def test_odd_texts_on_an_untrained_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "PACK_TOKENS", 20_000)
    candidate = tiny.load_tiny(tiny.make_model(tmp_path, merges=tiny.merges_for([*PIECES, *NUMBERS])))
    grammar = Grammar(candidate.prompter, GOEMOTIONS, max_new_tokens=48)
    rng = random.Random(0)
    texts = [
        "".join(chr(rng.choice([rng.randrange(32, 127), rng.randrange(1, 0xD7FF)])) for _ in range(4))
        for _ in range(50)
    ]
    jobs = [(candidate.prompter.encode(tiny.ask(text)).own, drafter("nothing", [], 0)) for text in texts]
    decoded = decode_fast(
        candidate.model, candidate.prompter.prefix[:16], jobs, eos=tiny.END, max_new_tokens=48, guard=False,
        counts=Counts(), constraint=grammar,
    )  # fmt: skip
    replies = dict(decoded)
    assert sorted(replies) == list(range(50))
    for reply in replies.values():
        assert_kept(candidate.prompter.decode(reply))
