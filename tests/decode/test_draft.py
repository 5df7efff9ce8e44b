"""Drafts: the rest of a likely reply, repetition, and that nothing a model writes upsets them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import tiny
from tests.decode.conftest import Case, Writer

from emoloom.contract.record import make_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.decode.draft import ReplyDrafter, repeat
from emoloom.decode.fast import Counts, Proposal, Seen, decode_fast, self_test
from emoloom.decode.memory import Memory
from emoloom.model.prompts import Prompter

PROMPTER = tiny.make_prompter()
LABELS = ("joy", "anger", "gratitude", "grief", "love")
WORDS = ("such", "day")
TEXT = "such a day"
PROMPT = PROMPTER.encode(tiny.ask(TEXT)).own


def suggest(labels: tuple[str, ...]) -> str:
    """A reply that depends on all labels."""
    size = sum(map(len, labels)) / 100
    return make_reply(labels, (size, 0.5, 1 - size), f"{labels[0]}: such a day", GOEMOTIONS).line()


def drafter(memory: Memory | None = None, prompter: Prompter = PROMPTER) -> ReplyDrafter:
    return ReplyDrafter(prompter, LABELS, suggest, memory or Memory(), PROMPT, WORDS)


def tokens_after(generated: list[int], memory: Memory | None = None, prompter: Prompter = PROMPTER) -> list[int]:
    """What is drafted after these tokens by a drafter that has seen nothing yet."""
    return list(drafter(memory, prompter)(generated, Seen()).tokens)


def drafted(written: str, memory: Memory | None = None) -> str:
    """The text that is drafted after ``written``."""
    return PROMPTER.decode(tokens_after(PROMPTER.encode_reply(written)[:-1], memory))


def reply(labels: tuple[str, ...], v: float) -> str:
    return make_reply(labels, (v, 0.5, 0.5), "because", GOEMOTIONS).line()


def agreement(a: Sequence[Any], b: Sequence[Any]) -> int:
    return max(n for n in range(min(len(a), len(b)) + 1) if a[:n] == b[:n])


def remembering(*replies: str) -> Memory:
    memory = Memory()
    for line in replies:
        drafter(memory).finish(PROMPTER.encode_reply(line)[:-1])
    return memory


@pytest.mark.parametrize("labels", [("joy",), ("grief",), ("anger", "gratitude", "love")])
def test_rest_of_a_likely_reply_is_drafted(labels: tuple[str, ...]) -> None:
    tokens = PROMPTER.encode_reply(suggest(labels))
    decided = suggest(labels).index("]") + 1
    for length in range(decided, len(tokens)):
        assert tokens_after(tokens[:length]) == tokens[length:]


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        ('{"la', ("joy",)),
        ('{"labels":["', ("joy",)),
        ('{"labels":["g', ("gratitude",)),
        ('{"labels":["gri', ("grief",)),
        ('{"labels":["grief"', ("grief",)),
        ('{"labels":["anger","', ("anger", "joy")),
        ('{"labels":["anger","joy","l', ("anger", "joy", "love")),
    ],
)
def test_begun_labels_are_completed_with_the_likeliest(written: str, labels: tuple[str, ...]) -> None:
    assert written + drafted(written) == suggest(labels)


def test_before_any_label_what_all_replies_begin_with_is_drafted() -> None:
    assert drafted("") == '{"labels":["'
    assert drafted("", remembering(suggest(("grief",)), suggest(("joy",)))) == '{"labels":["'


def test_labels_of_most_replies_are_drafted_at_once() -> None:
    memory = remembering(*[suggest(("grief",))] * 2, suggest(("joy",)))
    assert drafted("", memory).startswith('{"labels":["grief"],"vad":')
    opening, stem = (PROMPTER.encode_reply(text)[:-1] for text in ('{"labels":["', "g"))
    assert (len(opening), stem) in drafter(memory)([], Seen()).branches


def missed(proposed: str, wanted: str) -> Seen:
    """What is told of two texts of equal length, one that was proposed and one that was wanted."""
    tokens, better = (PROMPTER.encode_reply(text)[:-1] for text in (proposed, wanted))
    kept = next(i for i, (one, other) in enumerate(zip(tokens, better, strict=True)) if one != other)
    return Seen(Proposal(tokens), [*better, PROMPTER.eos], kept)


@pytest.mark.parametrize(
    ("proposed", "wanted", "goes_on"),
    [
        # Numbers are taken over; the drafter goes on behind the first word that was wanted otherwise.
        ('50,"a":0.50,"d":0.50}', '58,"a":0.51,"d":0.52}', ',"a":0.51,"d":0.52}'),
        # What was wanted behind another first decimal says nothing: the nearest second one is taken.
        ('50,"a":0.50,"d":0.50}', '58,"a":0.67,"d":0.52}', ',"a":0.60,"d":0.52}'),
        ('50,"a":0.50,"d":0.50}', '58,"a":0.41,"d":0.52}', ',"a":0.49,"d":0.52}'),
        ('50,"a":0.50,"d":0.50}', '61,"a":0.50,"d":0.52}', '0,"a":0.50,"d":0.52}'),
        ('50,"a":0.50,"d":0.50},"rationale":"jog', '51,"a":0.50,"d":0.50},"rationale":"jxx', None),
    ],
)
def test_numbers_that_the_model_would_have_had_are_taken_over(proposed: str, wanted: str, goes_on: str | None) -> None:
    seen = missed(proposed, wanted)
    generated = PROMPTER.encode_reply('{"labels":["joy"],"vad":{"v":0.' + wanted[: seen.kept + 1])[:-1]
    draft = PROMPTER.decode(list(drafter()(generated, seen).tokens))
    if goes_on is None:
        assert draft.startswith(',"a":0.50,"d":0.50},"rationale":"jx')
        assert not draft.startswith(',"a":0.50,"d":0.50},"rationale":"jxx')
    else:
        assert draft == goes_on + suggest(("joy",))[suggest(("joy",)).index(',"rationale"') :]


def test_numbers_that_finished_replies_had_together_are_preferred() -> None:
    line = make_reply(("joy",), (0.58, 0.44, 0.47), "because", GOEMOTIONS).line()
    seen = missed('50,"a":0.50,"d":0.50}', '58,"a":0.51,"d":0.52}')
    generated = PROMPTER.encode_reply('{"labels":["joy"],"vad":{"v":0.58')[:-1]
    draft = PROMPTER.decode(list(drafter(remembering(line))(generated, seen).tokens))
    assert draft.startswith(',"a":0.44,"d":0.47}')


def write_out(write: ReplyDrafter, after: Callable[[list[int]], int], eos: int) -> tuple[list[int], int]:
    """What a model writes that has one token ``after`` others, up to ``eos`` or 200 tokens, and in how many forwards."""
    generated: list[int] = []
    seen, count = Seen(), 0
    while generated[-1:] != [eos] and len(generated) < 200:
        count += 1
        proposal = write(generated, seen)
        drafts = [token for token in proposal.tokens if token != eos]
        wanted = [after([*generated, *drafts[:step]]) for step in range(len(drafts) + 1)]
        beside = [
            [after([*generated, *drafts[:root], *way[: n + 1]]) for n in range(len(way))]
            for root, way in proposal.branches
        ]
        kept = agreement(drafts, wanted)
        seen = Seen(Proposal(drafts, proposal.branches), wanted, kept, beside)
        generated = [*generated, *drafts[:kept], wanted[kept]]
    return generated, count


def rounds(written: str, words: tuple[str, ...] = WORDS, labels: tuple[str, ...] = LABELS) -> int:
    """In how many forwards a reply is drafted if the model writes it whatever numbers stand in it."""
    prompter = tiny.make_prompter(merges=tiny.merges_for(["Ġday", "Ġpatience", "Ġsuch"]))
    reply, at = prompter.encode_reply(written), written.index('"rationale"')

    def after(tokens: list[int]) -> int:
        text = prompter.decode(tokens)
        fits = text[at:] == written[at : len(text)]
        return reply[len(tokens)] if fits and len(tokens) < len(reply) else 0

    tokens, count = write_out(ReplyDrafter(prompter, labels, suggest, Memory(), PROMPT, words), after, prompter.eos)
    assert tokens == reply
    return count


def test_words_that_are_tried_beside_the_draft_save_forwards() -> None:
    line = make_reply(("joy",), (0.5, 0.5, 0.97), "joy: patience, day", GOEMOTIONS).line()
    # The labels, the number, and the cues, which are known when the number is.
    assert rounds(line, ("day", "patience")) == 3
    # Without branches the second cue is wrong once more.
    assert rounds(line, ()) > 3


def test_labels_that_begin_alike_are_told_apart_before_one_is_drafted() -> None:
    labels = ("sadness", "surprise", "joy")
    for label in labels:
        assert rounds(suggest((label,)), labels=labels) == 2
    # One token more is asked for, not two.
    assert rounds(suggest(("grief",)), labels=("gratitude", "grief", "joy")) == 3


def test_the_gloss_is_seen_behind_a_wrong_number() -> None:
    line = make_reply(("joy",), (0.5, 0.5, 0.97), "becoming aware: such a day", GOEMOTIONS).line()
    # The labels, then the number and the beginning of the gloss.
    assert rounds(line) == 3
    # A gloss that ends where another was drafted to go on.
    shorter = make_reply(("joy",), (0.5, 0.5, 0.97), "jo: such a day", GOEMOTIONS).line()
    assert rounds(shorter) == 3


def test_what_is_begun_has_the_tokens_of_what_it_becomes() -> None:
    merging = tiny.make_prompter(merges=[("s", "u"), ("s", "e")])
    write = ReplyDrafter(merging, ("surprise", "sadness"), suggest, Memory(), PROMPT, WORDS)
    begun = merging.encode_reply('{"labels":["s')[:-1]
    assert merging.decode(list(write(begun, Seen()).tokens)).startswith('adness"]')
    memory = Memory()
    for gloss in ("sense", "sense", "sorrow"):
        line = make_reply(("joy",), (0.5, 0.5, 0.5), f"{gloss}: day", GOEMOTIONS).line()
        memory.add(line, merging.encode_reply(line))
    written = '{"labels":["joy"],"vad":{"v":0.50,"a":0.50,"d":0.50},"rationale":"s'
    tokens = tokens_after(merging.encode_reply(written)[:-1], memory, merging)
    assert merging.decode(tokens).startswith("orrow: ")


def test_what_came_behind_another_word_is_dropped() -> None:
    written = '{"labels":["g'
    seen = missed('joy"],"vad":{"v":0.50', 'gri"],"vad":{"v":0.77')
    generated = PROMPTER.encode_reply(written)[:-1]
    assert list(drafter()(generated, seen).tokens) == tokens_after(generated)


@pytest.mark.parametrize(
    "written",
    [
        "Sure! ",
        '{"labels": ["joy"',
        '{"labels":["joy",]',
        '{"labels":["joy""love"]',
        suggest(("joy",)) + "}",
    ],
)
def test_unlikely_replies_are_continued_by_repetition(written: str) -> None:
    generated = PROMPTER.encode_reply(written)[:-1]
    assert tokens_after(generated) == repeat([*PROMPTER.prefix, *PROMPT, *generated])


@pytest.mark.parametrize(
    ("written", "closing", "like"),
    [
        ('{"labels":["wrath"]', "", "joy"),
        ('{"labels":["wrath', '"]', "joy"),
        ('{"labels":["wrath","love"', "]", "love"),
        ('{"labels":["joy","joy', '"]', "joy"),
        ('{"labels":[]', "", "joy"),
    ],
)
def test_made_up_labels_are_followed_as_others_are(written: str, closing: str, like: str) -> None:
    assert drafted(written) == closing + suggest((like,)).partition("]")[2]


def test_repetition_looks_into_finished_replies() -> None:
    memory = remembering("it is what it is, said the fox")
    assert drafted("Well, it is what it is, s", memory) == "aid the "


def test_text_spelled_with_other_tokens_is_continued() -> None:
    merging = tiny.make_prompter(merges=[("j", "o"), ("jo", "y")])
    line = suggest(("joy",))
    whole, bytewise = merging.encode_reply(line), PROMPTER.encode_reply(line)
    assert len(whole) < len(bytewise)
    behind_joy = line.index("joy") + 3
    written = bytewise[:behind_joy]
    assert tokens_after(written, prompter=merging) == merging.encode_reply(line[behind_joy:])
    assert tokens_after(whole[:5], prompter=merging) == whole[5:]


def test_numbers_come_from_finished_replies() -> None:
    memory = remembering(reply(("joy",), 0.91), reply(("joy",), 0.91), reply(("joy",), 0.93), reply(("grief",), 0.11))
    begun = '{"labels":["joy'
    assert '"v":0.91' in drafted(begun, memory)
    assert drafted(begun, memory).endswith(',"rationale":"because: such a day"}')
    opening = '{"labels":["joy"],"vad":{"v":0.'
    assert drafted(opening, memory).startswith('91,"a"')
    assert drafted(opening + "93", memory).startswith(',"a":0.50')
    assert drafted(opening + "77", memory).startswith(',"a":0.50')
    assert drafted('{"labels":["love"],"vad":{"v":0.', memory).startswith(suggest(("love",))[32:34])


def test_nothing_written_yet_is_the_beginning_of_every_gloss() -> None:
    merging = tiny.make_prompter(merges=[('"', "j")])
    written = '{"labels":["joy"],"vad":{"v":0.03,"a":0.50,"d":0.97},'
    assert tokens_after(merging.encode_reply(written)[:-1], prompter=merging) == merging.encode_reply(
        suggest(("joy",))[len(written) :]
    )


BYTES = PROMPTER.encode_reply('":,.0 }s')[:-1]


@given(
    st.sampled_from([("joy",), LABELS]),
    st.sampled_from([(), (("s", "u"), ('"', "j"), ("t", "h"))]),
    st.sampled_from(["joy", "grief", "wrath"]),
    st.dictionaries(st.integers(0, 90), st.sampled_from([*BYTES, PROMPTER.eos]) | st.integers(4, 255), max_size=6),
)
def test_no_round_upsets_a_drafter(
    labels: tuple[str, ...], merges: Sequence[tuple[str, str]], label: str, changes: dict[int, int]
) -> None:
    prompter, memory = tiny.make_prompter(merges=merges), Memory()
    likely = prompter.encode_reply(suggest(("joy",)).replace("joy", label))

    def after(tokens: list[int]) -> int:
        return changes.get(len(tokens), likely[min(len(tokens), len(likely) - 1)])

    for _ in range(2):
        write = ReplyDrafter(prompter, labels, suggest, memory, PROMPT, WORDS)
        written, _ = write_out(write, after, prompter.eos)
        assert written[: len(likely)] == [changes.get(at, token) for at, token in enumerate(likely)][: len(written)]
        write.finish(written)


def test_gloss_and_number_of_cues_come_from_finished_replies() -> None:
    lines = [
        make_reply(("joy",), (0.5, 0.5, 0.5), text, GOEMOTIONS).line() for text in ("glee: a, b, c", "glee: d, e, f")
    ]
    memory = remembering(*lines)
    assert memory.cues == 3
    assert memory.glosses('["joy"]') == []
    assert memory.glosses('{"labels":["joy"]') == ["glee"] == memory.glosses()
    assert drafted('{"labels":["joy"]', memory).endswith('"rationale":"glee: such a day, such a day, such a day"}')
    assert drafted('{"labels":["love"]', memory).endswith('"rationale":"love: such a day, such a day, such a day"}')


def continuation(tokens: list[int]) -> list[int]:
    """By definition: the longest run of at most 8 final tokens that occurred before, its last occurrence, 8 tokens from there."""
    places = [
        (length, start)
        for length in range(1, min(8, len(tokens) - 1) + 1)
        for start in range(len(tokens) - length)
        if tokens[start : start + length] == tokens[len(tokens) - length :]
    ]
    length, start = max(places, default=(0, len(tokens)))
    return tokens[start + length :][:8]


@given(st.lists(st.integers(0, 3), max_size=40))
def test_repetition_follows_its_definition(tokens: list[int]) -> None:
    assert repeat(tokens) == continuation(tokens)


label_pieces = st.sampled_from(['"joy"', '"love"', '"wrath"', '"', "g", ","])
number_pieces = st.sampled_from(
    [',"vad":{"v":0.', "50", ',"a":0.50', '},"rationale":"', '"}', "\ud800", "<|end|>", "\\"]
)


@st.composite
def replies(draw: st.DrawFn) -> str:
    """Something like a reply: the pieces of one, roughly in their order."""
    labels, numbers = (draw(st.lists(pieces, max_size=4).map("".join)) for pieces in (label_pieces, number_pieces))
    return draw(st.sampled_from(['{"labels":[', "{"])) + labels + draw(st.sampled_from(["]", ""])) + numbers


@settings(max_examples=300)
@given(replies(), replies())
def test_no_reply_upsets_a_drafter(written: str, earlier: str) -> None:
    memory = remembering(earlier, suggest(("joy",)))
    assert isinstance(tokens_after(PROMPTER.encode_reply(written)[:-1], memory), list)


@given(st.lists(st.integers(0, tiny.VOCABULARY - 1), max_size=60), st.booleans())
def test_no_tokens_upset_a_drafter(tokens: list[int], begun: bool) -> None:
    generated = [*PROMPTER.encode_reply('{"labels":["joy"')[:-1], *tokens] if begun else tokens
    assert isinstance(tokens_after(generated), list)


def test_random_models_write_what_the_reference_writes(case: Case) -> None:
    chosen = list(range(len(case.prompts)))
    drafts = [ReplyDrafter(PROMPTER, LABELS, suggest, Memory(), case.prompts[i], WORDS) for i in chosen]
    assert case.fast(chosen, list(drafts)) == case.expected(chosen)


def test_trained_model_writes_what_the_reference_writes_in_fewer_forwards(writer: Writer) -> None:
    memory, counts = Memory(), Counts()
    jobs = [(own, ReplyDrafter(PROMPTER, LABELS, writer.suggest, memory, own, WORDS)) for own in writer.prompts]
    exact = self_test(writer.model, writer.prefix, writer.prompts[:3])
    replies = {}
    for start in range(0, len(jobs), 4):
        settings: dict[str, Any] = {"eos": tiny.END, "max_new_tokens": 100, "guard": not exact, "counts": counts}
        for at, tokens in decode_fast(writer.model, writer.prefix, jobs[start : start + 4], **settings):
            jobs[start + at][1].finish(tokens)
            replies[start + at] = tokens
    assert replies == dict(enumerate(writer.replies))
    assert sum(PROMPTER.decode(tokens).startswith('{"labels":["') for tokens in writer.replies) > len(jobs) / 2
    assert 3 * counts.forwards < max(map(len, writer.replies))
