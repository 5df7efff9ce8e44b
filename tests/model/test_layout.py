"""Places in a reply, for tokenizers that spell numbers in every way, against a search through all numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests import tiny
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from emoloom.contract.record import make_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.model.layout import FIRST_LABEL, Layout, lay_out
from emoloom.model.prompts import Prompter
from emoloom.model.vocabulary import NUMBERS, Vocabulary

DIGITS: tuple[tuple[str, str], ...] = ()
POINT = (("0", "."), ("1", "."))
TWO_DIGITS = tuple((a, b) for a in "0123456789" for b in "0123456789")
# "0.", then two digits, then the whole number as one token; and a merge that runs into what follows.
WHOLE = (*POINT, *TWO_DIGITS, *(("0.", a + b) for a in "0123456789" for b in "0123456789"))
GLUED = (('"', ":"), ('":', "0"), ("5", ","), ("5", "}"))
WORDS = (("j", "o"), ("jo", "y"), ("Ġ", "o"), ("Ġo", "h"), ("o", "h"))


def merging(merges: Sequence[tuple[str, str]]) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer whose merges cross from digits to points and quotes, which most tokenizers keep apart."""
    tokenizer = tiny.make_tokenizer(merges=merges)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return tokenizer


def pieces() -> PreTrainedTokenizerFast:
    """A tokenizer as SentencePiece makes them: a space before the text, spaces as ``▁``, bytes where it has no piece."""
    letters = 'abcdefghijklmnopqrstuvwxyz0123456789.,:"[]{} '
    tokens = [
        "<unk>",
        "<s>",
        "</s>",
        *(f"<0x{b:02X}>" for b in range(256)),
        *letters.replace(" ", "▁").replace("7", ""),
    ]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first")
    unspaced = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    backend.decoder = decoders.Sequence(unspaced)
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def spelled(
    tokenizer: Any, vad: tuple[float, float, float], labels: tuple[str, ...] = ("joy",)
) -> tuple[str, list[int], Layout]:
    prompter = Prompter(tokenizer, GOEMOTIONS, max_tokens=4096, max_new_tokens=64)
    line = make_reply(labels, vad, "delight: oh joy, joyous", GOEMOTIONS).line()
    ids = prompter.encode_reply(line)
    layout = lay_out(Vocabulary(tokenizer), line, ids)
    assert layout is not None
    return line, ids, layout


TOKENIZERS = {
    "digits": lambda: merging(DIGITS),
    "point": lambda: merging(POINT),
    "two": lambda: merging(TWO_DIGITS),
    "whole": lambda: merging(WHOLE),
    "glued": lambda: merging(GLUED),
    "pieces": pieces,
}
VADS = [(0.42, 1.0, 0.05), (0.0, 0.99, 0.5), (0.35, 0.77, 0.07), (1.0, 1.0, 1.0)]
EACH = pytest.mark.parametrize("tokenizer", [make() for make in TOKENIZERS.values()], ids=list(TOKENIZERS))


@EACH
@pytest.mark.parametrize("vad", VADS)
def test_values_are_the_means_of_the_numbers_left(tokenizer: Any, vad: tuple[float, float, float]) -> None:
    line, ids, layout = spelled(tokenizer, vad)
    texts = Vocabulary(tokenizer).texts
    for number in layout.numbers:
        assert len(number.ids) == len(set(number.ids)) > 1
        assert ids[number.step] in number.ids
        before = tokenizer.decode(ids[: number.step])
        for token, value in zip(number.ids, number.values, strict=True):
            after = (line[: len(before)] + texts[token]).rpartition('":')[2]
            left = [float(n) for n in NUMBERS if n.startswith(after[:4])]
            assert value == pytest.approx(sum(left) / len(left)), texts[token]


@EACH
@pytest.mark.parametrize("vad", VADS)
def test_the_steps_of_an_axis_lead_to_its_number(tokenizer: Any, vad: tuple[float, float, float]) -> None:
    _, ids, layout = spelled(tokenizer, vad)
    for axis in range(3):
        steps = [number for number in layout.numbers if number.axis == axis]
        reached = [s.values[s.ids.index(ids[s.step])] for s in steps]
        assert reached[-1] == pytest.approx(vad[axis])


def test_every_spelling_of_a_number_is_a_candidate() -> None:
    tokenizer = merging(WHOLE)
    line, _, layout = spelled(tokenizer, (0.42, 0.5, 0.5))
    texts = Vocabulary(tokenizer).texts
    first = layout.numbers[0]
    spellings = {number[:length] for number in NUMBERS for length in (1, 2, 4)} & set(texts.values())
    assert {texts[token] for token in first.ids} == spellings
    assert line[FIRST_LABEL:].startswith("joy")


@EACH
def test_the_first_label_is_found(tokenizer: Any) -> None:
    line, ids, layout = spelled(tokenizer, (0.5, 0.5, 0.5), ("joy", "relief"))
    assert len(tokenizer.decode(ids[: layout.label])) <= FIRST_LABEL < len(tokenizer.decode(ids[: layout.label + 1]))
    assert line[FIRST_LABEL:].startswith("joy")


def test_whole_words_are_found_with_and_without_a_space() -> None:
    tokenizer = tiny.make_tokenizer(merges=WORDS)
    _, ids, layout = spelled(tokenizer, (0.5, 0.5, 0.5))
    found = [(tokenizer.decode([ids[step]]), spaced) for step, spaced in layout.words]
    # "joy" of the rationale is "Ġ" and "joy" here, and "joyous" is no whole word.
    assert found == [(" oh", True), ("joy", False)]


def test_a_tokenizer_that_does_not_show_its_text_is_given_up() -> None:
    line = make_reply(("joy",), (0.5, 0.5, 0.5), "x", GOEMOTIONS).line()
    assert lay_out(Vocabulary(tiny.make_tokenizer()), line, [tiny.END] * 40) is None
