"""The starter corpus, which ships inside the package: see docs/starter-corpus.md."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.data import jsonl
from emoloom.data.corpus import Corpus
from emoloom.data.splits import SPLITS, TRAIN_GIVES_WAY


def folder() -> Traversable:
    """The folder of the corpus inside the installed package."""
    return resources.files("emoloom.data") / CORPUS.folder


CORPUS = Corpus(
    name="starter",
    taxonomy=GOEMOTIONS,
    folder="starter",
    files={split: (f"{split}.jsonl",) for split in SPLITS},
    read=lambda texts, split: jsonl.records(texts[0], split, name="starter", where=f"starter/{split}.jsonl"),
    gives_way=TRAIN_GIVES_WAY,
)
