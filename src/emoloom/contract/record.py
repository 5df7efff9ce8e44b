"""Requests, records and replies: the three kinds of line that EmoLoom reads and writes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from emoloom.contract.affect import ATOMS, VAD
from emoloom.contract.taxonomy import Taxonomy

MAX_RATIONALE_WORDS = 12

Unit = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
TwoDecimals = Annotated[float, Field(ge=0, le=1, multiple_of=0.01, allow_inf_nan=False)]
VadSource = Literal["gold", "lexicon", "label", "blend"]


class _Line(BaseModel):
    """Base of all lines: immutable, and a key that the contract does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Vad(_Line):
    """Valence, arousal and dominance, each in [0, 1]."""

    v: Unit
    a: Unit
    d: Unit

    @property
    def triple(self) -> VAD:
        """The three values in the order v, a, d."""
        return (self.v, self.a, self.d)


class Appraisal(_Line):
    """The four appraisal atoms as the speaker would rate them, each in [0, 1]; 0.5 means "not an issue"."""

    goal_attainment: Unit
    controllability: Unit
    certainty: Unit
    fairness: Unit

    @property
    def atoms(self) -> tuple[float, ...]:
        """The four values in the order of :data:`emoloom.contract.affect.ATOMS`."""
        return tuple(getattr(self, atom) for atom in ATOMS)


class Request(_Line):
    """A text to judge, with the turns that came before it, oldest first."""

    id: Annotated[str, Field(min_length=1)]
    text: str
    context: tuple[str, ...] = Field(default=(), strict=False)


class Record(Request):
    """A request with what is known about it: one line of training or evaluation data.

    ``labels`` is empty where the corpus has none and ``vad`` None where nothing is known yet. ``vad_weight`` in [0, 1] says
    how far a weak ``vad`` is to be trusted (1 for gold), ``vad_coverage`` the share of content words that a lexicon knew.
    ``cues`` are words of the text that carry the emotion, where the corpus's authors marked them.
    """

    labels: tuple[str, ...] = Field(default=(), strict=False)
    taxonomy: str = "goemotions"
    vad: Vad | None = None
    vad_source: VadSource | None = None
    vad_weight: Unit = 1.0
    vad_coverage: Unit | None = None
    rationale: str = ""
    corpus: str
    split: str
    appraisal: Appraisal | None = None
    cues: tuple[str, ...] = Field(default=(), strict=False)

    def line(self) -> str:
        """The record as one line of JSON, without the fields that are empty."""
        return json.dumps(self.model_dump(exclude_defaults=True), ensure_ascii=False, separators=(",", ":"))


class ReplyVad(_Line):
    """The ``vad`` of a reply: two decimals exactly."""

    v: TwoDecimals
    a: TwoDecimals
    d: TwoDecimals


class Reply(_Line):
    """What a model answers. :meth:`line` is its only correct spelling."""

    labels: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    vad: ReplyVad
    rationale: Annotated[str, Field(pattern=rf"^\S+( \S+){{0,{MAX_RATIONALE_WORDS - 1}}}$")]

    @property
    def triple(self) -> VAD:
        """Valence, arousal and dominance."""
        return (self.vad.v, self.vad.a, self.vad.d)

    def line(self) -> str:
        """The reply as one line, keys in order, no spaces after ``,`` and ``:``, two decimals."""
        labels = ",".join(json.dumps(label) for label in self.labels)
        v, a, d = self.triple
        rationale = json.dumps(self.rationale, ensure_ascii=False)
        return f'{{"labels":[{labels}],"vad":{{"v":{v:.2f},"a":{a:.2f},"d":{d:.2f}}},"rationale":{rationale}}}'


def two_decimals(value: float | str | Decimal) -> float:
    """``value`` rounded to the two decimals of a reply (ties to even, on the decimal digits as written)."""
    return float(Decimal(str(value)).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN))


def make_reply(labels: Iterable[str], vad: VAD, rationale: str, space: Taxonomy) -> Reply:
    """A valid reply: labels put in order, numbers clipped and rounded, the rationale cut to its twelve words.

    Raises:
        EmoLoomError: a label is not in ``space``.
        ValueError: there is no label or no word of rationale, or a number is NaN.
    """
    v, a, d = (abs(two_decimals(min(max(x, 0.0), 1.0))) for x in vad)
    words = " ".join(rationale.split()[:MAX_RATIONALE_WORDS])
    return Reply(labels=space.ordered(labels), vad=ReplyVad(v=v, a=a, d=d), rationale=words)
