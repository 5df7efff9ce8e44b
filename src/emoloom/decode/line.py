"""How a begun reply probably goes on: the whole line that it becomes, from its labels and what other replies were like."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence

from emoloom.decode.memory import END, FIXED_WIDTH, LABELS, Memory
from emoloom.decode.rationale import complete_gloss, complete_rationale, parts
from emoloom.model.prompts import Prompter

Suggest = Callable[[tuple[str, ...]], str]
"""The whole reply line that is likely for a text, given its labels."""

_OPEN_LABELS = re.compile(r'\{"labels":\[((?:"[a-z ]+",)*)"([a-z ]*)("?)$')


class LikelyLine:
    """Completes the reply to one request.

    Attributes:
        cues: how the model would probably begin the rationale's cues; empty where that is not known.
        meant: how it would begin the gloss where it showed another than the likely one, by the reply up to its labels' end.
    """

    def __init__(
        self, prompter: Prompter, labels: Sequence[str], suggest: Suggest, memory: Memory, words: Sequence[str]
    ) -> None:
        """As :class:`~emoloom.decode.draft.ReplyDrafter`."""
        self._prompter = prompter
        self._labels = labels
        self._suggest = suggest
        self._memory = memory
        self._words = words
        self.cues = ""
        self.meant: dict[str, str] = {}

    def complete(self, written: str) -> str | None:
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
            meant = self.meant.get(opening, "")
            gloss, colon, _ = (meant if meant.startswith(written) else written).partition(":")
        if not colon:
            gloss = complete_gloss(gloss, self._glosses(opening, usual_gloss), self._gloss_begins)
        if self.cues and f"{gloss}:{self.cues}".startswith(written):
            written = f"{gloss}:{self.cues}"
        rationale, closed, _ = written.partition('"')
        if closed:
            return rationale
        count = self._memory.cues or len(usual_cues)
        cues = usual_cues or list(self._words[:count])
        return complete_rationale(rationale, gloss, cues, self._words, count, self._word_begins)

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


def _goes_on(begun: str, whole: str) -> bool:
    return whole.startswith(begun)


def _nearest(head: str, written: str) -> str:
    """``head`` with the next digit that brings its number nearest to where ``written`` has another first decimal."""
    at = len(written)
    if not (re.search(r"\d\.\d$", written) and head[at - 1 : at + 1].isdigit() and head[at - 1] != written[-1]):
        return head
    return head[:at] + ("0" if written[-1] > head[at - 1] else "9") + head[at + 1 :]
