"""How a begun rationale probably goes on: the label's gloss, a colon, and words of the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from emoloom.contract.affect import AFFECT

_WORD = re.compile(r"[^\W\d_][\w'’-]*")
# Models also write a label's name for its gloss.
_GLOSSES = (*(affect.gloss for affect in AFFECT.values()), *AFFECT)


def complete_gloss(begun: str, likely: Iterable[str], begins: Callable[[str, str], bool]) -> str:
    """The first of the ``likely`` glosses, or else of all known ones, that begins so; ``begun`` where none does."""
    return next((gloss for gloss in chain(likely, _GLOSSES) if begins(begun, gloss)), begun)


def complete_rationale(
    written: str,
    gloss: str,
    expected: Sequence[str],
    words: Sequence[str],
    cues: int,
    begins: Callable[[str, str], bool],
) -> str:
    """A whole rationale that begins with ``written``, if it keeps to ``gloss: cue, cue``.

    Args:
        gloss: the one that it has, or will have where its colon is not written yet.
        expected: the cues that were.
        words: what cues are taken from, likeliest first.
        cues: how many cues a rationale has at the least.
        begins: whether the first of two words, which may be cut off, can become the second.
    """
    _, _, spelled = written.partition(":")
    *done, begun = (cue.strip() for cue in spelled.split(","))
    if done == list(expected[: len(done)]) and ", ".join(expected[len(done) :]).startswith(begun):
        return _spell(gloss, expected, expected, cues)
    fitting = (word for word in [*expected, *words] if word not in done and begins(begun, word))
    return _spell(gloss, [*done, next(fitting, begun or done[-1])], expected, cues)


def _spell(gloss: str, chosen: Sequence[str], expected: Sequence[str], cues: int) -> str:
    """``gloss: cue, cue``; a text with one telling word has it as often as there are cues."""
    chosen = list(chosen)
    while chosen and len(chosen) < cues:
        chosen.append(next((cue for cue in expected if cue not in chosen), chosen[-1]))
    return f"{gloss}: {', '.join(chosen)}" if chosen else gloss


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def parts(rationale: str) -> tuple[str, list[str]]:
    """The gloss and the cues of a rationale."""
    gloss, colon, spelled = rationale.partition(": ")
    return gloss, spelled.split(", ") if colon else []
