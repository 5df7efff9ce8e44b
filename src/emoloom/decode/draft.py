"""Proposes how a reply goes on, from the shape every good reply has. A wrong proposal costs time, never a token."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any

from emoloom.decode.fast import Misses
from emoloom.decode.rationale import complete, parts
from emoloom.model.prompts import Prompter

Suggest = Callable[[tuple[str, ...]], str]
"""The whole reply line that is likely for a text, given its labels."""

_LABELS = re.compile(r'\{"labels":(\[(?:"[a-z ]+"(?:,"[a-z ]+")*)?\])')
_OPEN_LABELS = re.compile(r'\{"labels":\[((?:"[a-z ]+",)*)"([a-z ]*)$')
# Between the labels and the first letter of the rationale, every reply has the same length.
_FIXED_WIDTH = len(',"vad":{"v":0.00,"a":0.00,"d":0.00},"rationale":"')
_END = '"}'
# Replies remembered for each set of labels.
_REMEMBERED = 64
# Tokens of earlier replies in which a run is looked up.
_REMEMBERED_TOKENS = 512
# Longest run of tokens that is looked up in what was already written, and how many are copied from there.
_LONGEST, _COPIED = 8, 8


class Memory:
    """Finished replies: a model repeats itself.

    Attributes:
        tokens: the latest replies' tokens, one after the other.
    """

    def __init__(self) -> None:
        self.tokens: deque[int] = deque(maxlen=_REMEMBERED_TOKENS)
        self._cues: Counter[int] = Counter()
        self._glosses: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        self._heads: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        self._openings: Counter[str] = Counter()

    def add(self, reply: str, tokens: Sequence[int]) -> None:
        """Remembers a finished reply; its numbers and its gloss by its labels, if it has the contract's shape."""
        self.tokens.extend(tokens)
        labels = _LABELS.match(reply)
        if labels:
            width = labels.end() + _FIXED_WIDTH
            self._openings[labels[0]] += 1
            self._heads[labels[0]].append(reply[:width])
            if reply.endswith(_END):
                gloss, cues = parts(reply[width:].removesuffix(_END))
                self._glosses[labels[0]].append(gloss)
                self._cues[len(cues)] += 1

    @property
    def usual(self) -> str:
        """What more than half of the replies begin with, up to the end of the labels; empty where nothing is."""
        for opening, count in self._openings.most_common(1):
            return opening if 2 * count > self._openings.total() else ""
        return ""

    @property
    def cues(self) -> int:
        """How many cues most rationales had; 0 as long as there was none."""
        return max(self._cues, key=lambda n: (self._cues[n], n), default=0)

    def gloss(self, labels: str) -> str | None:
        """The commonest gloss of replies with these labels; None where none is known."""
        known = self._glosses.get(labels)
        return Counter(known).most_common(1)[0][0] if known else None

    def head(self, labels: str, written: str) -> str | None:
        """The likeliest beginning, up to the rationale, of a reply that begins with ``written``: of those that agree with it
        longest, the commonest."""
        known = self._heads.get(labels)
        if not known:
            return None
        agreeing = [(_agreement(head, written), head) for head in known]
        longest = max(length for length, _ in agreeing)
        return Counter(head for length, head in agreeing if length == longest).most_common(1)[0][0]


class ReplyDrafter:
    """Drafts for one request: a likely reply where the text so far fits the contract's shape, repetition elsewhere."""

    def __init__(
        self,
        prompter: Prompter,
        labels: Sequence[str],
        suggest: Suggest,
        memory: Memory,
        prompt: Sequence[int],
        text: str,
    ) -> None:
        """``labels`` are the run's labels, likeliest first; ``prompt`` the request's tokens after the shared prefix; ``text`` its
        text."""
        self._text = text
        self._prompter = prompter
        self._labels = labels
        self._suggest = suggest
        self._memory = memory
        self._prompt = prompt

    def __call__(self, generated: list[int], misses: Misses = ()) -> list[int]:
        if mended := self._mended(misses):
            return [*mended, *self._go_on([*generated, *mended])]
        return self._go_on(generated)

    def _mended(self, misses: Misses) -> list[int]:
        """What the model would have had of the last draft, behind the token that it changed first, as far as it changed numbers.

        What is written behind a number hardly depends on its digits, so that one round settles all of them where each would
        take one of its own; any other token changes what comes after it.
        """
        mended: list[int] = []
        for proposed, wanted in misses:
            mended.append(wanted)
            if proposed != wanted and not self._prompter.decode([wanted]).isdigit():
                break
        return mended[1:]

    def _go_on(self, generated: list[int]) -> list[int]:
        written = self._prompter.decode(generated)
        if not written and not self._memory.usual:
            return self._opening()
        line = self._complete(written or self._memory.usual)
        if line is None:
            return repeat([*self._memory.tokens, *self._prompter.prefix, *self._prompt, *generated])
        tokens = self._prompter.encode_reply(line)
        if tokens[: len(generated)] == generated:
            return tokens[len(generated) :]
        # The model spelled the same text with other tokens.
        return self._prompter.encode_reply(line[len(written) :])

    def _opening(self) -> list[int]:
        """The tokens with which replies begin, whatever their labels: a longer draft would mostly have the wrong ones."""
        one, other = (self._prompter.encode_reply(self._suggest((self._labels[i],))) for i in (0, -1))
        return one[: _agreement(one, other)]

    def _complete(self, written: str) -> str | None:
        """A whole reply line that begins with ``written``, or None where none is likely."""
        closed = _LABELS.match(written)
        if closed:
            labels = tuple(json.loads(closed[1]))
            return self._with_labels(written, labels, closed[0]) if labels and self._known(labels) else None
        opened = _OPEN_LABELS.match(written)
        before = tuple(json.loads(f"[{opened[1].rstrip(',')}]")) if opened else ()
        begun = opened[2] if opened else ""
        for label in self._labels if self._known(before) else ():
            if label.startswith(begun) and label not in before:
                line = self._suggest((*before, label))
                if line.startswith(written):
                    return self._with_labels(written, (*before, label), line[: line.index("]") + 1])
        return None

    def _with_labels(self, written: str, labels: tuple[str, ...], opening: str) -> str | None:
        line = self._suggest(labels)
        width = len(opening) + _FIXED_WIDTH
        likely = line[width:].removesuffix(_END)
        begun = written[width:]
        if '"' in begun:
            whole = written[:width] + begun[: begun.index('"')] + _END
            return whole if whole.startswith(written) else None
        gloss, cues = parts(likely)
        rationale = complete(begun, self._memory.gloss(opening) or gloss, cues, self._text, self._memory.cues)
        if not rationale.startswith(begun):
            return None
        head = self._memory.head(opening, written) or line[:width]
        return written + (head + rationale + _END)[len(written) :]

    def _known(self, labels: Sequence[str]) -> bool:
        return all(label in self._labels for label in labels)


def _agreement(a: Sequence[Any], b: Sequence[Any]) -> int:
    """Length of the longest common beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def repeat(tokens: Sequence[int]) -> list[int]:
    """What followed the last earlier occurrence of the longest possible run of final tokens (prompt look-up decoding)."""
    for length in range(min(_LONGEST, len(tokens) - 1), 0, -1):
        tail = list(tokens[-length:])
        for start in range(len(tokens) - length - 1, -1, -1):
            if list(tokens[start : start + length]) == tail:
                return list(tokens[start + length : start + length + _COPIED])
    return []
