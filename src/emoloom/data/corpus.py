"""What there is to know about a published corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emoloom.contract.taxonomy import Taxonomy
from emoloom.data.splits import Draft, GivesWay


@dataclass(frozen=True)
class HubSource:
    """The parquet form of a corpus on the Hugging Face hub.

    Attributes:
        repo: dataset repository, ``owner/name``.
        revision: commit, or a branch that is resolved to its commit when it is read.
        files: split -> path in the repository.
        columns: the columns that make up a row, in the order in which ``records`` takes them.
        records: rows of one split and the split's name -> draft; the function that serves the local files, too.
    """

    repo: str
    revision: str
    files: Mapping[str, str]
    columns: tuple[str, ...]
    records: Callable[[Iterable[Any], str], Draft]


@dataclass(frozen=True)
class Corpus:
    """A published corpus: where it lies and how it is read.

    Attributes:
        folder: its folder inside the data folder.
        files: split -> the files that are read for it, relative to ``folder``; a name in ``.gz`` also stands for the
            same file unpacked.
        read: texts of the files of one split and the split's name -> draft.
        gives_way: which split loses a row that two splits share.
        hub: where else it can be had.
    """

    name: str
    taxonomy: Taxonomy
    folder: str
    files: Mapping[str, tuple[str, ...]]
    read: Callable[[Sequence[str], str], Draft]
    gives_way: GivesWay
    hub: HubSource | None = None
