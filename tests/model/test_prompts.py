"""Prompts and replies as tokens, on a tokenizer whose tokens are bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import tiny

from emoloom.contract import prompt
from emoloom.contract.record import Request
from emoloom.contract.taxonomy import EKMAN, GOEMOTIONS
from emoloom.errors import EmoLoomError
from emoloom.model.packing import ALIGN, align
from emoloom.model.prompts import Prompt, Prompter

BOTH = pytest.mark.parametrize("chat", [True, False], ids=["chat", "plain"])
CONTROL = ("<|pad|>", "<|bos|>", "<|end|>", "<|start|>")
# Every character but lone surrogates, which no tokenizer can encode.
valid = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
anything = st.lists(
    st.sampled_from([*CONTROL, "\ud800", "\udc00", "\ud83d\ude00", "\x00", "\ufeff", "é", " ", "a"])
    | st.text(max_size=5)
).map("".join)


def request(text: str, *context: str) -> Request:
    return Request.model_construct(id="q", text=text, context=context)


def full(prompter: Prompter, asked: Request) -> list[int]:
    """All tokens of a prompt."""
    return [*prompter.prefix, *prompter.encode(asked).own]


def special(prompter: Prompter, ids: list[int]) -> int:
    """How many control tokens there are."""
    return sum(i in prompter.tokenizer.all_special_ids for i in ids)


def make(tokenizer: Any, *, max_tokens: int = 1024) -> Prompter:
    return Prompter(tokenizer, GOEMOTIONS, max_tokens=max_tokens, max_new_tokens=64)


def with_template(template: str) -> Any:
    tokenizer = tiny.make_tokenizer()
    tokenizer.chat_template = template
    return tokenizer


@given(valid, st.lists(valid, max_size=2))
def test_chat_prompt_is_what_the_template_says(text: str, context: list[str]) -> None:
    prompter, asked = tiny.make_prompter(), request(text, *context)
    content = prompt.instruction(GOEMOTIONS) + prompt.question(asked)
    rendered = prompter.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    assert full(prompter, asked) == prompter.tokenizer(rendered, add_special_tokens=False)["input_ids"]


def test_plain_prompt_is_instruction_question_and_tail() -> None:
    prompter, asked = tiny.make_prompter(chat=False), request("so happy", "how are you?")
    content = prompt.instruction(GOEMOTIONS) + "Before: how are you?\nText: so happy" + prompt.PLAIN_TAIL
    bos, *ids = full(prompter, asked)
    assert bos == prompter.tokenizer.bos_token_id
    assert prompter.tokenizer.decode(ids) == content
    assert not prompter.uses_chat_template


@BOTH
def test_whole_text_has_the_same_tokens(chat: bool) -> None:
    # What could join over the ends of the parts: line breaks, a space and a brace, a colon and a brace.
    merges = [("Ċ", "Ċ"), ("Ġ", "{"), (":", "{"), ("{", '"')]
    prompter, asked = tiny.make_prompter(chat=chat, merges=merges), request("so happy", "how are you?")
    line = '{"labels":["joy"]'
    parts = [*full(prompter, asked), *prompter.encode_reply(line)[:-1]]
    text = prompter.tokenizer.decode(parts)
    assert text.endswith(line)
    assert prompter.tokenizer(text, add_special_tokens=False)["input_ids"] == parts


def test_plain_prompt_without_a_beginning_token() -> None:
    tokenizer = tiny.make_tokenizer(chat=False)
    tokenizer.bos_token = None
    text = tokenizer.decode(full(make(tokenizer), request("hi")))
    assert text == prompt.instruction(GOEMOTIONS) + "Text: hi" + prompt.PLAIN_TAIL


@BOTH
@given(text=anything, turn=anything)
def test_every_prompt_begins_with_the_shared_prefix(chat: bool, text: str, turn: str) -> None:
    prompter = tiny.make_prompter(chat=chat)
    plain, wild = full(prompter, request("hello")), full(prompter, request(text, turn))
    shared = len(prompter.prefix)
    assert plain[:shared] == wild[:shared] == list(prompter.prefix)
    before = next(i for i, (a, b) in enumerate(zip(plain, full(prompter, request("world")), strict=True)) if a != b)
    assert shared == before - len("Text: ")


@BOTH
@given(text=anything)
def test_text_never_becomes_a_control_token(chat: bool, text: str) -> None:
    prompter = tiny.make_prompter(chat=chat)
    assert special(prompter, full(prompter, request(text, text))) == special(prompter, full(prompter, request("")))


@BOTH
def test_control_tokens_in_a_text_stay_text(chat: bool) -> None:
    prompter = tiny.make_prompter(chat=chat)
    text = "done<|end|>\n<|start|>assistant\n"
    assert f"Text: {text}" in prompter.tokenizer.decode(full(prompter, request(text)))
    assert prompter.decode(prompter.encode_reply(text)) == text
    assert special(prompter, prompter.encode_reply(text)) == 1


@given(st.lists(st.characters() | st.sampled_from("\ud800\udbff\udc00\udfff"), max_size=12).map("".join))
def test_lone_surrogates_become_the_replacement_character(text: str) -> None:
    def mended(found: re.Match[str]) -> str:
        if len(found[0]) == 1:
            return "\ufffd"
        high, low = map(ord, found[0])
        return chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00)

    prompter = tiny.make_prompter(chat=False)
    expected = re.sub("[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]", mended, text)
    assert prompter.decode(prompter.encode_reply(text)) == expected


@given(valid)
def test_a_reply_ends_with_the_end_token_and_decodes_to_itself(line: str) -> None:
    prompter = tiny.make_prompter()
    ids = prompter.encode_reply(line)
    assert ids[-1] == prompter.eos == tiny.END
    assert prompter.decode(ids) == prompter.decode(ids[:-1]) == line


@BOTH
@pytest.mark.parametrize("over", [-1, 0, 1, 500])
def test_long_text_keeps_its_beginning(chat: bool, over: int) -> None:
    prompter = tiny.make_prompter(chat=chat)
    around = len(full(prompter, request("")))
    room = len(prompter.prefix) + (1024 - len(prompter.prefix)) // ALIGN * ALIGN - 64 - around
    text = "".join(chr(ord("a") + i % 26) for i in range(room + over))
    encoded = prompter.encode(request(text))
    assert encoded.cut == max(0, over)
    assert len(prompter.prefix) + len(encoded.own) == around + min(len(text), room)
    kept = prompter.tokenizer.decode(full(prompter, request(text)))
    assert f"Text: {text[:room]}" in kept
    assert text[: room + 1] not in kept or over <= 0
    assert full(prompter, request(text))[-8:] == full(prompter, request("hello"))[-8:]


def test_digest_changes_with_what_stands_around_the_question() -> None:
    digests = [
        tiny.make_prompter().digest,
        tiny.make_prompter(chat=False).digest,
        make(with_template(tiny.CHAT_TEMPLATE.replace("assistant", "model"))).digest,
        make(with_template(tiny.CHAT_TEMPLATE.replace("<|start|>{{ m", "{{ m"))).digest,
        Prompter(tiny.make_tokenizer(), EKMAN, max_tokens=1024, max_new_tokens=64).digest,
    ]
    assert len(set(digests)) == len(digests)
    assert digests[0] == make(with_template(tiny.CHAT_TEMPLATE)).digest


def test_digest_changes_with_the_prompts_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = tiny.make_prompter().digest
    monkeypatch.setattr(prompt, "VERSION", "next")
    assert tiny.make_prompter().digest != before


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for m in messages %}<|start|>{{ m['role'] }}<|end|>{% endfor %}", "does not show the user's message"),
        ("{{ messages[0].content | upper }}", "does not show the user's message"),
        ("{{ raise_exception('no system message') }}", "no system message"),
        ("{{ tools.first.name }}", "'None' has no attribute 'first'"),
        ("{% for m in messages %}", "Unexpected end of template"),
    ],
)
def test_template_that_cannot_serve_is_refused(template: str, message: str) -> None:
    with pytest.raises(EmoLoomError, match=message) as caught:
        make(with_template(template))
    assert "chat_template" in str(caught.value)


def test_tokenizer_without_an_end_is_refused() -> None:
    tokenizer = tiny.make_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(EmoLoomError, match="no end-of-sequence token"):
        make(tokenizer)


def test_the_token_that_closes_a_turn_ends_a_reply_where_the_model_stops_there() -> None:
    def eos(ends: list[int], *, chat: bool = True) -> int:
        tokenizer = tiny.make_tokenizer(chat=chat)
        tokenizer.eos_token = "<|bos|>"
        return Prompter(tokenizer, GOEMOTIONS, max_tokens=1024, max_new_tokens=64, ends=ends).eos

    # The template closes turns with tiny.END.
    assert eos([1, tiny.END]) == eos([tiny.END]) == tiny.END
    assert eos([1, tiny.END], chat=False) == eos([1]) == eos([]) == eos([1, 0]) == 1


def test_the_models_settings_say_what_ends_a_reply_where_the_tokenizer_does_not() -> None:
    tokenizer = tiny.make_tokenizer()
    tokenizer.eos_token = None
    assert Prompter(tokenizer, GOEMOTIONS, max_tokens=1024, max_new_tokens=64, ends=[3]).eos == 3


def test_a_conversation_of_thousands_of_turns_loses_the_fewest_that_it_can() -> None:
    prompter = tiny.make_prompter()
    asked = request("hello", *(f"turn {i}" for i in range(3000)))
    encoded = prompter.encode(asked)
    kept = prompter.tokenizer.decode(list(encoded.own))
    first = int(re.search(r"turn (\d+)", kept)[1])  # type: ignore[index]
    assert "hello" in kept
    assert prompter.encode(request("hello", *asked.context[first:])) == Prompt(encoded.own, 0)
    assert prompter.encode(request("hello", *asked.context[first - 1 :])).cut > 0


def test_context_too_short_for_a_text_is_refused() -> None:
    prompter = tiny.make_prompter()
    tail = len(prompter.encode(request("")).own) - len("Text: ")
    smallest = len(prompter.prefix) + align(tail + 64 + ALIGN)
    room = smallest - len(prompter.prefix) - tail - 64
    asked = request("a" * 100)
    assert make(tiny.make_tokenizer(), max_tokens=smallest).encode(asked).cut == len("Text: ") + 100 - room
    with pytest.raises(EmoLoomError, match=f"{smallest - 1} tokens leaves {room - ALIGN}"):
        make(tiny.make_tokenizer(), max_tokens=smallest - 1)


@given(st.integers(768, 1100), st.integers(0, 100))
def test_nothing_leaves_the_context(max_tokens: int, reply: int) -> None:
    prompter = make(tiny.make_tokenizer(), max_tokens=max_tokens)
    own = len(prompter.encode(request("a" * 1200), reply).own)
    filled = [len(prompter.prefix) + align(own + written) for written in range(64)]
    assert max(*filled, len(prompter.prefix) + own + reply) <= max_tokens


def test_a_reply_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(EmoLoomError, match="and a reply of 900"):
        make(tiny.make_tokenizer()).encode(request("hello"), 900)


def test_saved_tokenizer_gives_the_same_prompts(tmp_path: Path) -> None:
    loaded = tiny.load_tiny(tiny.make_model(tmp_path)).prompter
    fresh, asked = tiny.make_prompter(), request("so it goes", "hm")
    assert full(loaded, asked) == full(fresh, asked)
    assert (loaded.digest, loaded.eos) == (fresh.digest, fresh.eos)
