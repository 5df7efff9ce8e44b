"""What each token of a vocabulary spells, so that losses can say which tokens could stand at a place and what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import Any

NUMBERS = tuple(f"{hundredths / 100:.2f}" for hundredths in range(101))
"""Every spelling of an axis in a reply."""

_DIGITS = ".0123456789"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_SPACES = str.maketrans({"Ġ": " ", "▁": " "})


class Vocabulary:
    """The tokens that spell ASCII text, by id.

    Byte-level tokenizers write a leading space as ``Ġ``, SentencePiece as ``▁`` and single bytes as ``<0x41>``; all are read
    as the text they stand for. Control tokens and tokens that spell anything else are left out.

    Attributes:
        texts: token id -> text, never empty.
    """

    def __init__(self, tokenizer: Any) -> None:
        special = set(tokenizer.all_special_ids)
        ids = [i for i in range(len(tokenizer)) if i not in special]
        found = {i: _text(raw) for i, raw in zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True)}
        self.texts: Mapping[int, str] = {i: text for i, text in found.items() if text}
        self._numbers: dict[tuple[str, str, str], dict[int, float]] = {}

    @cached_property
    def words(self) -> tuple[tuple[int, str], ...]:
        """The tokens (id, text) that are a run of letters, with or without a space before it."""
        return tuple((i, text) for i, text in self.texts.items() if text.removeprefix(" ").isalpha())

    def numbers(self, lead: str, written: str, after: str) -> Mapping[int, float]:
        """The tokens that may go on with a number: those that spell ``lead``, then a continuation of the number begun by
        ``written``, then perhaps some of ``after``; each with the mean of the numbers that are then left."""
        place = lead, written, after
        if place not in self._numbers:
            self._numbers[place] = dict(self._find_numbers(*place))
        return self._numbers[place]

    def _find_numbers(self, lead: str, written: str, after: str) -> Iterator[tuple[int, float]]:
        for token, text in self._numeric:
            rest = text[len(lead) :] if text.startswith(lead) else ""
            digits = rest[: len(rest) - len(rest.lstrip(_DIGITS))]
            number, tail = written + digits, rest[len(digits) :]
            if digits and number in _middles() and (not tail or (len(number) == 4 and after.startswith(tail))):
                yield token, middle(number)

    @cached_property
    def _numeric(self) -> tuple[tuple[int, str], ...]:
        """The tokens (id, text) with a digit or a point in them."""
        return tuple((i, text) for i, text in self.texts.items() if any(c in _DIGITS for c in text))


def middle(beginning: str) -> float:
    """Mean of the :data:`NUMBERS` that begin so."""
    return _middles()[beginning]


@cache
def _middles() -> dict[str, float]:
    beginnings = {number[:length] for number in NUMBERS for length in range(5)}
    means = {}
    for beginning in beginnings:
        values = [float(number) for number in NUMBERS if number.startswith(beginning)]
        means[beginning] = sum(values) / len(values)
    return means


def _text(raw: str | None) -> str:
    """The ASCII text of a token as the vocabulary writes it, or nothing."""
    if raw is None:
        return ""
    byte = _BYTE.fullmatch(raw)
    text = chr(int(byte[1], 16)) if byte else raw.translate(_SPACES)
    return text if text.isascii() and text.isprintable() else ""
