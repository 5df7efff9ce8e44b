"""The mirror of a text on the valence axis: its words exchanged for their opposites, or its one statement negated."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from emoloom.lexicon.words import NEGATORS
from emoloom.mixture.mirrors import BLOCKED, MISHAPS, OPERATORS, TERMS, WINDFALLS, Term

_LONGEST_FIRST = sorted(TERMS, key=lambda term: (-len(term), term))
_WORDS = [term for term in _LONGEST_FIRST if re.fullmatch(r"[a-z][a-z ']+", term)]
_PICTOGRAMS = [term for term in _LONGEST_FIRST if term not in _WORDS]


def _alternatives(terms: list[str]) -> str:
    return "|".join(re.escape(term).replace("'", "['’]") for term in terms)


# Cased letters are compared as ASCII: full Unicode case folding would let `ſ` through as an s, which has no table entry.
_TERM = re.compile(
    rf"(?<![\w\[])(?<!\w[-'’])(?:(?P<article>[Aa]|[Aa]n|AN)[ ])?(?P<word>(?ai:{_alternatives(_WORDS)}))(?!\w|-\w)"
    rf"|(?<!\w)(?P<pictogram>{_alternatives(_PICTOGRAMS)})(?!\w)"
)


def _phrases(phrases: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{_alternatives(sorted(phrases, key=len, reverse=True))})(?!\w)", re.IGNORECASE)


_BLOCKED, _MISHAPS, _WINDFALLS = _phrases(BLOCKED), _phrases(MISHAPS), _phrases(WINDFALLS)
_CLAUSE_END = re.compile(r"[.;:!?\n]+(?=\s|$)")
_NEGATOR = re.compile(
    rf"n\s?['’]\s?t\b|\b(?:{'|'.join(sorted(word for word in NEGATORS if word.isalpha()))})\b", re.IGNORECASE
)
_VOWEL_SOUND = re.compile(r"[aeio]|u(?!s[ae])", re.IGNORECASE)
_SILENT_H = ("honest", "honor")

WORDS_PER_TERM = 15
"""Words of text for each exchanged term at most: one word in a long story does not turn the story."""

_SUBJECTS = "I|[Ww]e|[Tt]hey|[Yy]ou|[Pp]eople"
_VERBS = "like|want|enjoy|trust|recommend|appreciate|respect|believe|deserve|support|care"
# One word at the end of the text, so that the negation is sure to reach what carries the valence.
_PREDICATE = r"\b(?= (?:(?:an?|the|my|our|so|very) )?(?!not\b)[\w-]+[.!]*$)"
# What negates a statement, as (pattern, replacement) both ways; the first that matches at a place counts.
_NEGATIONS = (
    (re.compile(rf"\b({_SUBJECTS}) don['’]t ({_VERBS})\b"), r"\1 \2"),
    (re.compile(rf"\b({_SUBJECTS}) ({_VERBS})\b"), r"\1 don't \2"),
    (re.compile(r"\b([Ii]s|[Aa]re|[Ww]as|[Ww]ere|[Ww]ould|[Ss]hould|[Cc]ould|[Dd]oes|[Dd]id)n['’]t\b"), r"\1"),
    (re.compile(rf"\b(is|are|was|were){_PREDICATE}"), r"\1n't"),
    (re.compile(r"\b((?:[Ii]t|[Tt]hat|[Hh]e|[Ss]he)['’]s|(?:[Yy]ou|[Ww]e|[Tt]hey)['’]re|I['’]m|I am) not\b"), r"\1"),
    (
        re.compile(
            rf"\b((?:[Ii]t|[Tt]hat|[Hh]e|[Ss]he)['’]s|(?:[Yy]ou|[Ww]e|[Tt]hey)['’]re|I['’]m|I am)\b{_PREDICATE}"
        ),
        r"\1 not",
    ),
)


class MirroredText(NamedTuple):
    """A text's mirror and what was done.

    Attributes:
        text: the mirrored text.
        pleasant: the side on which the exchanged terms of the *original* lie; None where a statement was negated.
        held_out: whether the exchanged terms are those of the flip test.
        exchanged: number of exchanged terms.
    """

    text: str
    pleasant: bool | None
    held_out: bool
    exchanged: int


def mirror_text(text: str) -> MirroredText | None:
    """The mirror of any text; None where there is no safe one.

    Exchanges every term that the table knows, keeping capitals and the sound rule of ``a`` and ``an``. It declines where the
    terms lie on both sides or belong partly to the flip test, where one stands in a clause with a negator, where a phrase
    makes a term mean something else, and where the mirror of the mirror is not the text. A text without any term
    has its one statement negated or its one negation removed; never both.
    """
    if _BLOCKED.search(text) or _negates_a_term(text):
        return None
    mirrored = _turned(text)
    if mirrored is None or mirrored.text == text or not _turns_all(text, mirrored):
        return None
    back = _turned(mirrored.text)
    return mirrored if back and back.text == text else None


def _turned(text: str) -> MirroredText | None:
    return _exchange(text) if _TERM.search(text) else _negate(text)


def _turns_all(text: str, mirrored: MirroredText) -> bool:
    """Whether the exchanged terms carry the text: it is no long story, and tells no event that speaks for itself."""
    if mirrored.pleasant is None:
        return True
    events = _WINDFALLS if mirrored.pleasant else _MISHAPS
    return len(text.split()) <= WORDS_PER_TERM * mirrored.exchanged and not events.search(_TERM.sub("", text))


def _negates_a_term(text: str) -> bool:
    """Whether a negator and a term share a clause: neither exchanging nor dropping the negator turns that with any certainty."""
    terms = [match.start() for match in _TERM.finditer(text)]
    ends = [0, *(match.end() for match in _CLAUSE_END.finditer(text)), len(text)]
    clauses = [(start, end) for start, end in pairwise(ends) if any(start <= term < end for term in terms)]
    return any(_NEGATOR.search(text, start, end) for start, end in clauses)


def _exchange(text: str) -> MirroredText | None:
    terms: list[Term] = []
    pieces: list[str] = []
    last = 0
    for match in _TERM.finditer(text):
        form = match["word"] or match["pictogram"]
        term = TERMS[form if match["pictogram"] else form.lower().replace("’", "'")]
        replacement = term.mirror if match["pictogram"] else _recased(term.mirror, form)
        if replacement is None:
            return None
        article = f"{_article(match['article'], form, replacement)} " if match["article"] else ""
        pieces += [text[last : match.start()], article, replacement]
        last = match.end()
        terms.append(term)
    sides = {(term.pleasant, term.held_out) for term in terms}
    if len(sides) != 1 or (len(terms) > 1 and any(term.mirror in OPERATORS for term in terms)):
        return None
    [(pleasant, held_out)] = sides
    return MirroredText("".join([*pieces, text[last:]]), pleasant, held_out, len(terms))


def _recased(mirror: str, form: str) -> str | None:
    """``mirror`` with the capitals of ``form``: none, the first letter's or all; None for any other way of writing."""
    if form == form.lower():
        return mirror
    if form == form.upper():
        return mirror.upper()
    capitalised = form[0].upper() + form[1:].lower()
    return mirror[0].upper() + mirror[1:] if form == capitalised else None


def _article(article: str, old: str, new: str) -> str:
    """``a`` or ``an`` before ``new``, where the writer had the right one before ``old``."""
    if (len(article) == 2) != _vowel_sound(old) or _vowel_sound(old) == _vowel_sound(new):
        return article
    if len(article) == 2:
        return article[0]
    return article + ("N" if article == "A" and old.isupper() else "n")


def _vowel_sound(word: str) -> bool:
    return bool(_VOWEL_SOUND.match(word)) or word.lower().startswith(_SILENT_H)


def _negate(text: str) -> MirroredText | None:
    """The one statement turned; None for questions and where there is not exactly one place to do it."""
    negators = len(_NEGATOR.findall(text))
    if "?" in text or negators > 1:
        return None
    removing, inserting = _NEGATIONS[0::2], _NEGATIONS[1::2]
    found = [(pattern, new) for pattern, new in (removing if negators else inserting) if pattern.search(text)]
    if len(found) != 1 or len(found[0][0].findall(text)) != 1:
        return None
    pattern, new = found[0]
    return MirroredText(pattern.sub(new, text), None, False, 0)
