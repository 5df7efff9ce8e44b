"""Label spaces and the maps between them.

``goemotions`` is the space in which models are trained and reply. The others are spaces in which a corpus is labelled or
judged; every label of every space has an image in each space it can be compared in, and :func:`convert` is the only way
from one to another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from emoloom.errors import EmoLoomError, unknown_name


@dataclass(frozen=True)
class Taxonomy:
    """An ordered, closed set of labels.

    Attributes:
        name: the name under which records and metrics refer to it.
        labels: all labels, in the order in which replies list them.
        neutral: the label that means "no emotion", or None where the space has none.
    """

    name: str
    labels: tuple[str, ...]
    neutral: str | None = None

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Position of each label."""
        return {label: i for i, label in enumerate(self.labels)}

    def ordered(self, labels: Iterable[str], *, where: str = "") -> tuple[str, ...]:
        """The distinct ``labels`` in taxonomy order.

        Raises:
            EmoLoomError: a label is not in this taxonomy.
        """
        chosen = set(labels)
        for label in sorted(chosen - set(self.labels)):
            raise unknown_name(f"{self.name} label", label, self.labels, where=where)
        return tuple(label for label in self.labels if label in chosen)


GOEMOTIONS = Taxonomy(
    "goemotions",
    (
        "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire",
        "disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief", "joy",
        "love", "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral",
    ),
    neutral="neutral",
)  # fmt: skip
EKMAN = Taxonomy("ekman", ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral"), neutral="neutral")
SENTIMENT = Taxonomy("sentiment", ("positive", "negative", "ambiguous", "neutral"), neutral="neutral")
EMPATHETIC = Taxonomy(
    "empathetic",
    (
        "afraid", "angry", "annoyed", "anticipating", "anxious", "apprehensive", "ashamed", "caring", "confident",
        "content", "devastated", "disappointed", "disgusted", "embarrassed", "excited", "faithful", "furious", "grateful",
        "guilty", "hopeful", "impressed", "jealous", "joyful", "lonely", "nostalgic", "prepared", "proud", "sad",
        "sentimental", "surprised", "terrified", "trusting",
    ),
)  # fmt: skip
DAILYDIALOG = Taxonomy(
    "dailydialog",
    ("no emotion", "anger", "disgust", "fear", "happiness", "sadness", "surprise"),
    neutral="no emotion",
)

TAXONOMIES: Mapping[str, Taxonomy] = {t.name: t for t in (GOEMOTIONS, EKMAN, SENTIMENT, EMPATHETIC, DAILYDIALOG)}


def taxonomy(name: str, *, where: str = "") -> Taxonomy:
    """The taxonomy called ``name``.

    Raises:
        EmoLoomError: no taxonomy has that name.
    """
    if name not in TAXONOMIES:
        raise unknown_name("taxonomy", name, TAXONOMIES, where=where)
    return TAXONOMIES[name]


def _grouped(**groups: str) -> dict[str, str]:
    """Inverts ``target="source source ..."`` into ``{source: target}``."""
    return {source: target.replace("_", " ") for target, sources in groups.items() for source in sources.split()}


# GoEmotions -> Ekman and -> sentiment: the groupings published with the corpus (Demszky et al. 2020, Figure 2), which
# leave `neutral` to itself.
_GOEMOTIONS_EKMAN = _grouped(
    anger="anger annoyance disapproval",
    disgust="disgust",
    fear="fear nervousness",
    joy="joy amusement approval excitement gratitude love optimism relief pride admiration desire caring",
    sadness="sadness disappointment embarrassment grief remorse",
    surprise="surprise realization confusion curiosity",
    neutral="neutral",
)
_GOEMOTIONS_SENTIMENT = _grouped(
    positive="amusement excitement joy love desire optimism caring pride admiration gratitude relief approval",
    negative="fear nervousness remorse embarrassment disappointment sadness grief disgust anger annoyance disapproval",
    ambiguous="realization surprise curiosity confusion",
    neutral="neutral",
)
# GoEmotions -> DailyDialog: the Ekman grouping, except that the cognitive states (realization, confusion, curiosity) and
# plain agreement or wishing (approval, desire) are turns that DailyDialog's annotators left without an emotion.
_GOEMOTIONS_DAILYDIALOG = _grouped(
    anger="anger annoyance disapproval",
    disgust="disgust",
    fear="fear nervousness",
    happiness="joy amusement excitement gratitude love optimism relief pride admiration caring",
    sadness="sadness disappointment embarrassment grief remorse",
    surprise="surprise",
    no_emotion="neutral realization confusion curiosity approval desire",
)
# EmpatheticDialogues -> GoEmotions: nearest meaning, one label each; where two fit, the one whose situations in the corpus
# read alike (prepared and confident people expect things to go well; sentimental memories are told with love).
_EMPATHETIC_GOEMOTIONS = _grouped(
    fear="afraid terrified",
    anger="angry furious",
    annoyance="annoyed jealous",
    excitement="excited anticipating",
    nervousness="anxious apprehensive",
    embarrassment="ashamed embarrassed",
    caring="caring",
    optimism="confident hopeful prepared",
    joy="content joyful",
    grief="devastated",
    disappointment="disappointed",
    disgust="disgusted",
    love="faithful sentimental nostalgic",
    gratitude="grateful",
    remorse="guilty",
    admiration="impressed",
    sadness="lonely sad",
    pride="proud",
    surprise="surprised",
    approval="trusting",
)
# Ekman -> GoEmotions and DailyDialog -> GoEmotions: the label of the same (or nearest) name, so that such corpora can train.
_EKMAN_GOEMOTIONS = {label: label for label in EKMAN.labels}
_DAILYDIALOG_GOEMOTIONS = {
    "no emotion": "neutral",
    "happiness": "joy",
    **{label: label for label in ("anger", "disgust", "fear", "sadness", "surprise")},
}

MAPS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("goemotions", "ekman"): _GOEMOTIONS_EKMAN,
    ("goemotions", "sentiment"): _GOEMOTIONS_SENTIMENT,
    ("goemotions", "dailydialog"): _GOEMOTIONS_DAILYDIALOG,
    ("empathetic", "goemotions"): _EMPATHETIC_GOEMOTIONS,
    ("ekman", "goemotions"): _EKMAN_GOEMOTIONS,
    ("dailydialog", "goemotions"): _DAILYDIALOG_GOEMOTIONS,
}


def convert(labels: Iterable[str], source: Taxonomy, target: Taxonomy) -> tuple[str, ...]:
    """``labels`` of ``source`` expressed in ``target``, in its order, without duplicates.

    Raises:
        EmoLoomError: a label is unknown, or there is no map between the two spaces.
    """
    if source == target:
        return target.ordered(labels)
    table = MAPS.get((source.name, target.name))
    if table is None:
        raise EmoLoomError(
            f"there is no map from {source.name} labels to {target.name} labels",
            remedy="Choose corpora whose labels can be expressed in one space: see docs/concepts.md.",
        )
    images = {
        table[label] for label in source.ordered(labels) if table[label] != target.neutral or label == source.neutral
    }
    # Labels without an image of their own, such as approval in DailyDialog, count as neutral only where nothing else does.
    return target.ordered(images or {table[label] for label in labels})


def evaluation_space(corpus: Taxonomy) -> Taxonomy:
    """The space in which replies (in ``goemotions``) are compared with a corpus's labels.

    A corpus whose space a reply can be mapped into is judged in its own labels; otherwise (EmpatheticDialogues, finer than a
    reply) its gold labels are mapped into ``goemotions``.
    """
    return corpus if corpus == GOEMOTIONS or (GOEMOTIONS.name, corpus.name) in MAPS else GOEMOTIONS
