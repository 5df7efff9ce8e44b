"""What each token of a vocabulary spells, so that losses can say which tokens could stand at a place and what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

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

    @cached_property
    def numeric(self) -> tuple[tuple[int, str], ...]:
        """The tokens (id, text) with a digit or a point in them."""
        return tuple((i, text) for i, text in self.texts.items() if any(c in ".0123456789" for c in text))

    @cached_property
    def words(self) -> tuple[tuple[int, str], ...]:
        """The tokens (id, text) that are a run of letters, with or without a space before it."""
        return tuple((i, text) for i, text in self.texts.items() if text.removeprefix(" ").isalpha())


def _text(raw: str | None) -> str:
    """The ASCII text of a token as the vocabulary writes it, or nothing."""
    if raw is None:
        return ""
    byte = _BYTE.fullmatch(raw)
    text = chr(int(byte[1], 16)) if byte else raw.translate(_SPACES)
    return text if text.isascii() and text.isprintable() else ""
