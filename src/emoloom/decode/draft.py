"""Proposes how a reply goes on, from the shape every good reply has. A wrong proposal costs time, never a token."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from emoloom.decode.fast import Proposal, Seen
from emoloom.decode.memory import END, FIXED_WIDTH, LABELS, Memory, agreement
from emoloom.decode.rationale import complete, parts
from emoloom.model.packing import Branch
from emoloom.model.prompts import Prompter

Suggest = Callable[[tuple[str, ...]], str]
"""The whole reply line that is likely for a text, given its labels."""

_GLOSS = re.compile(r'"rationale":"[^":]*:')
_OPEN_LABELS = re.compile(r'\{"labels":\[((?:"[a-z ]+",)*)"([a-z ]*)$')
# The words of a text that are tried for the first cue.
_TRIED = 6
# Longest run of tokens that is looked up in what was already written, and how many are copied from there.
_LONGEST, _COPIED = 8, 8


class ReplyDrafter:
    """Drafts for one request: a likely reply where the text so far fits the contract's shape, repetition elsewhere."""

    def __init__(
        self,
        prompter: Prompter,
        labels: Sequence[str],
        suggest: Suggest,
        memory: Memory,
        prompt: Sequence[int],
        words: Sequence[str],
    ) -> None:
        """``labels`` are the run's labels, likeliest first; ``prompt`` the request's tokens after the shared prefix; ``words``
        those that may be its cues, likeliest first."""
        self._prompter = prompter
        self._labels = labels
        self._suggest = suggest
        self._memory = memory
        self._prompt = prompt
        self._words = words
        self._noted = False
        # How the model would probably begin the cues.
        self._cues = ""
        # Tokens of the last draft up to its first cue.
        self._to_cues: int | None = None

    def __call__(self, generated: list[int], seen: Seen) -> Proposal:
        self._look(seen)
        self._note(written := self._prompter.decode(generated))
        mended = [] if self._memory.knows(written) else self._mended(generated, seen)
        tokens = [*mended, *self._go_on([*generated, *mended])]
        return Proposal(tokens, self._branches(generated, tokens))

    def finish(self, generated: list[int]) -> None:
        """Remembers the finished reply for those to come."""
        reply = self._prompter.decode(generated)
        self._note(reply)
        self._memory.add(reply, generated)

    def _note(self, written: str) -> None:
        """Remembers labels and numbers as soon as they are written: whole replies take too long for those beside this one."""
        labels = LABELS.match(written)
        if labels and not self._noted and len(written) >= labels.end() + FIXED_WIDTH:
            self._memory.add_head(labels[0], written[: labels.end() + FIXED_WIDTH])
            self._noted = True

    def _look(self, seen: Seen) -> None:
        """Takes in which cues the model would have written: they depend on the text, hardly on labels and numbers before them."""
        at, drafted = self._to_cues, list(seen.proposal.tokens)
        if at is None or at >= len(drafted):
            return
        cues = [seen.wanted[at]]
        while (further := seen.after(at, cues)) is not None:
            cues.append(further)
        self._cues = self._prompter.decode(drafted[:at] + cues)[len(self._prompter.decode(drafted[:at])) :]

    def _mended(self, generated: list[int], seen: Seen) -> list[int]:
        """What the model would have had of the last draft, behind the token that it changed first, as far as it changed numbers.

        What is written behind a number hardly depends on its digits, so that one round settles all of them where each would
        take one of its own; any other token changes what comes after it, and a number's digit the next one.
        """
        mended: list[int] = []
        for step in range(seen.kept, len(seen.proposal.tokens)):
            wanted = seen.wanted[step]
            if mended and mended[-1] != seen.proposal.tokens[step - 1]:
                if not self._is_digit(mended[-1]):
                    break
                if self._is_digit(wanted):
                    further = seen.after(step - 1, mended[-1:])
                    likely = [further] if further is not None else self._go_on([*generated, *mended[1:]])
                    wanted = likely[0] if likely else wanted
            mended.append(wanted)
        return mended[1:]

    def _is_digit(self, token: int) -> bool:
        return self._prompter.decode([token]).isdigit()

    def _branches(self, generated: list[int], tokens: list[int]) -> list[Branch]:
        """Other words in place of the drafted first cue, each with the comma behind it: what the model says there tells how the
        cues go on as soon as the first is known."""
        line = self._prompter.decode([*generated, *tokens])
        gloss = _GLOSS.search(line)
        self._to_cues = self._step(line[: gloss.end()], generated, tokens) if gloss else None
        if gloss is None or self._to_cues is None or self._cues:
            return []
        others = [word for word in self._words if not line[gloss.end() :].startswith(f" {word}")][:_TRIED]
        spelled = [self._prompter.encode_reply(f"{line[: gloss.end()]} {word},")[:-1] for word in others]
        return [(self._to_cues, way[len(generated) + self._to_cues :]) for way in spelled]

    def _step(self, text: str, generated: list[int], tokens: list[int]) -> int | None:
        """How many of the drafted ``tokens`` spell ``text`` with what is generated; None where none do."""
        spelled = self._prompter.encode_reply(text)[:-1]
        at = len(spelled) - len(generated)
        return at if at >= 0 and spelled == [*generated, *tokens[:at]] else None

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
        return one[: agreement(one, other)]

    def _complete(self, written: str) -> str | None:
        """A whole reply line that begins with ``written``, or None where none is likely."""
        closed = LABELS.match(written)
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
        width = len(opening) + FIXED_WIDTH
        likely = line[width:].removesuffix(END)
        begun = written[width:]
        gloss, cues = parts(likely)
        gloss = self._memory.gloss(opening) or gloss
        if self._cues and f"{gloss}:{self._cues}".startswith(begun):
            begun = f"{gloss}:{self._cues}"
        closed, quote, _ = begun.partition('"')
        count = self._memory.cues or len(cues)
        rationale = closed if quote else complete(begun, gloss, cues, self._words, count, self._begins)
        if not (rationale + END).startswith(written[width:]):
            return None
        head = self._memory.head(opening, written) or line[:width]
        return written + (_nearest(head, written) + rationale + END)[len(written) :]

    def _begins(self, begun: str, word: str) -> bool:
        """Whether a word begins with these tokens: one that is a token of its own does not begin with another."""
        tokens = self._prompter.encode_reply(f" {begun}")[:-1] if begun else []
        return word.startswith(begun) and self._prompter.encode_reply(f" {word}")[: len(tokens)] == tokens

    def _known(self, labels: Sequence[str]) -> bool:
        return all(label in self._labels for label in labels)


def _nearest(head: str, written: str) -> str:
    """``head`` with the next digit that brings its number nearest to where ``written`` has another first decimal."""
    at = len(written)
    if not (re.search(r"\d\.\d$", written) and head[at - 1 : at + 1].isdigit() and head[at - 1] != written[-1]):
        return head
    return head[:at] + ("0" if written[-1] > head[at - 1] else "9") + head[at + 1 :]


def repeat(tokens: Sequence[int]) -> list[int]:
    """What followed the last earlier occurrence of the longest possible run of final tokens (prompt look-up decoding)."""
    for length in range(min(_LONGEST, len(tokens) - 1), 0, -1):
        tail = list(tokens[-length:])
        for start in range(len(tokens) - length - 1, -1, -1):
            if list(tokens[start : start + length]) == tail:
                return list(tokens[start + length : start + length + _COPIED])
    return []
