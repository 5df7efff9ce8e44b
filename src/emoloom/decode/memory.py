"""What finished replies tell about those to come."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from emoloom.decode.rationale import parts

LABELS = re.compile(r'\{"labels":(\[(?:"[a-z ]+"(?:,"[a-z ]+")*)?\])')
"""How a reply of the contract begins; its group is the list of labels."""
FIXED_WIDTH = len(',"vad":{"v":0.00,"a":0.00,"d":0.00},"rationale":"')
"""Between the labels and the first letter of the rationale, every reply has this length."""
END = '"}'
"""What closes a reply."""
# Replies remembered for each list of labels, and lists of labels, the latest; made-up labels would go on for ever.
_REMEMBERED = 64
_REMEMBERED_LISTS = 256
# Replies by whose labels the usual ones are told.
_REMEMBERED_OPENINGS = 512
# Tokens of earlier replies in which a run is looked up.
_REMEMBERED_TOKENS = 512


class Memory:
    """Finished replies: a model repeats itself.

    Attributes:
        tokens: the latest replies' tokens, one after the other.
    """

    def __init__(self) -> None:
        self.tokens: deque[int] = deque(maxlen=_REMEMBERED_TOKENS)
        self._cues: Counter[int] = Counter()
        self._glosses: dict[str, deque[str]] = {}
        self._heads: dict[str, deque[str]] = {}
        self._openings: deque[str] = deque(maxlen=_REMEMBERED_OPENINGS)

    def add(self, reply: str, tokens: Sequence[int]) -> None:
        """Remembers a finished reply; its gloss by its labels, if it has the contract's shape."""
        self.tokens.extend(tokens)
        labels = LABELS.match(reply)
        if labels:
            width = labels.end() + FIXED_WIDTH
            self._openings.append(labels[0])
            if reply.endswith(END):
                gloss, cues = parts(reply[width:].removesuffix(END))
                _remember(self._glosses, labels[0], gloss)
                self._cues[len(cues)] += 1

    def add_head(self, labels: str, head: str) -> None:
        """Remembers what a reply with these labels begins with, up to the rationale."""
        _remember(self._heads, labels, head)

    @property
    def usual(self) -> str:
        """What more than half of the latest replies begin with, up to the end of the labels; empty where nothing is."""
        for opening, count in Counter(self._openings).most_common(1):
            return opening if 2 * count > len(self._openings) else ""
        return ""

    @property
    def cues(self) -> int:
        """How many cues most rationales had; 0 as long as there was none."""
        return max(self._cues, key=lambda n: (self._cues[n], n), default=0)

    def glosses(self, labels: str | None = None) -> list[str]:
        """The glosses of replies with these labels, or of all, commonest first."""
        known = self._glosses.values() if labels is None else [self._glosses.get(labels, ())]
        return [gloss for gloss, _ in Counter(gloss for glosses in known for gloss in glosses).most_common()]

    def knows(self, written: str) -> bool:
        """Whether a reply has begun like this, up to a number."""
        labels = LABELS.match(written)
        return labels is not None and any(head.startswith(written) for head in self._heads.get(labels[0], ()))

    def head(self, labels: str, written: str) -> str | None:
        """The likeliest beginning, up to the rationale, of a reply that begins with ``written``: of those that agree with it in
        the number that is being written, and longest, the commonest."""
        known = self._heads.get(labels)
        if not known:
            return None
        number = slice(written.rfind(":") + 1, len(written))
        agreeing = [((head[number] == written[number], agreement(head, written)), head) for head in known]
        most = max(agreement for agreement, _ in agreeing)
        return Counter(head for agreement, head in agreeing if agreement == most).most_common(1)[0][0]


def _remember(known: dict[str, deque[str]], labels: str, what: str) -> None:
    latest = known.pop(labels, None) or deque(maxlen=_REMEMBERED)
    latest.append(what)
    # Behind all others, so that the first is the one that has not been met for longest.
    known[labels] = latest
    if len(known) > _REMEMBERED_LISTS:
        del known[next(iter(known))]


def agreement(a: Sequence[Any], b: Sequence[Any]) -> int:
    """Length of the longest common beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
