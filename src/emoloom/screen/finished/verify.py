"""Replays of a finished run: a sample of its replies, decoded anew by the reference decoder, from the model and the records."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emoloom.assets.cache import Say
from emoloom.contract.record import Record
from emoloom.decode.constrain import Grammar
from emoloom.decode.reference import decode_reference
from emoloom.errors import EmoLoomError
from emoloom.model.load import MAX_NEW_TOKENS, Candidate
from emoloom.screen.cell import make_row
from emoloom.screen.cells import Cell
from emoloom.screen.corpora import EvalSet, load_corpora, load_evals
from emoloom.screen.cost import Progress
from emoloom.screen.environment import environment
from emoloom.screen.finished.reopen import Reopened
from emoloom.screen.readouts.readout import Answer, make_grammar
from emoloom.screen.readouts.scoring import scored_readout
from emoloom.screen.readouts.suggest import Suggester
from emoloom.store.check import Finding
from emoloom.store.rows import Row
from emoloom.store.run import RunFolder, cell_path


@dataclass(frozen=True)
class _Sample:
    """A row of a cell's replies: the record that was answered, and its line in the file, from 1."""

    cell: Cell
    line: int
    row: Row


def replay(
    run: RunFolder,
    n: int,
    rng: random.Random,
    data_dir: Path | None,
    progress: Progress,
    say: Say,
    found: Callable[[Finding], None],
    *,
    trust: bool = False,
) -> int:
    """Decodes at most ``n`` of the run's replies anew, each alone and token by token, drawn from all models' cells alike.

    Args:
        found: told of each that comes out otherwise, at once.
        trust: let Python code run that the run's models bring.

    Returns:
        How many were replayed.

    Raises:
        EmoLoomError: the records or a model are not to be had, or are not those of the run.
    """
    opened = Reopened(run, trust=trust)
    drawn = _draw(opened, n, rng)
    if not drawn:
        return 0
    made_in = opened.manifest["environment"]
    if changed := [name for name, value in made_in.items() if environment().get(name) != value]:
        say(f"the run was made elsewhere ({', '.join(changed)}): a reply that differs need not be damaged")
    records = _records(opened, data_dir, raced=any(sample.cell.stage == "race" for sample in drawn))
    for cell in dict.fromkeys(sample.cell for sample in drawn):
        mine = [sample for sample in drawn if sample.cell == cell]
        asked = [records[sample.row["corpus"], sample.row["id"]] for sample in mine]
        for sample, record, answer in zip(mine, asked, _answers(opened, cell, asked, say), strict=True):
            progress("replaying", 1, len(drawn))
            again = make_row(sample.row["corpus"], record, answer)
            if again != sample.row:
                file = f"{cell_path(cell.key)}/replies.jsonl"
                problem = f"record {record.id} replays as {again['reply']!r}, not {sample.row['reply']!r}"
                found(Finding(file, f"line {sample.line}", problem))
    return len(drawn)


def _draw(opened: Reopened, n: int, rng: random.Random) -> list[_Sample]:
    """Samples from the replies of models; baselines are held against their hashes only."""
    pool = [
        _Sample(cell, line, row)
        for cell in opened.cells
        if cell.stage in ("zero-shot", "race", "tuned") and opened.folder(cell).metrics() is not None
        for line, row in enumerate(opened.folder(cell).replies(), start=1)
    ]
    return rng.sample(pool, min(n, len(pool)))


def _records(opened: Reopened, data_dir: Path | None, *, raced: bool) -> dict[tuple[str, str], Record]:
    """The judged records by corpus and id, with those of the race where it is ``raced``."""
    config, data = opened.config.model_copy(update={"data_dir": data_dir}), opened.manifest["data"]
    sets = [*load_evals(config.eval, config.limit, config.seed, data_dir, opened.teacher)]
    stated = [*data["eval"]]
    if raced:
        sets.append(load_corpora(config, opened.teacher, [*opened.recipes.values()]).dev)
        stated.append(data["dev"])
    for found, expected in zip(sets, stated, strict=True):
        _same_records(found, expected)
    return {(e.name, record.id): record for e in sets for record in e.records}


def _same_records(found: EvalSet, stated: Mapping[str, Any]) -> None:
    if found.digest != stated["sha256"]:
        raise EmoLoomError(
            "its records are not those that the run judged",
            where=found.name,
            remedy="Restore the corpus or the lexicon, or pass --replay 0 to check the files alone.",
        )


def _answers(opened: Reopened, cell: Cell, records: Sequence[Record], say: Say) -> Iterator[Answer]:
    """The cell's answers to ``records``, each from forwards of its own."""
    candidate = opened.candidate(cell, say)
    if cell.readout == "scored":
        readout = scored_readout(candidate, opened.folder(cell), Suggester((), opened.teacher), alone=True)
        yield from (answer for record in records for _, answer in readout.answers([record]))
        return
    grammar = make_grammar(candidate.prompter) if cell.readout == "constrained" else None
    yield from (_written(candidate, record, grammar) for record in records)


def _written(candidate: Candidate, record: Record, grammar: Grammar | None) -> Answer:
    prompter = candidate.prompter
    tokens = decode_reference(
        candidate.model,
        prompter.prefix,
        prompter.encode(record).own,
        eos=prompter.eos,
        max_new_tokens=MAX_NEW_TOKENS,
        constraint=grammar,
    )
    return Answer(prompter.decode(tokens))
