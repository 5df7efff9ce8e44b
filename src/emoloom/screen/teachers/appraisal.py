"""The appraisal verifier of this machine: built from the corpora at hand, kept in the cache."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold

from emoloom.assets.cache import Say, silent
from emoloom.assets.verifiers import verifier_folder
from emoloom.data.load_appraised import AppraisedCorpus, load_appraised, load_starter
from emoloom.data.questionnaire import Appraised
from emoloom.errors import EmoLoomError
from emoloom.lexicon.appraisal import Floats, Verifier
from emoloom.lexicon.appraisal_fit import Heads, fit
from emoloom.screen.environment import code_digest
from emoloom.screen.teachers.appraisal_card import CONTRASTS, make_card
from emoloom.store.files import digest, parse_json, readable_json

FOLDS = 5
_SEED = 0
_MAIN = "isear"
_WEIGHTS, _CARD = "verifier.safetensors", "card.json"
# What decides a verifier beside the corpora: how they are read, how it is fitted and judged.
_CODE = ("contract/*.py", "data/*.py", "lexicon/appraisal*.py", "screen/teachers/appraisal*.py")
_LIBRARIES = ("numpy", "scipy", "scikit-learn")


def load_verifier(
    data_dir: Path | None = None, say: Say = silent, *, without: Collection[str] = ()
) -> tuple[Verifier, dict[str, Any]]:
    """The verifier for the appraisal corpora in the data folder, less those named in ``without``, and its card; built first (a
    minute) unless the cache has it.

    Without ISEAR, which alone asks for all four atoms, it is fitted on the starter corpus.

    Raises:
        EmoLoomError: the data folder does not exist, a corpus can't be read, or the cache can't be written.
    """
    folder = build(data_dir, say, without=without)
    return Verifier.load(folder / _WEIGHTS), read_card(folder)


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a verifier that was built: see :func:`emoloom.screen.teachers.appraisal_card.make_card`.

    Raises:
        EmoLoomError: it cannot be read.
    """
    try:
        card: dict[str, Any] = parse_json((folder / _CARD).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise EmoLoomError(
            f"the verifier's card cannot be read: {error}",
            where=str(folder / _CARD),
            remedy="Delete the folder; it is made again when needed.",
        ) from error
    return card


def build(data_dir: Path | None = None, say: Say = silent, *, without: Collection[str] = ()) -> Path:
    """The folder in the cache with weights and card; raises as :func:`load_verifier`."""
    published = load_appraised(data_dir, without)
    main = next((corpus for corpus in published if corpus.name == _MAIN), None) or load_starter()
    others = [corpus for corpus in published if corpus is not main]
    sources = [(corpus.name, corpus.report.sha256) for corpus in (main, *others)]
    # Which rows of a file are kept depends on other files, too.
    texts = [digest([row.text for row in corpus.rows]) for corpus in (main, *others)]
    libraries = {name: version(name) for name in _LIBRARIES}
    made_of = {"code": code_digest(*_CODE), "libraries": libraries, "sources": sources, "texts": texts}
    key = digest(made_of)[:16]

    def write(folder: Path) -> None:
        say(f"fitting the appraisal verifier on {', '.join(name for name, _ in sources)}")
        _fit(main, others, folder, key)

    return verifier_folder(
        key,
        write,
        source=", ".join(f"{name} {sha256}" for name, sha256 in sources),
        licence="; ".join(f"{corpus.name}: {corpus.licence}" for corpus in (main, *others)),
    )


def folds_of(rows: Sequence[Appraised]) -> npt.NDArray[np.intp]:
    """A fold 0..4 for each row. All rows of a person, and all rows that share a text, lie in one fold."""
    folds = np.empty(len(rows), dtype=np.intp)
    splitter = GroupKFold(FOLDS, shuffle=True, random_state=_SEED)
    for fold, (_, mine) in enumerate(splitter.split(np.zeros(len(rows)), groups=_components(rows))):
        folds[mine] = fold
    return folds


def _components(rows: Sequence[Appraised]) -> list[int]:
    """For each row the first row that it hangs together with, through persons and texts."""
    parent = list(range(len(rows)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[tuple[str, str], int] = {}
    for i, row in enumerate(rows):
        for key in (("text", _bare(row.text)), *([("person", row.group)] if row.group else [])):
            a, b = root(first.setdefault(key, i)), root(i)
            parent[max(a, b)] = min(a, b)
    return [root(i) for i in range(len(rows))]


def _bare(text: str) -> str:
    """A text as duplicates are told: letters and digits only, lower case, single spaces."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def heads(rows: Sequence[Appraised]) -> Heads:
    """Every emotion and every answer of a corpus as a column, in the order of their names."""
    emotions = _columns([{row.emotion: 1.0} for row in rows])
    return Heads([row.text for row in rows], emotions, _columns([row.answers for row in rows]))


def _columns(said: Sequence[Mapping[str, float]]) -> Floats:
    """(n, names): a column for each name that occurs, 0 where it is absent."""
    column = {name: i for i, name in enumerate(sorted({name for answers in said for name in answers}))}
    values = np.zeros((len(said), len(column)), dtype=np.float32)
    for i, answers in enumerate(said):
        for name, value in answers.items():
            values[i, column[name]] = value
    return values


def atoms_of(rows: Sequence[Appraised]) -> npt.NDArray[np.float64]:
    """(n, 4), NaN where an atom is not known."""
    return np.array([[np.nan if atom is None else atom for atom in row.atoms] for row in rows], dtype=np.float64)


def _fit(main: AppraisedCorpus, others: Sequence[AppraisedCorpus], folder: Path, key: str) -> None:
    known = {_bare(row.text) for row in main.rows}
    rest = [[row for row in corpus.rows if _bare(row.text) not in known] for corpus in others]
    atoms, folds = atoms_of(main.rows), folds_of(main.rows)
    bounds = [(contrast.low, contrast.high) for contrast in CONTRASTS[main.name]]
    fitted = fit(heads(main.rows), atoms, bounds, folds, [heads(rows) for rows in rest if rows])
    fitted.verifier.save(folder / _WEIGHTS)
    card = make_card(main, others, atoms, folds, fitted.held_out, key)
    (folder / _CARD).write_text(readable_json(card), "utf-8")
