"""The prompt: one template per version, as plain strings. :mod:`emoloom.model.prompts` turns it into tokens.

Its parts are encoded apart. Instruction and tail end with a single line break or a control token, so that whoever encodes the
whole text mostly gets the same tokens (docs/decisions/017-whole-prompt.md): a blank line would be one token alone, two before a
word, and a space would join the reply.
"""

from __future__ import annotations

from emoloom.contract.record import Request, make_reply
from emoloom.contract.taxonomy import Taxonomy

VERSION = "2"


def instruction(space: Taxonomy) -> str:
    """What comes before the text and is the same for every request: task, label inventory, shape of the reply."""
    example = make_reply(space.labels[:1], (0.8, 0.5, 0.55), "respect: well done", space)
    return (
        "Which emotions does the writer of the text express? Reply with one line of JSON.\n"
        f"labels: one or more of {', '.join(space.labels)}\n"
        "vad: valence, arousal and dominance from 0.00 to 1.00\n"
        "rationale: at most 12 words\n"
        f"Example: {example.line()}\n"
    )


def question(request: Request) -> str:
    """The part that differs between requests: earlier turns, oldest first, then the text."""
    turns = "".join(f"Before: {turn}\n" for turn in request.context)
    return f"{turns}Text: {request.text}"


PLAIN_TAIL = "\nReply:\n"
"""What follows the question where a tokenizer has no chat template."""
