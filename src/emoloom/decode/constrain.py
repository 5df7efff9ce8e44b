"""The `constrained` readout: a grammar under which every reply keeps the contract, whatever the model prefers."""

from __future__ import annotations

import json
from functools import cache

import llguidance.hf
import numpy as np
import torch
from llguidance import LLMatcher

from emoloom.contract.record import MAX_RATIONALE_WORDS
from emoloom.contract.taxonomy import Taxonomy
from emoloom.errors import CandidateError
from emoloom.model.prompts import Prompter

MAX_LABELS = 3
"""0.07% of GoEmotions' training records have more."""

_HEAD = '{"labels":['
# What follows the labels, with numbers and without a rationale; its length does not depend on the numbers.
_TAIL = '],"vad":{"v":0.00,"a":0.00,"d":0.00},"rationale":"'
# The word that stands for a rationale where no room is left for one.
_NO_WORD = "?"
_END = '"}'


class Grammar:
    """All lines that the contract allows, as one tokenizer spells them. Made once, used for any number of replies.

    Labels come in taxonomy order, at most :data:`MAX_LABELS`; numbers have two decimals; the rationale has 1 to 12 words of
    printable ASCII without quotation marks and backslashes, so that nothing needs an escape. A line is always complete within
    ``max_new_tokens``: where the tokens left would not suffice after a token, that token is not allowed.

    Raises:
        EmoLoomError: the tokenizer's tokens cannot be told as bytes, or no line fits into ``max_new_tokens``.
    """

    def __init__(self, prompter: Prompter, space: Taxonomy, *, max_new_tokens: int) -> None:
        self.eos = prompter.eos
        self.max_new_tokens = max_new_tokens
        self._where = str(getattr(prompter.tokenizer, "name_or_path", ""))
        self._items = [json.dumps(label) for label in space.labels]
        try:
            self._tokens = llguidance.hf.from_tokenizer(prompter.tokenizer, eos_token=prompter.eos)
        except ValueError as error:
            raise self._unfit(str(error).splitlines()[0]) from error
        self.vocabulary = self._tokens.vocab_size
        self._lead = self._written_before_line(prompter)
        self._matcher = LLMatcher(self._tokens, LLMatcher.grammar_from_lark(self._lark()))
        if self._matcher.is_error():
            raise self._unfit(self._matcher.get_error().splitlines()[0])
        self._length = cache(lambda text: len(self._tokens.greedy_tokenize(text)))
        # Most tokens that completing a line can take: before the rationale, and from there on.
        rest = _TAIL + _NO_WORD + _END
        begun = [item[cut:] + rest for item in self._items for cut in range(len(item))]
        self._most = max(
            *(self._length(text) for text in [*begun, *(rest[cut:] for cut in range(len(rest)))]),
            *(self.tokens_to_end(self._lead + _HEAD[:cut]) for cut in range(len(_HEAD))),
        )
        self._most_in_rationale = max(self._length(rest[-cut:]) for cut in range(1, 4))
        least = self.tokens_to_end("")
        if least > max_new_tokens:
            raise CandidateError(
                f"a reply takes at least {least} tokens of this tokenizer, {max_new_tokens} are allowed",
                where=self._where,
                remedy="Choose a model with longer tokens, or the free readout.",
            )

    def start(self) -> Cursor:
        """A reply's beginning."""
        return Cursor(self, self._matcher.deep_copy())

    def tokens_to_end(self, written: str) -> int:
        """How many tokens the shortest known completion of ``written``, the beginning of a line, takes."""
        return min(map(self._length, self._completions(written)))

    def fitting(self, allowed: torch.Tensor, generated: list[int]) -> torch.Tensor:
        """Those of the ``allowed`` (vocabulary,) tokens after which the line can still be completed in time.

        The first token of the shortest completion always is one of them: a text's longest-match tokens are, without the first,
        those of the rest of the text.
        """
        left = self.max_new_tokens - len(generated) - 1
        if left >= self._most:
            return allowed
        written = self.text(generated)
        candidates: list[int] = []
        if self._in_rationale(written):
            if left >= self._most_in_rationale:
                return allowed
        else:
            candidates = [t for t in allowed.nonzero().flatten().tolist() if self._fits(written, t, left)]
        if not candidates:
            shortest = min(self._completions(written), key=self._length)
            candidates = self._tokens.greedy_tokenize(shortest)[:1] or [self.eos]
        fitting = torch.zeros_like(allowed)
        fitting[candidates] = True
        return fitting

    def text(self, tokens: list[int]) -> str:
        """What ``tokens`` spell; all of it is ASCII."""
        return self._tokens.decode_bytes(tokens).decode("ascii")

    def _fits(self, written: str, token: int, left: int) -> bool:
        return token == self.eos or self.tokens_to_end(written + self.text([token])) <= left

    def _in_rationale(self, written: str) -> bool:
        labels, _, _ = written.partition("]")
        return len(written) >= len(labels) + len(_TAIL)

    def _completions(self, written: str) -> list[str]:
        """What may follow ``written`` up to the line's end: one text for each label that may come next, else one."""
        line = written[len(self._lead) :]
        _, closed, rest = line.partition("]")
        if not closed:
            start = (self._lead + _HEAD)[len(written) :]
            before, _, begun = line[len(_HEAD) :].rpartition(",")
            earlier = self._items.index(before.rpartition(",")[2]) + 1 if before else 0
            left = [item[len(begun) :] for item in self._items[earlier:] if item.startswith(begun)]
            return [f"{start}{item}{_TAIL}{_NO_WORD}{_END}" for item in left]
        if not self._in_rationale(line):
            return [_TAIL[1 + len(rest) :] + _NO_WORD + _END]
        rationale, ended, brace = rest[len(_TAIL) - 1 :].partition('"')
        if ended:
            return ["" if brace else _END[1:]]
        return [_END if rationale and not rationale.endswith(" ") else _NO_WORD + _END]

    def _lark(self) -> str:
        """The grammar in llguidance's dialect of Lark: one lexeme, so that there is no choice of how to cut a line up."""
        head, last = json.dumps(self._lead + _HEAD), json.dumps(_END)
        in_order = " ".join(f"({json.dumps(item)} /[,\\]]/)?" for item in self._items)
        v, a, d, rationale = (json.dumps(text) for text in (',"vad":{"v":', ',"a":', ',"d":', '},"rationale":"'))
        return (
            f"start: LINE\n"
            f"LINE: {head} LABELS {v} NUMBER {a} NUMBER {d} NUMBER {rationale} WORDS {last}\n"
            f"LABELS: ({in_order}) & /(\"[^\"]+\",){{0,{MAX_LABELS - 1}}}\"[^\"]+\"\\]/\n"
            f"NUMBER: /0\\.[0-9][0-9]|1\\.00/\n"
            f"WORDS: /[!#-\\[\\]-~]+( [!#-\\[\\]-~]+){{0,{MAX_RATIONALE_WORDS - 1}}}/\n"
        )  # fmt: skip

    def _written_before_line(self, prompter: Prompter) -> str:
        """The space that some tokenizers put before a text, and drop when they decode."""
        line = f"{_HEAD}{self._items[0]}{_TAIL}{_NO_WORD}{_END}"
        ids = prompter.encode_reply(line)[:-1]
        spelled = self._tokens.decode_bytes(ids).decode("utf-8", "replace")
        if prompter.decode(ids) != line or spelled not in (line, " " + line):
            raise self._unfit(f"its tokens for {line} read {spelled}")
        return spelled[: -len(line)]

    def _unfit(self, problem: str) -> CandidateError:
        return CandidateError(
            f"the tokenizer cannot be used with a grammar: {problem}",
            where=self._where,
            remedy="Use the free readout for this model.",
        )


class Cursor:
    """Where one reply stands in the grammar."""

    def __init__(self, grammar: Grammar, matcher: LLMatcher) -> None:
        self._grammar = grammar
        self._matcher = matcher
        self._generated: list[int] = []

    def allowed(self) -> torch.Tensor:
        """(vocabulary,) bool, on the CPU: the tokens that may come next, at least one; the end token alone after a whole line."""
        bits = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), np.uint8), bitorder="little")
        self._check()
        allowed = torch.from_numpy(bits[: self._grammar.vocabulary]).bool()
        return self._grammar.fitting(allowed, self._generated)

    def advance(self, token: int) -> None:
        """Goes on by an allowed token."""
        self._matcher.consume_token(token)
        self._check()
        self._generated.append(token)

    def back(self, steps: int) -> None:
        """Takes the last ``steps`` tokens back."""
        self._matcher.rollback(steps)
        self._check()
        del self._generated[len(self._generated) - steps :]

    def _check(self) -> None:
        if self._matcher.is_error():
            raise ValueError(self._matcher.get_error())
