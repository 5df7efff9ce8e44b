"""Proposes how a reply goes on, from the shape every good reply has. A wrong proposal costs time, never a token."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from emoloom.model.prompts import Prompter

Suggest = Callable[[tuple[str, ...]], str]
"""The whole reply line that is likely for a text, given its labels."""

_LABELS = re.compile(r'\{"labels":(\[(?:"[a-z ]+",?)*\])')
_OPEN_LABELS = re.compile(r'\{"labels":\[((?:"[a-z ]+",)*)"([a-z ]*)$')
# Longest and shortest run of tokens that is looked up in what was already written, and how many are copied from there.
_LONGEST, _SHORTEST, _COPIED = 8, 2, 12


class ReplyDrafter:
    """Drafts for one request: the suggested reply where the text so far fits the contract's shape, repetition elsewhere."""

    def __init__(self, prompter: Prompter, labels: Sequence[str], suggest: Suggest, prompt: Sequence[int]) -> None:
        """``labels`` are the run's labels, likeliest first; ``prompt`` the request's own tokens."""
        self._prompter = prompter
        self._labels = labels
        self._suggest = suggest
        self._prompt = prompt

    def __call__(self, generated: list[int]) -> list[int]:
        written = self._prompter.decode(generated)
        line = self._complete(written)
        if line is None:
            return repeat([*self._prompt, *generated])
        tokens = self._prompter.encode_reply(line)
        if tokens[: len(generated)] == generated:
            return tokens[len(generated) :]
        # The model spelled the same text with other tokens.
        return self._prompter.encode_reply(line[len(written) :])

    def _complete(self, written: str) -> str | None:
        """A whole reply line that begins with ``written``, or None where no reply does."""
        closed = _LABELS.match(written)
        if closed:
            labels = tuple(label for label in json.loads(closed[1]) if label in self._labels)
            # Up to the rationale all replies with the same labels have the same length, so the rest can be taken over as is.
            line = self._suggest(labels) if labels else ""
            return written + line[len(written) :] if len(line) > len(written) else None
        opened = _OPEN_LABELS.match(written)
        known = tuple(json.loads(f"[{opened[1].rstrip(',')}]")) if opened else ()
        begun = opened[2] if opened else ""
        for label in self._labels:
            if label.startswith(begun) and label not in known:
                line = self._suggest((*known, label))
                if line.startswith(written):
                    return line
        return None


def repeat(tokens: Sequence[int]) -> list[int]:
    """What followed the last earlier occurrence of the longest possible run of final tokens (prompt look-up decoding)."""
    for length in range(min(_LONGEST, len(tokens) - 1), _SHORTEST - 1, -1):
        tail = list(tokens[-length:])
        for start in range(len(tokens) - length - 1, -1, -1):
            if list(tokens[start : start + length]) == tail:
                return list(tokens[start + length : start + length + _COPIED])
    return []
