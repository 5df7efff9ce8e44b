"""Prompts and replies as tokens. The same functions serve training and inference."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from emoloom.contract import prompt
from emoloom.contract.record import Request
from emoloom.contract.taxonomy import Taxonomy
from emoloom.errors import EmoLoomError
from emoloom.model.packing import ALIGN
from emoloom.model.vocabulary import Vocabulary

# For templates that name the day: the prompt must not change overnight.
_DATE = "01 Jan 2026"
# Stands for the question while the chat template is rendered; no template or text contains it.
_MARK = "\ue000question\ue001"


@dataclass(frozen=True)
class Prompt:
    """A request as tokens.

    Attributes:
        own: token ids after the shared prefix, up to where the reply begins.
        cut: how many tokens of the turns and the text were dropped because they are longer than the model can read.
    """

    own: tuple[int, ...]
    cut: int


class Prompter:
    """Turns requests into tokens and tokens into reply text, for one tokenizer and label space.

    Attributes:
        prefix: the token ids every prompt begins with.
        uses_chat_template: whether the tokenizer's chat template wraps the prompt.
        digest: sha256 of everything around the question, and of what ends a reply: it changes when the prompt does.
        eos: the token id that ends a reply.
    """

    def __init__(
        self, tokenizer: Any, space: Taxonomy, *, max_tokens: int, max_new_tokens: int, ends: Collection[int] = ()
    ) -> None:
        """Lays the contract's prompt out for ``tokenizer``.

        Args:
            ends: the tokens at which the model's own settings end a reply, where it comes with any.

        Raises:
            EmoLoomError: the chat template fails, nothing ends a reply, or the context is too short.
        """
        self.tokenizer = tokenizer
        self.uses_chat_template = bool(getattr(tokenizer, "chat_template", None))
        head, tail = self._frame(space)
        head_ids = self._encode(head, special=True)
        if not self.uses_chat_template and tokenizer.bos_token_id is not None:
            head_ids = [tokenizer.bos_token_id, *head_ids]
        self.prefix = tuple(head_ids)
        self._tail = tuple(self._encode(tail, special=True))
        self.eos = self._end_of_reply(ends)
        around = [prompt.VERSION, head, tail]
        if self.eos != tokenizer.eos_token_id:
            around.append(str(self.eos))
        self.digest = hashlib.sha256("\0".join(around).encode()).hexdigest()
        self._max_tokens, self._max_new_tokens = max_tokens, max_new_tokens
        self._room(max_new_tokens)

    def _room(self, reply: int) -> int:
        """Tokens of a question that fit before a reply of so many."""
        # The canonical forward fills a sequence's own tokens up to a multiple of ALIGN.
        own = (self._max_tokens - len(self.prefix)) // ALIGN * ALIGN
        room = own - len(self._tail) - reply
        if room < ALIGN:
            raise EmoLoomError(
                f"the context of {self._max_tokens} tokens leaves {room} for a text beside the prompt and a reply of {reply}",
                where=str(getattr(self.tokenizer, "name_or_path", "")),
                remedy="Choose a model with a longer context, or shorten the reply that it is to learn.",
            )
        return room

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What each of the tokenizer's tokens spells."""
        return Vocabulary(self.tokenizer)

    def _frame(self, space: Taxonomy) -> tuple[str, str]:
        """What stands before and after the question."""
        if not self.uses_chat_template:
            return prompt.instruction(space), prompt.PLAIN_TAIL
        message = {"role": "user", "content": prompt.instruction(space) + _MARK}
        rendered = self._render([message], add_generation_prompt=True, date_string=_DATE, strftime_now=lambda _: _DATE)
        head, mark, tail = rendered.partition(_MARK)
        if not mark:
            raise self._bad_template("the chat template does not show the user's message")
        return head, tail

    def _render(self, messages: list[dict[str, str]], **options: Any) -> str:
        try:
            return str(self.tokenizer.apply_chat_template(messages, tokenize=False, **options))
        except Exception as error:
            # A template is a program, which may fail in any way.
            raise self._bad_template(f"the chat template fails: {error}") from error

    def _bad_template(self, problem: str) -> EmoLoomError:
        return EmoLoomError(
            problem,
            where=str(self.tokenizer.name_or_path),
            remedy="Mend the tokenizer's chat_template, or remove it to use the plain prompt.",
        )

    def _end_of_reply(self, ends: Collection[int]) -> int:
        """The token that closes an assistant's turn, if the model was trained to stop there; else the tokenizer's end of a
        sequence, else the first of ``ends``."""
        closing = self._end_of_turn()
        if closing is not None and closing in ends:
            return closing
        tokenizer = self.tokenizer
        end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else next(iter(ends), None)
        if end is None:
            raise EmoLoomError(
                "the tokenizer has no end-of-sequence token",
                where=str(tokenizer.name_or_path),
                remedy="Set eos_token in tokenizer_config.json.",
            )
        return int(end)

    def _end_of_turn(self) -> int | None:
        """The first token that the chat template puts behind what the assistant says."""
        if not self.uses_chat_template:
            return None
        messages = [{"role": "user", "content": ""}, {"role": "assistant", "content": _MARK}]
        try:
            rendered = self._render(messages)
        except EmoLoomError:
            # It need not be able to render what an assistant says.
            return None
        behind = self._encode(rendered.partition(_MARK)[2], special=True)
        return behind[0] if behind else None

    def _encode(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids; unless ``special``, text that looks like a control token stays text, so no record can break out."""
        # A lone surrogate cannot be encoded; every such character becomes U+FFFD.
        clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        ids: list[int] = self.tokenizer(clean, add_special_tokens=False, split_special_tokens=not special)["input_ids"]
        return ids

    def encode(self, request: Request, reply: int = 0) -> Prompt:
        """The request as tokens. Where it does not fit, the oldest turns go first; a text that is still too long keeps
        its beginning.

        Args:
            reply: tokens of the reply to be learned, which may be longer than one that is written.

        Raises:
            EmoLoomError: that reply leaves no room for a text.
        """
        room = self._room(max(reply, self._max_new_tokens))
        ids = self._encode(prompt.question(request))
        whole, turns = len(ids), len(request.context)
        if whole > room and turns:

            def without(dropped: int) -> list[int]:
                shorter = request.model_copy(update={"context": request.context[dropped:]})
                return self._encode(prompt.question(shorter))

            # The fewest turns that have to go; halving, because a conversation may have thousands.
            dropped = bisect_left(range(turns), True, key=lambda n: len(without(n)) <= room)
            ids = without(dropped)
        kept = ids[:room]
        return Prompt((*kept, *self._tail), whole - len(kept))

    def encode_reply(self, line: str) -> list[int]:
        """A reply's tokens with the end-of-sequence token."""
        return [*self._encode(line), self.eos]

    def decode(self, ids: list[int]) -> str:
        """The text of generated tokens, without the end-of-sequence token."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text
