"""Loads the corpora of appraised texts that lie in the data folder, or the starter corpus in their place."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from emoloom.contract.affect import ATOMS
from emoloom.contract.record import Appraisal, Record
from emoloom.contract.taxonomy import EKMAN, GOEMOTIONS, MAPS
from emoloom.data import empathetic, enisear, envent, isear, starter
from emoloom.data.files import data_folder, decode, read_bytes
from emoloom.data.load import available, load
from emoloom.data.questionnaire import Appraised, Draft, Questionnaire
from emoloom.data.splits import SPLITS, SplitReport
from emoloom.errors import EmoLoomError

QUESTIONNAIRES: tuple[Questionnaire, ...] = (isear.CORPUS, envent.CORPUS, enisear.CORPUS)

WHOLE = "all"
"""The split that the reports name: these corpora come without one."""


@dataclass(frozen=True)
class AppraisedCorpus:
    """The usable rows of one corpus, in file order, where they came from, and on which terms."""

    rows: tuple[Appraised, ...]
    report: SplitReport
    licence: str

    @property
    def name(self) -> str:
        """The corpus's name."""
        return self.report.corpus


def load_appraised(data_dir: Path | None = None, without: Collection[str] = ()) -> tuple[AppraisedCorpus, ...]:
    """Those of :data:`QUESTIONNAIRES` whose file lies in the data folder, in that order; none where there is no folder.

    Beside one of them, the training situations of EmpatheticDialogues come along, where they are at hand: they say which
    emotion a situation gave rise to, which is half of reading how it was appraised. Corpora named in ``without`` are left out: a
    verifier is external to those that are trained on or judged.

    Raises:
        EmoLoomError: the data folder does not exist, or a file in it can't be read or has no usable row.
    """
    base = data_folder(data_dir)
    places = [(corpus, base / corpus.folder / corpus.file) for corpus in QUESTIONNAIRES] if base else []
    found = [_load(corpus, path) for corpus, path in places if path.is_file() and corpus.name not in without]
    if found and empathetic.CORPUS.name in set(available(base)) - set(without):
        found.append(_situations(base))
    return tuple(found)


def load_starter() -> AppraisedCorpus:
    """The starter corpus's training split; an emotion is that of the first label in Ekman's space, the writers are unknown."""
    split = load(starter.CORPUS.name, SPLITS[0])
    rows = [_appraised(record, record.appraisal) for record in split.records if record.appraisal]
    return AppraisedCorpus(tuple(rows), split.report, "Apache-2.0")


def _situations(base: Path | None) -> AppraisedCorpus:
    split = load(empathetic.CORPUS.name, SPLITS[0], base)
    rows = tuple(
        Appraised(record.text, None, record.labels[0], (None, None, None, None), {}) for record in split.records
    )
    return AppraisedCorpus(rows, split.report, "CC BY-NC 4.0; cite Rashkin et al. (2019)")


def _appraised(record: Record, appraisal: Appraisal) -> Appraised:
    goal, control, certain, fair = appraisal.atoms
    answers = dict(zip(ATOMS, appraisal.atoms, strict=True))
    emotion = MAPS[GOEMOTIONS.name, EKMAN.name][record.labels[0]]
    return Appraised(record.text, None, emotion, (goal, control, certain, fair), answers)


def _load(corpus: Questionnaire, path: Path) -> AppraisedCorpus:
    content = read_bytes(path)
    try:
        draft = corpus.read(decode(content, str(path)))
    except csv.Error as error:
        raise EmoLoomError(f"not readable as CSV: {error}", where=str(path), remedy="Use the official file.") from error
    if not draft.rows:
        raise EmoLoomError("no usable row", where=str(path), remedy="Use the official file.")
    return _corpus(corpus.name, draft, hashlib.sha256(content).hexdigest(), str(path), corpus.licence)


def _corpus(name: str, draft: Draft, sha256: str, source: str, licence: str) -> AppraisedCorpus:
    rows, dropped = len(draft.rows), dict(sorted(draft.dropped.items()))
    report = SplitReport(name, WHOLE, rows + draft.dropped.total(), rows, dropped, sha256, source)
    return AppraisedCorpus(tuple(draft.rows), report, licence)
