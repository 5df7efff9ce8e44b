"""Records as training examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from emoloom.contract.affect import VAD
from emoloom.contract.record import Record, make_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import EmoLoomError
from emoloom.model.prompts import Prompter


@dataclass(frozen=True)
class Example:
    """One record as tokens, and what the objective's terms ask of it.

    Attributes:
        prompt: the prompt's own tokens, after the shared prefix.
        cut: how many tokens of the text were dropped to make them fit.
        reply: the tokens of ``line`` and the end-of-sequence token.
        line: the reply as text.
        labels: indices of its labels in the ``goemotions`` space.
        vad: the record's VAD before it is rounded to two decimals.
        vad_weight: how far it is to be trusted, in [0, 1].
        atoms: the appraisal atoms of the text, or None where nobody read them.
        source: what the mixture draws it from: ``CORPUS/LABEL``, by its rarest label.
    """

    record_id: str
    prompt: tuple[int, ...]
    reply: tuple[int, ...]
    line: str = ""
    labels: tuple[int, ...] = ()
    vad: VAD = (0.5, 0.5, 0.5)
    vad_weight: float = 0.0
    atoms: tuple[float, ...] | None = None
    source: str = ""
    cut: int = 0

    def __len__(self) -> int:
        return len(self.prompt) + len(self.reply)


def examples(records: Sequence[Record], prompter: Prompter) -> list[Example]:
    """Completed records (labels in ``goemotions``, VAD and rationale) as examples, in order.

    Raises:
        EmoLoomError: a record lacks labels or VAD, or its reply leaves no room for a text.
    """
    counts = Counter(label for record in records for label in record.labels)
    return [_example(record, prompter, counts) for record in records]


def _example(record: Record, prompter: Prompter, counts: Counter[str]) -> Example:
    if not record.labels or record.vad is None:
        raise EmoLoomError(
            f"record {record.id} has no {'VAD' if record.labels else 'labels'} to learn from",
            where=record.corpus,
            remedy="Train on a corpus with labels; fetch a lexicon for weak VAD.",
        )
    line = make_reply(record.labels, record.vad.triple, record.rationale, GOEMOTIONS).line()
    reply = tuple(prompter.encode_reply(line))
    try:
        prompt = prompter.encode(record, len(reply))
    except EmoLoomError as error:
        raise EmoLoomError(f"record {record.id}: {error.problem}", where=record.corpus, remedy=error.remedy) from error
    rarest = min(record.labels, key=lambda label: (counts[label], label))
    return Example(
        record.id,
        prompt.own,
        reply,
        line,
        tuple(GOEMOTIONS.index[label] for label in record.labels),
        record.vad.triple,
        record.vad_weight,
        record.appraisal.atoms if record.appraisal else None,
        f"{record.corpus}/{rarest}",
        prompt.cut,
    )
