"""Loads a split of a corpus by name, from the package, a local folder, a JSONL file or the Hugging Face hub."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from emoloom.data import dailydialog, emobank, empathetic, goemotions, hub, jsonl, starter
from emoloom.data.corpus import Corpus
from emoloom.data.files import DATA_VARIABLE, data_folder, decode, read_bytes
from emoloom.data.splits import SPLITS, Draft, Split
from emoloom.errors import EmoLoomError, unknown_name

CORPORA: Mapping[str, Corpus] = {
    module.CORPUS.name: module.CORPUS for module in (starter, goemotions, empathetic, dailydialog, emobank)
}
"""The published corpora by name. Any file in the contract's form is a corpus, too, called ``jsonl:FILE``."""

JSONL = "jsonl:"


def parse_place(spec: str, default_split: str) -> tuple[str, str]:
    """``CORPUS[:SPLIT]`` as corpus and split; :func:`load` refuses what is unknown.

    The path in ``jsonl:FILE`` may itself contain colons; without a split such a file is ``train``, whatever the default.
    """
    if spec.startswith(JSONL):
        file, _, split = spec.removeprefix(JSONL).rpartition(":")
        return (JSONL + file, split) if file and split in SPLITS else (spec, SPLITS[0])
    corpus, _, split = spec.partition(":")
    return corpus, split or default_split


class _Reading(NamedTuple):
    draft: Draft
    sha256: str
    source: str


def load(name: str, split: str, data_dir: Path | None = None, *, whole: bool = False) -> Split:
    """The records of one split, in file order, with a report on its rows.

    A corpus that lies in the data folder is read from there, any other from the hub.

    Args:
        name: a key of :data:`CORPORA`, or ``jsonl:FILE``. Such a file is one split, whichever is asked for.
        split: ``train``, ``dev`` (the official validation split) or ``test``.
        data_dir: the data folder; by default the environment variable ``EMOLOOM_DATA``.
        whole: keep the rows that the split shares with another, which are else dropped so that no score is leaked.

    Raises:
        EmoLoomError: the name or the split is unknown, the corpus can't be had or read, or no row of it is usable.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS, where=name)
    if name.startswith(JSONL):
        reading = _read_jsonl(Path(name.removeprefix(JSONL)), split)
        draft, name = reading.draft, f"{JSONL}{Path(name.removeprefix(JSONL)).stem}"
    else:
        corpus = _corpus(name)
        reading = _read(corpus, split, data_dir)
        others = {} if whole else corpus.gives_way.get(split, {})
        draft = reading.draft.without({why: _read(corpus, other, data_dir).draft for why, other in others.items()})
    if not draft.records and name.startswith(JSONL):
        raise EmoLoomError("no usable row", where=reading.source, remedy=jsonl.WRITE_LINES)
    if not draft.records:
        raise EmoLoomError(f"no usable row in split {split}", where=reading.source, remedy="See `emoloom data check`.")
    return draft.finish(name, split, sha256=reading.sha256, source=reading.source)


def bad_lines(name: str) -> list[EmoLoomError]:
    """What is wrong with each bad line of a ``jsonl:FILE``, in order; the rows of a published corpus are kept or dropped.

    Raises:
        EmoLoomError: the file cannot be read.
    """
    if not name.startswith(JSONL):
        return []
    path = Path(name.removeprefix(JSONL))
    return jsonl.scan(decode(read_bytes(path), str(path)), SPLITS[0], name=path.stem, where=str(path))[1]


def splits_of(name: str) -> tuple[str, ...]:
    """The splits that a corpus has; a JSONL file counts as ``train``."""
    return SPLITS[:1] if name.startswith(JSONL) else SPLITS


def available(data_dir: Path | None = None) -> dict[str, str]:
    """Name -> place of the published corpora that can be loaded without the network.

    Raises:
        EmoLoomError: the data folder does not exist.
    """
    folders = {name: _folder(corpus, data_dir) for name, corpus in CORPORA.items()}
    return {name: str(folder) for name, folder in folders.items() if folder}


def _corpus(name: str) -> Corpus:
    if name not in CORPORA and (Path(name).suffix == ".jsonl" or Path(name).is_file()):
        raise EmoLoomError("a file is not a corpus's name", where=name, remedy=f"Write {JSONL}{name}.")
    if name not in CORPORA:
        raise unknown_name("corpus", name, [*CORPORA, f"{JSONL}FILE"])
    return CORPORA[name]


def _read(corpus: Corpus, split: str, data_dir: Path | None) -> _Reading:
    folder = _folder(corpus, data_dir)
    if folder:
        return _read_local(corpus, split, folder)
    try:
        if corpus.hub is None:
            raise EmoLoomError("it is not offered there")
        return _Reading(*hub.read(corpus.hub, split))
    except EmoLoomError as error:
        raise _nowhere(corpus, data_dir, error) from error


def _nowhere(corpus: Corpus, data_dir: Path | None, error: EmoLoomError) -> EmoLoomError:
    base = data_folder(data_dir)
    wanted = ", ".join(sorted({file for files in corpus.files.values() for file in files}))
    looked = f"no folder {base / corpus.folder}" if base else f"no data folder given ({DATA_VARIABLE} is not set)"
    return EmoLoomError(
        f"{looked}, and nothing from the hub: {error.where} {error.problem}",
        where=corpus.name,
        remedy=f"Put {wanted} into DIR/{corpus.folder} and pass --data-dir DIR"
        + (f", or {error.remedy}" if error.remedy else "."),
    )


def _read_local(corpus: Corpus, split: str, folder: Traversable) -> _Reading:
    files = [_file(folder, name) for name in corpus.files[split]]
    contents = [read_bytes(file) for file in files]
    source = str(files[0] if len(files) == 1 else folder)
    texts = [decode(content, str(file)) for content, file in zip(contents, files, strict=True)]
    try:
        draft = corpus.read(texts, split)
    except csv.Error as error:
        raise EmoLoomError(f"not readable as CSV: {error}", where=source, remedy="Use the official file.") from error
    return _Reading(draft, hashlib.sha256(b"".join(contents)).hexdigest(), source)


def _read_jsonl(path: Path, split: str) -> _Reading:
    content = read_bytes(path)
    draft = jsonl.records(decode(content, str(path)), split, name=path.stem, where=str(path))
    return _Reading(draft, hashlib.sha256(content).hexdigest(), str(path))


def _folder(corpus: Corpus, data_dir: Path | None) -> Traversable | None:
    """The folder that holds a corpus on this machine, if any does."""
    if corpus is starter.CORPUS:
        return starter.folder()
    base = data_folder(data_dir)
    return base / corpus.folder if base and (base / corpus.folder).is_dir() else None


def _file(folder: Traversable, name: str) -> Traversable:
    """The file called ``name``, or the unpacked file in place of a ``.gz`` one."""
    packed, unpacked = folder / name, folder / name.removesuffix(".gz")
    return unpacked if unpacked.is_file() else packed
