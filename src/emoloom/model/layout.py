"""Where in a reply's tokens its first label, its numbers and its words stand, for any tokenizer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from emoloom.model.vocabulary import Vocabulary

FIRST_LABEL = len('{"labels":["')
"""Where the first label begins in every reply line."""

_VAD = re.compile(r'"vad":\{"v":([01]\.\d\d),"a":([01]\.\d\d),"d":([01]\.\d\d)\}')
# What follows each number up to where lines differ.
_AFTER = (',"a":', ',"d":', '},"rationale":"')


@dataclass(frozen=True)
class NumberStep:
    """A reply token that spells part of a number.

    Attributes:
        step: its place among the reply's tokens.
        axis: 0, 1 or 2 for v, a, d.
        ids: the tokens that could stand there in some valid reply.
        values: for each of them, the mean of the numbers that could then still be meant.
        own: which of them the reply has.
    """

    step: int
    axis: int
    ids: tuple[int, ...]
    values: tuple[float, ...]
    own: int


@dataclass(frozen=True)
class Layout:
    """Places among a reply's tokens.

    Attributes:
        label: the token that spells the beginning of the first label.
        numbers: the tokens at which more than one value is open, in order.
        words: the tokens that are a whole word of the rationale, and whether each begins with a space.
    """

    label: int
    numbers: tuple[NumberStep, ...]
    words: tuple[tuple[int, bool], ...]


def lay_out(vocabulary: Vocabulary, line: str, ids: Sequence[int]) -> Layout | None:
    """The layout of a reply ``line`` whose tokens are ``ids``.

    Returns:
        None where a token up to the last number spells something else than its part of the line.
    """
    spans = list(_spans(vocabulary, line, ids))
    vad = _VAD.search(line)
    if vad is None or not spans or spans[-1][1] < vad.end(3):
        return None
    label = next(step for step, (_, end) in enumerate(spans) if end > FIRST_LABEL)
    numbers = []
    for axis in range(3):
        begin, end = vad.span(axis + 1)
        for step, (start, stop) in enumerate(spans):
            if start < end and stop > begin:
                written = line[begin : max(start, begin)]
                open_numbers = vocabulary.numbers(line[start:begin], written, _AFTER[axis])
                if len(open_numbers) > 1:
                    tokens = tuple(open_numbers)
                    own = tokens.index(ids[step])
                    numbers.append(NumberStep(step, axis, tokens, tuple(open_numbers.values()), own))
    words = [(step, line[start] == " ") for step, (start, stop) in enumerate(spans) if _is_word(line, start, stop, vad)]
    return Layout(label, tuple(numbers), tuple(words))


def _spans(vocabulary: Vocabulary, line: str, ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Start and end in the line of each token, up to the first that spells something else than the line."""
    start = 0
    for step, token in enumerate(ids):
        text = vocabulary.texts.get(token)
        if text is not None and not step and not line.startswith(text):
            # SentencePiece begins every text with a space.
            text = text.removeprefix(" ")
        if text is None or not line.startswith(text, start):
            return
        yield start, start + len(text)
        start += len(text)


def _is_word(line: str, start: int, stop: int, vad: re.Match[str]) -> bool:
    """Whether the token is one whole word of the rationale."""
    inside = start >= vad.end() + len(',"rationale":"')
    text = line[start:stop]
    begins = text.startswith(" ") or line[start - 1] in '" '
    return inside and begins and text.removeprefix(" ").isalpha() and not line[stop : stop + 1].isalpha()
