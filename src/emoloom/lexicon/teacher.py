"""What a record's reply should be: weak VAD where there is no gold, and a rationale from glosses and cues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from emoloom.contract.affect import AFFECT, VAD, anchor
from emoloom.contract.record import MAX_RATIONALE_WORDS, Record, Vad, VadSource
from emoloom.contract.taxonomy import GOEMOTIONS, MAPS, convert, taxonomy
from emoloom.lexicon.calibrate import Calibration, shipped_calibration
from emoloom.lexicon.norms import Lexicon
from emoloom.lexicon.reading import FEATURES, Reading, read_text

# Mean and standard deviation of EmoBank's 8,062 training ratings, (x - 1) / 4, and those of the 28 anchors: label anchors are
# brought onto the scale on which readers rate sentences, where the calibrated lexicon estimate already lies.
READERS_MEAN, READERS_SD = (0.4946, 0.5110, 0.5157), (0.0875, 0.0655, 0.0526)
_ANCHORS = [affect.vad for affect in AFFECT.values()]
# The most that a lexicon estimate counts beside a label anchor, when the lexicon knows every word.
LEXICON_SHARE = 0.5
CUES = 2
UNFITTED = "nothing: standardised"
"""Stands in :attr:`Calibration.fitted_on` for a lexicon that has no calibration of its own."""


@dataclass(frozen=True)
class Teacher:
    """Completes records, with a lexicon and its calibration where there is one, from labels alone otherwise.

    Attributes:
        lexicon: what texts are read with, or None.
        calibration: maps readings to the readers' scale; None exactly where ``lexicon`` is.
    """

    lexicon: Lexicon | None = None
    calibration: Calibration | None = None

    @classmethod
    def of(cls, lexicon: Lexicon) -> Teacher:
        """A teacher with this lexicon and the calibration that was fitted for this very file, or :func:`standardised`."""
        return cls(lexicon, shipped_calibration(lexicon) or standardised(lexicon))

    def complete(self, record: Record) -> Record:
        """The record with a VAD, its source, coverage and weight, and a rationale; what it has already is kept."""
        reading = read_text(record.text, self.lexicon) if self.lexicon else None
        labels = _goemotions_labels(record)
        changes: dict[str, object] = {}
        if record.vad is None:
            changes |= self._weak_vad(reading, labels)
        if not record.rationale.strip() and labels:
            changes["rationale"] = rationale(labels, record.cues or _cue_words(reading)[:CUES])
        return record.model_copy(update=changes)

    def read_vad(self, text: str) -> VAD:
        """The calibrated lexicon estimate of a text; the readers' mean where there is no lexicon."""
        if self.lexicon is None or self.calibration is None:
            return READERS_MEAN
        return self.calibration.apply(read_text(text, self.lexicon))

    def cues(self, text: str) -> tuple[str, ...]:
        """The words of a text that speak of its affect, strongest first, as a rationale names them; none without a lexicon."""
        return _cue_words(read_text(text, self.lexicon) if self.lexicon else None)

    def word_values(self) -> dict[str, VAD]:
        """VAD of single words in lower case, on the scale of the records: the lexicon's words brought from its mean and spread
        to the readers'; the 28 labels, with or without a lexicon, at their :func:`readers_anchor`."""
        values: dict[str, VAD] = {}
        if self.lexicon is not None:
            centre, spread = self.lexicon.centre, self.lexicon.spread
            for word, vad in self.lexicon.entries.items():
                values[word] = _to_readers([(x - c) / s for x, c, s in zip(vad, centre, spread, strict=True)])
        return values | {label: readers_anchor([label]) for label in GOEMOTIONS.labels}

    def _weak_vad(self, reading: Reading | None, labels: Sequence[str]) -> dict[str, object]:
        """The VAD fields of a record without gold: a blend by coverage of lexicon estimate and label anchor, or either."""
        estimate = self.calibration.apply(reading) if self.calibration and reading else None
        coverage = reading.coverage if reading else 0.0
        if estimate and labels:
            share = LEXICON_SHARE * coverage
            mixed = zip(estimate, readers_anchor(labels), strict=True)
            return _weak("blend", [share * x + (1 - share) * y for x, y in mixed], 0.5 + coverage / 2, coverage)
        if labels:
            return _weak("label", readers_anchor(labels), 0.5, None)
        if estimate:
            return _weak("lexicon", estimate, coverage, coverage)
        return {}


def standardised(lexicon: Lexicon) -> Calibration:
    """What stands in for a calibration: the mean of a text's cues, brought from the mean and spread of the lexicon's words to
    those of EmoBank's training ratings. Nothing is fitted."""
    coefficients = dict.fromkeys(FEATURES, (0.0, 0.0, 0.0))
    v, a, d = (sd / spread for sd, spread in zip(READERS_SD, lexicon.spread, strict=True))
    coefficients |= {"valence": (v, 0.0, 0.0), "arousal": (0.0, a, 0.0), "dominance": (0.0, 0.0, d)}
    return Calibration(lexicon.name, lexicon.sha256, UNFITTED, 0, READERS_MEAN, coefficients)


def readers_anchor(labels: Sequence[str]) -> VAD:
    """The labels' mean anchor, brought from the anchors' mean and spread to those of EmoBank's training ratings."""
    return _to_readers([(value - _mean(axis)) / _sd(axis) for axis, value in enumerate(anchor(labels))])


def _to_readers(scores: Sequence[float]) -> VAD:
    """Standard scores per axis as values on the readers' scale, clipped to [0, 1]."""
    v, a, d = (
        min(1.0, max(0.0, mean + sd * score)) for mean, sd, score in zip(READERS_MEAN, READERS_SD, scores, strict=True)
    )
    return v, a, d


def rationale(labels: Sequence[str], cues: Sequence[str]) -> str:
    """``gloss and gloss: cue, cue``: what the labels mean and which words say so, at most twelve words."""
    meaning = " and ".join(AFFECT[label].gloss for label in labels[:2])
    room = MAX_RATIONALE_WORDS - len(meaning.split())
    words: list[str] = []
    for cue in cues[:CUES]:
        if sum(len(word.split()) for word in words) + len(cue.split()) <= room:
            words.append(cue)
    return f"{meaning}: {', '.join(words)}" if words else meaning


def _goemotions_labels(record: Record) -> tuple[str, ...]:
    """The record's labels in the space that has anchors and glosses; none where there is no map to it."""
    if record.taxonomy != GOEMOTIONS.name and (record.taxonomy, GOEMOTIONS.name) not in MAPS:
        return ()
    return convert(record.labels, taxonomy(record.taxonomy), GOEMOTIONS)


def _cue_words(reading: Reading | None) -> tuple[str, ...]:
    """The strongest cues as they stand in the text, each word once, in lower case as a lexicon has them."""
    words = (cue.word.lower() for cue in reading.cues) if reading else ()
    return tuple(dict.fromkeys(word for word in words if word.isascii() and word.replace("-", "").isalpha()))


def _weak(source: VadSource, triple: Sequence[float], weight: float, coverage: float | None) -> dict[str, object]:
    v, a, d = (round(x, 4) for x in triple)
    rounded = None if coverage is None else round(coverage, 4)
    return {"vad": Vad(v=v, a=a, d=d), "vad_source": source, "vad_weight": round(weight, 4), "vad_coverage": rounded}


@cache
def _mean(axis: int) -> float:
    return sum(vad[axis] for vad in _ANCHORS) / len(_ANCHORS)


@cache
def _sd(axis: int) -> float:
    mean = _mean(axis)
    return float((sum((vad[axis] - mean) ** 2 for vad in _ANCHORS) / len(_ANCHORS)) ** 0.5)
