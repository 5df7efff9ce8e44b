"""The ways of reading an answer out of a model, each with its own column in the table.

``free``: the model writes a reply, greedily, as it likes. ``constrained``: it writes what the contract's grammar allows and
nothing else. ``scored``: it writes nothing; one forward over the prompt and a reply's opening gives label probabilities and VAD
through the heads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from emoloom.contract.record import Request, make_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.decode.constrain import Grammar
from emoloom.decode.draft import ReplyDrafter
from emoloom.decode.fast import Counts, decode_fast, self_test
from emoloom.decode.memory import Memory
from emoloom.decode.scored import read_heads
from emoloom.model.heads import LinearHeads
from emoloom.model.labelling import FirstLabel
from emoloom.model.load import MAX_NEW_TOKENS, Candidate
from emoloom.model.packing import fullest
from emoloom.model.prompts import Prompter
from emoloom.screen.readouts.suggest import Suggester
from emoloom.screen.readouts.tuning import choose

# Replies decoded between two looks at the packing: alike lengths share a pack within a chunk, memory stays bounded.
_CHUNK = 256
# Decimals of a label probability in replies.jsonl.
_DIGITS = 4
# How many texts of a pack are read alone to see whether packing changes bits.
_SELF_TESTED = 8


@dataclass(frozen=True)
class Answer:
    """A reply line as the model gave it; ``probabilities`` of the labels, in their order, where the readout has them."""

    reply: str
    probabilities: list[float] | None = None


class Readout(Protocol):
    """Reads a candidate's answers."""

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Yields (index, answer) of every request, as they are finished."""
        ...


@dataclass
class Written:
    """Replies that the model writes.

    Attributes:
        guard: whether near-ties are decided by the canonical forward, because packing changes bits on this machine.
        grammar: what replies may be made of; everything, if there is none.
        counts: what writing cost so far.
        between: called between two forwards; what it raises ends the writing.
    """

    candidate: Candidate
    suggester: Suggester
    guard: bool
    grammar: Grammar | None = None
    counts: Counts = field(default_factory=Counts)
    between: Callable[[], None] = lambda: None

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """See :class:`Readout`."""
        for index, tokens in self.replies(requests):
            yield index, Answer(self.candidate.prompter.decode(tokens))

    def replies(self, requests: Sequence[Request]) -> Iterator[tuple[int, list[int]]]:
        """Yields (index, tokens without the end token) of every request's reply, as they are finished."""
        prompter = self.candidate.prompter
        memory = Memory()
        for start in range(0, len(requests), _CHUNK):
            drafted = []
            for request in requests[start : start + _CHUNK]:
                prompt = prompter.encode(request).own
                suggest, words = self.suggester.for_request(request), self.suggester.cues(request)
                labels = self.suggester.labels
                drafted.append((prompt, ReplyDrafter(prompter, labels, suggest, memory, prompt, words)))
            for index, generated in decode_fast(
                self.candidate.model,
                prompter.prefix,
                drafted,
                eos=prompter.eos,
                max_new_tokens=MAX_NEW_TOKENS,
                guard=self.guard,
                counts=self.counts,
                constraint=self.grammar,
                between=self.between,
            ):
                drafted[index][1].finish(generated)
                yield start + index, generated


@dataclass(frozen=True)
class Scored:
    """Replies composed from the heads, which read what leaves the layer ``depth``: the labels that reach their ``thresholds``
    (k,) on log-odds, and the VAD head's values times ``scale`` (3,) plus ``shift`` (3,), within [0, 1].

    The rationale is the one that training would have shown for these labels: the heads give none. ``alone``: one text a forward,
    because packing changes bits on this machine.
    """

    candidate: Candidate
    heads: LinearHeads
    depth: int
    thresholds: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float64]
    suggester: Suggester
    alone: bool

    def tested(self, requests: Sequence[Request]) -> Scored:
        """The same readout, with one text a forward where packing ``requests`` changes a bit of what the heads read on this
        machine: a full pack, the longest text in it, is held against texts read alone."""
        prompter = self.candidate.prompter
        opening = FirstLabel(prompter, GOEMOTIONS, self.candidate.device).opening
        sample = [requests[i] for i in fullest([[*prompter.encode(r).own, *opening] for r in requests])]
        packed, alone = replace(self, alone=False), replace(self, alone=True)
        together = {index: (log_odds.tolist(), vad) for index, log_odds, vad in packed._read(sample)}
        apart = alone._read(sample[:_SELF_TESTED])
        equal = all(together[index] == (log_odds.tolist(), vad) for index, log_odds, vad in apart)
        return packed if equal else alone

    def _read(self, requests: Sequence[Request]) -> Iterator[tuple[int, npt.NDArray[np.float64], list[float]]]:
        return score_requests(self.candidate, self.heads, self.depth, requests, alone=self.alone)

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """See :class:`Readout`."""
        for index, log_odds, vad in self._read(requests):
            chosen = choose(log_odds[None], self.thresholds)[0]
            labels = tuple(GOEMOTIONS.labels[i] for i in np.flatnonzero(chosen))
            rationale = self.suggester.rationale(requests[index], labels)
            v, a, d = (self.scale * vad + self.shift).clip(0, 1).tolist()
            reply = make_reply(labels, (v, a, d), rationale, GOEMOTIONS).line()
            yield index, Answer(reply, (1 / (1 + np.exp(-log_odds))).round(_DIGITS).tolist())


def score_requests(
    candidate: Candidate, heads: LinearHeads, depth: int, requests: Sequence[Request], *, alone: bool
) -> Iterator[tuple[int, npt.NDArray[np.float64], list[float]]]:
    """Yields (index, log-odds (k,) of the labels, VAD) of every request, by one forward each up to the layer ``depth``."""
    prompter, model = candidate.prompter, candidate.model
    opening = FirstLabel(prompter, GOEMOTIONS, candidate.device).opening
    for start in range(0, len(requests), _CHUNK):
        prompts = [prompter.encode(request).own for request in requests[start : start + _CHUNK]]
        for index, log_odds, vad in read_heads(model, heads, depth, opening, prompter.prefix, prompts, alone=alone):
            yield start + index, np.array(log_odds), vad


def make_grammar(prompter: Prompter) -> Grammar:
    """The contract's grammar in a candidate's tokens; raises as :class:`~emoloom.decode.constrain.Grammar`."""
    return Grammar(prompter, GOEMOTIONS, max_new_tokens=MAX_NEW_TOKENS)


def bit_equal(candidate: Candidate, requests: Sequence[Request]) -> bool:
    """Whether packing these requests changes no bit of their logits on this machine (:func:`self_test`)."""
    prompter = candidate.prompter
    return self_test(candidate.model, prompter.prefix, [prompter.encode(request).own for request in requests])
