"""Valence, arousal and dominance of a text by looking its words up in a lexicon."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from simplemma import lemmatize

from emoloom.lexicon.norms import Lexicon, Vad, normalise_term
from emoloom.lexicon.words import (
    FIRST_PERSON,
    FIRST_PERSON_PLURAL,
    INTENSIFIERS,
    NEGATORS,
    PICTOGRAMS,
    SECOND_PERSON,
    STOP_WORDS,
)

NEGATION_WINDOW = 5
NEGATION_FACTOR = -0.5
INTENSIFIER_WINDOW = 2
INTENSIFIER_FACTOR = 1.5
BASE_WEIGHT = 0.1
"""Added to every cue's strength when cues are averaged, so that a text of neutral words still has a mean."""

FEATURES = (
    "valence",
    "arousal",
    "dominance",
    "pleasant",
    "unpleasant",
    "pleasant_arousal",
    "unpleasant_arousal",
    "exclamation",
    "exclaimed_valence",
    "question",
    "negated",
    "second_person",
    "first_person",
    "first_person_plural",
    "coverage",
)
"""Names of :attr:`Reading.features`, in order.

- `valence`, `arousal`, `dominance`: strength-weighted mean of the cues less the lexicon's centre, in [-1, 1].
- `pleasant`, `unpleasant`: sums of the cues' valence above and below the centre over (cues + 1).
- `pleasant_arousal`, `unpleasant_arousal`: the same sums with each term times the cue's arousal above the centre, both
  in the lexicon's standard deviations.
- `exclamation`: exclamation marks, at most 3; `exclaimed_valence`: that times `valence`.
- `question`, `negated`, `second_person`, `first_person`, `first_person_plural`: 1 when the text has one, else 0.
- `coverage`: see :class:`Reading`.
"""

_EMOTICONS = "|".join(re.escape(form) for form in PICTOGRAMS if form.isascii())
# `[NAME]` and `[RELIGION]` stand in GoEmotions where a name was taken out; they are no words.
_TOKEN = re.compile(
    rf"""
      (?P<mask> \[(?:NAME|RELIGION)\] )
    | (?P<emoticon> (?<!\w)(?:{_EMOTICONS})(?!\w) )
    | (?P<negator> n\s?['’]\s?t\b )
    | (?P<clitic> (?<=[^\W\d_])\s?['’]\s?(?:s|m|d|re|ve|ll)\b )
    | (?P<stem> [^\W\d_]+?(?=n\s?['’]\s?t\b) )
    | (?P<word> [^\W\d_]+(?:-[^\W\d_]+)* )
    | (?P<mark> [^\w\s] )
    """,
    re.VERBOSE,
)
_CLAUSE_ENDS = frozenset(".;:!?")


class Cue(NamedTuple):
    """A stretch of text that the lexicon knows.

    Attributes:
        word: as it stands in the text, `text[start:end]`.
        start: offset of its first character.
        end: offset after its last character.
        strength: distance from the lexicon's centre, in standard deviations per axis, after negation and intensifiers.
    """

    word: str
    start: int
    end: int
    strength: float


@dataclass(frozen=True)
class Reading:
    """What a lexicon says about one text.

    Attributes:
        vad: uncalibrated (v, a, d), each in [0, 1]; the lexicon's centre when no word is known.
        coverage: share of the content words that the lexicon knows, in [0, 1]; 0 without content words.
        cues: the known words, strongest first.
        features: what :class:`~emoloom.lexicon.calibrate.Calibration` weighs, named by :data:`FEATURES`.
    """

    vad: Vad
    coverage: float
    cues: tuple[Cue, ...]
    features: tuple[float, ...]


class _Token(NamedTuple):
    kind: str
    form: str
    start: int
    end: int


class _Hit(NamedTuple):
    """A cue and its offset from the lexicon's centre per axis, after negation and intensifiers."""

    cue: Cue
    offset: Vad


def read_text(text: str, lexicon: Lexicon) -> Reading:
    """Estimates valence, arousal and dominance of any text, without fitting.

    Cues count by their strength; a negator turns the valence of the cues that follow it in the clause and halves it.
    """
    tokens = _tokenise(text)
    hits, coverage = _find_hits(text, tokens, lexicon)
    mean = _weighted_mean(hits)
    v, a, d = (min(1.0, max(0.0, centre + offset)) for centre, offset in zip(lexicon.centre, mean, strict=True))
    cues = tuple(sorted((hit.cue for hit in hits), key=lambda cue: (-cue.strength, cue.start)))
    features = (*mean, *_polarity(hits, lexicon.spread), *_style(text, tokens, mean[0]), coverage)
    return Reading((v, a, d), coverage, cues, features)


def _tokenise(text: str) -> list[_Token]:
    return [_token(match) for match in _TOKEN.finditer(text)]


def _token(match: re.Match[str]) -> _Token:
    kind, form = match.lastgroup or "", match.group()
    if form in PICTOGRAMS:
        return _Token("pictogram", form, match.start(), match.end())
    # A negator or clitic may be spaced ("I ’ m"); no other token has spaces.
    return _Token(kind, normalise_term("".join(form.split())), match.start(), match.end())


def _find_hits(text: str, tokens: list[_Token], lexicon: Lexicon) -> tuple[list[_Hit], float]:
    """The hits in order of the text, and the share of content words that they cover."""
    hits: list[_Hit] = []
    content = known = 0
    since_negator = since_intensifier = math.inf
    index = 0
    while index < len(tokens):
        token = tokens[index]
        vad, length = _longest_match(tokens, index, lexicon)
        index += length
        if vad is None and token.kind == "mark":
            since_negator = math.inf if token.form in _CLAUSE_ENDS else since_negator
        elif vad is None and token.form in NEGATORS:
            since_negator = 0
        elif vad is None and token.form in INTENSIFIERS:
            since_negator, since_intensifier = since_negator + 1, 0
        elif token.kind != "clitic":
            since_negator, since_intensifier = since_negator + 1, since_intensifier + 1
            is_content = vad is not None or _is_content(token)
            content, known = content + is_content, known + (vad is not None)
        if vad is not None:
            boost = INTENSIFIER_FACTOR if since_intensifier <= INTENSIFIER_WINDOW else 1.0
            turn = NEGATION_FACTOR if since_negator <= NEGATION_WINDOW else 1.0
            hits.append(_hit(text, token.start, tokens[index - 1].end, vad, (boost * turn, boost, boost), lexicon))
    return hits, known / content if content else 0.0


def _hit(text: str, start: int, end: int, vad: Vad, factors: Vad, lexicon: Lexicon) -> _Hit:
    v, a, d = (factor * (x - centre) for factor, x, centre in zip(factors, vad, lexicon.centre, strict=True))
    sv, sa, sd = lexicon.spread
    return _Hit(Cue(text[start:end], start, end, math.hypot(v / sv, a / sa, d / sd)), (v, a, d))


def _is_content(token: _Token) -> bool:
    return token.kind == "word" and len(token.form) > 1 and token.form not in STOP_WORDS


def _longest_match(tokens: list[_Token], start: int, lexicon: Lexicon) -> tuple[Vad | None, int]:
    """The values of the longest term that begins at a token (None: there is none) and its length in tokens, >= 1."""
    best: tuple[Vad | None, int] = _look_up(tokens[start], lexicon), 1
    term, words = tokens[start].form, 1
    # The bound (two clitics a word) keeps long texts linear in time.
    for length, token in enumerate(tokens[start + 1 : start + 3 * lexicon.max_words], start=2):
        if token.kind in ("mark", "pictogram", "mask"):
            break
        attached = token.kind in ("negator", "clitic")
        term, words = term + ("" if attached else " ") + token.form, words + (not attached)
        if words > lexicon.max_words:
            break
        if words > 1 and term in lexicon.entries:
            best = lexicon.entries[term], length
    return best


def _look_up(token: _Token, lexicon: Lexicon) -> Vad | None:
    if token.kind == "pictogram":
        return lexicon.entries.get(PICTOGRAMS[token.form])
    if not _is_content(token) or token.form in NEGATORS or token.form in INTENSIFIERS:
        return None
    return next((lexicon.entries[form] for form in _candidates(token.form) if form in lexicon.entries), None)


@lru_cache(maxsize=1 << 16)
def _candidates(word: str) -> tuple[str, ...]:
    """Forms under which a word may stand in a lexicon, best first: itself, its lemma, its parts, its adjective."""
    parts = [form for part in reversed(word.split("-")) for form in (part, _lemma(part))]
    forms = [word, _lemma(word), *(parts if "-" in word else ()), *_adjectives(word)]
    return tuple(form for form in dict.fromkeys(forms) if len(form) > 1 and form not in STOP_WORDS)


def _lemma(word: str) -> str:
    return str(lemmatize(word, lang="en")).lower()


def _adjectives(adverb: str) -> list[str]:
    """What an adverb in -ly may be made from: kind(ly), happ(y) -> happily, terribl(e) -> terribly, basic(al)ly."""
    if not adverb.endswith("ly") or len(adverb) < 5:
        return []
    stem = adverb[:-2]
    return [stem, stem[:-1] + "y", stem + "e", stem[:-1] + "le", stem[:-2]]


def _weighted_mean(hits: list[_Hit]) -> Vad:
    """Mean offset from the centre, each hit weighted by its strength; zero without hits."""
    weights = [hit.cue.strength + BASE_WEIGHT for hit in hits]
    total = sum(weights) or 1.0
    v, a, d = (sum(w * hit.offset[axis] for w, hit in zip(weights, hits, strict=True)) / total for axis in range(3))
    return v, a, d


def _polarity(hits: list[_Hit], spread: Vad) -> tuple[float, float, float, float]:
    """`pleasant`, `unpleasant`, `pleasant_arousal`, `unpleasant_arousal`."""
    above = [max(hit.offset[0], 0.0) for hit in hits]
    below = [min(hit.offset[0], 0.0) for hit in hits]
    aroused = [max(hit.offset[1], 0.0) / (spread[0] * spread[1]) for hit in hits]
    n = len(hits) + 1
    above_aroused = sum(x * y for x, y in zip(above, aroused, strict=True))
    below_aroused = sum(x * y for x, y in zip(below, aroused, strict=True))
    return sum(above) / n, sum(below) / n, above_aroused / n, below_aroused / n


def _style(text: str, tokens: list[_Token], valence: float) -> tuple[float, ...]:
    """The features from `exclamation` to `first_person_plural`."""
    forms = {token.form for token in tokens}
    exclamation = float(min(text.count("!"), 3))
    present = (NEGATORS, SECOND_PERSON, FIRST_PERSON, FIRST_PERSON_PLURAL)
    return exclamation, exclamation * valence, float("?" in text), *(float(not forms.isdisjoint(w)) for w in present)
