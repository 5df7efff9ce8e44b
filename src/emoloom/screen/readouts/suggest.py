"""What reply a fine-tuned model will probably give, which the drafts of fast decoding are made from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from emoloom.contract.affect import VAD
from emoloom.contract.record import Record, Request, make_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.decode.rationale import words_of
from emoloom.lexicon.teacher import Teacher

_CUE_WORDS = 3


class Suggester:
    """Suggests the reply that the training data would hold for a text with given labels.

    Attributes:
        labels: the label space, most frequent in training first.
    """

    def __init__(self, train: Sequence[Record], teacher: Teacher) -> None:
        counts = Counter(label for record in train for label in record.labels)
        self.labels = tuple(sorted(GOEMOTIONS.labels, key=lambda label: (-counts[label], label)))
        self._teacher = teacher
        self._gold = _mean_gold(train)

    def for_request(self, request: Request) -> Callable[[tuple[str, ...]], str]:
        """A function from labels to the likely reply line for this text."""

        # Drafts ask for the same few again and again.
        @cache
        def suggest(labels: tuple[str, ...]) -> str:
            taught = self._taught(request, labels)
            weak = taught.vad.triple if taught.vad else (0.5, 0.5, 0.5)
            return make_reply(labels, self._gold.get(labels[0], weak), taught.rationale, GOEMOTIONS).line()

        return suggest

    def cues(self, request: Request) -> tuple[str, ...]:
        """The words of the text that a rationale may name, likeliest first."""
        return tuple(dict.fromkeys([*self._teacher.cues(request.text), *words_of(request.text)]))

    def rationale(self, request: Request, labels: tuple[str, ...]) -> str:
        """The rationale that training data would hold for this text with these labels."""
        return self._taught(request, labels).rationale

    def _taught(self, request: Request, labels: tuple[str, ...]) -> Record:
        # Without a lexicon nothing tells the cue; authors like the end of a sentence.
        cues = () if self._teacher.lexicon else (" ".join(request.text.split()[-_CUE_WORDS:]),)
        bare = Record(id=request.id, text=request.text, labels=labels, cues=cues, corpus="", split="")
        return self._teacher.complete(bare)


def _mean_gold(train: Sequence[Record]) -> dict[str, VAD]:
    """Mean gold VAD of the training records by their first label; empty where VAD is weak."""
    by_label: dict[str, list[VAD]] = defaultdict(list)
    for record in train:
        if record.vad and record.vad_source == "gold":
            by_label[record.labels[0]].append(record.vad.triple)
    means: dict[str, VAD] = {}
    for label, triples in by_label.items():
        v, a, d = np.mean(triples, axis=0).tolist()
        means[label] = (v, a, d)
    return means
