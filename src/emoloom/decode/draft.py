"""Proposes how a reply goes on, from the shape every good reply has. A wrong proposal costs time, never a token."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from emoloom.decode.fast import Proposal, Seen
from emoloom.decode.line import LikelyLine, Suggest
from emoloom.decode.memory import FIXED_WIDTH, LABELS, Memory, agreement
from emoloom.model.packing import Branch
from emoloom.model.prompts import Prompter

_GLOSS = re.compile(r'"rationale":"([^":]*):')
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
        self._openings = _openings(prompter, tuple(labels))
        self._line = LikelyLine(prompter, labels, suggest, memory, words)
        self._memory = memory
        self._prompt = prompt
        self._words = words
        self._noted = False
        # The last draft's labels; its tokens up to the gloss and up to the first cue.
        self._drafted_labels = ""
        self._to_gloss: int | None = None
        self._to_cues: int | None = None

    def __call__(self, generated: list[int], seen: Seen) -> Proposal:
        self._look(seen)
        self._note(written := self._prompter.decode(generated))
        known = self._told(generated, seen)
        if not known and not self._memory.knows(written):
            known = self._mended(generated, seen)
        tokens = [*known, *self._go_on([*generated, *known])]
        return Proposal(tokens, [*self._stems(generated), *self._words_beside(generated, tokens)])

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
        """Takes in which gloss and cues the model would have written: the gloss depends on the labels, cues on the text, both
        hardly on what else stands before them."""
        start, at, drafted = self._to_gloss, self._to_cues, list(seen.proposal.tokens)
        if at is None or at > len(drafted):
            return
        changed = (step for step in range(at if start is None else start, at) if seen.wanted[step] != drafted[step])
        if (step := next(changed, None)) is not None:
            self._line.meant[self._drafted_labels] = self._spelled(
                drafted[:start], [*drafted[start:step], seen.wanted[step]]
            )
        cues = [seen.wanted[at]]
        while (further := seen.after(at, cues)) is not None:
            cues.append(further)
        self._line.cues = self._spelled(drafted[:at], cues)

    def _spelled(self, before: list[int], tokens: list[int]) -> str:
        """The text of ``tokens`` behind others."""
        return self._prompter.decode([*before, *tokens])[len(self._prompter.decode(before)) :]

    def _told(self, generated: list[int], seen: Seen) -> list[int]:
        """What the model would have written behind its last token, where a branch had asked."""
        way = generated[-1:]
        while way and (further := seen.after(seen.kept, way)) is not None:
            way.append(further)
        return way[1:]

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

    def _stems(self, generated: list[int]) -> list[Branch]:
        """Before any label, the tokens with which several begin: what the model says behind them tells these apart."""
        return [] if generated else [(len(self._openings.shared), [stem]) for stem in self._openings.stems]

    def _words_beside(self, generated: list[int], tokens: list[int]) -> list[Branch]:
        """Other words in place of the drafted first cue, each with the comma behind it: what the model says there tells how the
        cues go on as soon as the first is known."""
        line = self._prompter.decode([*generated, *tokens])
        gloss = _GLOSS.search(line)
        labels = LABELS.match(line)
        self._drafted_labels = labels[0] if labels else ""
        self._to_gloss = self._step(line[: gloss.start(1)], generated, tokens) if gloss else None
        self._to_cues = self._step(line[: gloss.end()], generated, tokens) if gloss else None
        if gloss is None or self._to_cues is None or self._line.cues:
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
            return list(self._openings.shared)
        line = self._line.complete(written or self._memory.usual)
        if line is None:
            return repeat([*self._memory.tokens, *self._prompter.prefix, *self._prompt, *generated])
        tokens = self._prompter.encode_reply(line)
        if tokens[: len(generated)] == generated:
            return tokens[len(generated) :]
        # The model spelled the same text with other tokens.
        return self._prompter.encode_reply(line[len(written) :])


@dataclass(frozen=True)
class _Openings:
    """How replies begin: the tokens before any label, ``shared`` by all, and the ``stems`` with which several labels begin."""

    shared: tuple[int, ...]
    stems: tuple[int, ...]


@lru_cache(maxsize=1)
def _openings(prompter: Prompter, labels: tuple[str, ...]) -> _Openings:
    lines = [prompter.encode_reply(f'{{"labels":["{label}"]')[:-1] for label in labels]
    shared = min(agreement(lines[0], line) for line in lines)
    first = Counter(line[shared] for line in lines if len(line) > shared)
    return _Openings(tuple(lines[0][:shared]), tuple(token for token, count in first.items() if count > 1))


def repeat(tokens: Sequence[int]) -> list[int]:
    """What followed the last earlier occurrence of the longest possible run of final tokens (prompt look-up decoding)."""
    for length in range(min(_LONGEST, len(tokens) - 1), 0, -1):
        tail = list(tokens[-length:])
        for start in range(len(tokens) - length - 1, -1, -1):
            if list(tokens[start : start + length]) == tail:
                return list(tokens[start + length : start + length + _COPIED])
    return []
