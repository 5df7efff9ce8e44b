"""Proposes how a reply goes on, from the shape every good reply has. A wrong proposal costs time, never a token."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from emoloom.decode.fast import Proposal, Seen
from emoloom.decode.memory import END, FIXED_WIDTH, LABELS, Memory, agreement
from emoloom.decode.rationale import complete, complete_gloss, parts
from emoloom.model.packing import Branch
from emoloom.model.prompts import Prompter

Suggest = Callable[[tuple[str, ...]], str]
"""The whole reply line that is likely for a text, given its labels."""

_GLOSS = re.compile(r'"rationale":"([^":]*):')
_OPEN_LABELS = re.compile(r'\{"labels":\[((?:"[a-z ]+",)*)"([a-z ]*)("?)$')
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
        self._openings = _openings(prompter, tuple(labels))
        self._suggest = suggest
        self._memory = memory
        self._prompt = prompt
        self._words = words
        self._noted = False
        # How the model would probably begin the cues, and the gloss where it would not be the drafted one, by the reply's labels.
        self._cues = ""
        self._meant: dict[str, str] = {}
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
            self._meant[self._drafted_labels] = self._spelled(
                drafted[:start], [*drafted[start:step], seen.wanted[step]]
            )
        cues = [seen.wanted[at]]
        while (further := seen.after(at, cues)) is not None:
            cues.append(further)
        self._cues = self._spelled(drafted[:at], cues)

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
            return list(self._openings.shared)
        line = self._complete(written or self._memory.usual)
        if line is None:
            return repeat([*self._memory.tokens, *self._prompter.prefix, *self._prompt, *generated])
        tokens = self._prompter.encode_reply(line)
        if tokens[: len(generated)] == generated:
            return tokens[len(generated) :]
        # The model spelled the same text with other tokens.
        return self._prompter.encode_reply(line[len(written) :])

    def _complete(self, written: str) -> str | None:
        """A whole reply line that begins with ``written``, or None where none is likely."""
        if closed := LABELS.match(written):
            return self._with_labels(written, json.loads(closed[1]), closed[0])
        opened = _OPEN_LABELS.match(written)
        before, begun = (json.loads(f"[{opened[1].rstrip(',')}]"), opened[2]) if opened else ([], "")
        if opened and opened[3]:
            return self._with_labels(written, [*before, begun], f"{written}]")
        following = [label for label in self._labels if label.startswith(begun) and label not in before]
        for fits in (self._begins, _goes_on):
            for label in following:
                opening = '{"labels":' + json.dumps([*before, label], separators=(",", ":"))
                if fits(written, opening):
                    return self._with_labels(written, [*before, label], opening)
        return self._with_labels(written, before, f'{written}"]') if opened else None

    def _with_labels(self, written: str, labels: Sequence[str], opening: str) -> str | None:
        # Models make up labels, too, which nothing is suggested for.
        known = tuple(label for label in labels if label in self._labels) or tuple(self._labels[:1])
        line = opening + self._suggest(known).partition("]")[2]
        width = len(opening) + FIXED_WIDTH
        begun = written[width:]
        rationale = self._rationale(begun, opening, line[width:].removesuffix(END))
        if not (rationale + END).startswith(begun):
            return None
        head = self._memory.head(opening, written) or line[:width]
        return written + (_nearest(head, written) + rationale + END)[len(written) :]

    def _rationale(self, written: str, opening: str, usual: str) -> str:
        """The rationale behind these labels of which that much is ``written``, where training would have the ``usual`` one."""
        usual_gloss, usual_cues = parts(usual)
        gloss, colon, _ = written.partition(":")
        if not colon:
            meant = self._meant.get(opening, "")
            gloss, colon, _ = (meant if meant.startswith(written) else written).partition(":")
        if not colon:
            gloss = complete_gloss(gloss, self._glosses(opening, usual_gloss), self._gloss_begins)
        if self._cues and f"{gloss}:{self._cues}".startswith(written):
            written = f"{gloss}:{self._cues}"
        rationale, closed, _ = written.partition('"')
        if closed:
            return rationale
        count = self._memory.cues or len(usual_cues)
        cues = usual_cues or list(self._words[:count])
        return complete(rationale, gloss, cues, self._words, count, self._word_begins)

    def _glosses(self, opening: str, usual: str) -> Iterator[str]:
        """The glosses that may stand behind these labels, likeliest first."""
        yield from self._memory.glosses(opening)
        yield usual
        yield from self._memory.glosses()

    def _begins(self, begun: str, whole: str) -> bool:
        """Whether a text begins with another's tokens: a word that is one token does not begin with a part of it."""
        if not _goes_on(begun, whole):
            return False
        tokens = self._prompter.encode_reply(begun)[:-1]
        return self._prompter.encode_reply(whole)[: len(tokens)] == tokens

    def _gloss_begins(self, begun: str, gloss: str) -> bool:
        return not begun or self._begins(f':"{begun}', f':"{gloss}')

    def _word_begins(self, begun: str, word: str) -> bool:
        return not begun or self._begins(f" {begun}", f" {word}")


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


def _goes_on(begun: str, whole: str) -> bool:
    return whole.startswith(begun)


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
