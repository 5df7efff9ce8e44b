"""One cell: a candidate under one recipe, trained if the recipe says so, read out on every evaluation set, and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emoloom.config import Recipe
from emoloom.contract.affect import VAD
from emoloom.contract.parse import Parsed, parse_reply
from emoloom.contract.record import Record
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.evaluate.flip import flip_score
from emoloom.evaluate.score import Outcome, Scores, score
from emoloom.mixture.sampler import WINDOW
from emoloom.model.heads import save_heads
from emoloom.model.load import Candidate
from emoloom.model.prompts import Prompter
from emoloom.screen.corpora import EvalSet
from emoloom.screen.cost import Cost, Progress
from emoloom.screen.readouts.readout import Answer, Readout
from emoloom.store.files import digest, readable_json, write_atomic
from emoloom.store.rows import Row, Rows
from emoloom.store.run import CellFolder
from emoloom.train.adapter import apply_trained, is_saved, make_trainable, save_trained
from emoloom.train.collate import examples
from emoloom.train.loop import History, seen_by, train
from emoloom.train.objective import Objective
from emoloom.train.recompute import recompute_layers

TRAINING = "training.json"
"""Beside the adapter: the losses of every step so far, the mixture of every window, and the work that it took."""


@dataclass(frozen=True)
class Pause:
    """After about how many examples to stop training, and the cell that keeps the weights of that moment."""

    until: int
    folder: CellFolder


def fine_tune(
    candidate: Candidate,
    records: Sequence[Record],
    extra: Sequence[Record],
    watched: Sequence[Record],
    recipe: Recipe,
    folder: CellFolder,
    *,
    pause: Pause | None,
    title: str,
    words: Mapping[str, VAD],
    recompute: bool,
    seed: int,
    checkpoint_seconds: float,
    progress: Progress,
    cost: Cost,
) -> History:
    """Trains the candidate on completed records and leaves what was trained in the cell's ``adapter`` folder.

    Args:
        records: say how many examples are seen: ``recipe.epochs`` times as many.
        extra: more records to draw from.
        watched: records that end the training early; never, if there are none.
        folder: of the training; holds the checkpoint to go on from.
        pause: where to stop before the end; the next call goes on from there.
        title: what is trained, for the progress report.
        words: the values of words that ``L_vad`` reads.
        recompute: whether to compute activations twice rather than keep them; changes no bit.
    """
    prompter = candidate.prompter
    pool = examples([*records, *extra], prompter)
    model = make_trainable(candidate.model, recipe, seed)
    if recompute:
        recompute_layers(model)
    objective = Objective(model, prompter, pool, recipe, words)
    total = len(records) * recipe.epochs
    until = pause.until if pause else total
    watching = examples(watched, prompter)
    ahead = seen_by(recipe, until, total, len(watching))

    def advance(more: int, tokens: int) -> None:
        cost.trained(more)
        cost.examples += more
        cost.tokens += tokens
        progress(f"training {title}", more, ahead)

    history = train(
        model,
        objective,
        pool,
        recipe,
        total=total,
        until=until,
        seed=seed,
        checkpoint=folder.checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        advance=advance,
        watched=watching,
    )
    target = pause.folder if pause else folder
    write_atomic(target.path / TRAINING, readable_json({**asdict(history), "work": cost.work}))
    if objective.heads is not None:
        save_heads(objective.heads, adapter_folder(target))
    save_trained(model, recipe, adapter_folder(target), candidate.name)
    return history


def training_log(folder: CellFolder) -> dict[str, Any]:
    """What the journal tells of a finished training: each term's mean over every :data:`WINDOW` steps, the mixture's windows, and
    the watched loss after each epoch."""
    history = _history(folder)
    losses = {
        term: [round(float(np.mean(values[i : i + WINDOW])), 6) for i in range(0, len(values), WINDOW)]
        for term, values in history["losses"].items()
    }
    return {"losses": losses, "mixture": history["mixture"], "watched": history["watched"]}


def training_work(folder: CellFolder) -> dict[str, int]:
    """Examples and tokens of the training that left its weights in this folder, from its first step."""
    work: dict[str, int] = _history(folder)["work"]
    return work


def _history(folder: CellFolder) -> dict[str, Any]:
    return folder.read_json(TRAINING, {"losses", "mixture", "watched", "work"})


def adapter_folder(folder: CellFolder) -> Path:
    """Where a cell keeps what was trained."""
    return folder.path / "adapter"


def is_trained(folder: CellFolder, recipe: Recipe) -> bool:
    """Whether the cell's training has finished."""
    return is_saved(recipe, adapter_folder(folder))


def tuned(candidate: Candidate, folder: CellFolder, recipe: Recipe) -> Candidate:
    """The freshly loaded candidate with the training of the cell in ``folder`` put in."""
    model = apply_trained(candidate.model, recipe, adapter_folder(folder)).eval()
    return replace(candidate, model=model)


def decode(
    title: str,
    readout: Readout,
    prompter: Prompter,
    evals: Sequence[EvalSet],
    folder: CellFolder,
    *,
    limit: int | None,
    progress: Progress,
    cost: Cost,
) -> list[Row]:
    """The answer to every record (the first ``limit`` of each set), in the records' order.

    Finished answers are kept in the cell's scratch folder as they come, so that a crash loses none of them.

    Args:
        title: what is read out, for the progress report.
        prompter: counts the tokens.
    """
    wanted = wanted_records(evals, limit)
    rows = Rows(folder.scratch / "replies.jsonl")
    done = {(row["corpus"], row["id"]): row for row in rows.kept}
    left = [item for item in wanted if (item[0], item[1].id) not in done]
    what = f"decoding {title}"

    # Replies that are kept, but whose seconds a crash took along, are left out.
    cost.decoded = min(cost.decoded, len(wanted) - len(left))

    def count(record: Record, row: Row) -> None:
        cost.examples += 1
        # A scored reply is composed, and passes through no model.
        written = [] if "probabilities" in row else prompter.encode_reply(row["reply"])
        cost.tokens += len(prompter.encode(record).own) + len(written)

    for corpus, record in wanted:
        if (corpus, record.id) in done:
            count(record, done[corpus, record.id])
    progress(what, len(wanted) - len(left), len(wanted))
    for index, answer in readout.answers([record for _, record in left]):
        corpus, record = left[index]
        row = make_row(corpus, record, answer)
        rows.add(row)
        done[corpus, record.id] = row
        cost.decoded += 1
        count(record, row)
        progress(what, 1, len(wanted))
    return [done[corpus, record.id] for corpus, record in wanted]


def wanted_records(evals: Sequence[EvalSet], limit: int | None) -> list[tuple[str, Record]]:
    """The first ``limit`` records of each set, with the set's name."""
    return [(e.name, record) for e in evals for record in e.records[:limit]]


def make_row(corpus: str, record: Record, answer: Answer) -> Row:
    """The line of ``replies.jsonl`` for one answer."""
    outcome = parse_reply(answer.reply, GOEMOTIONS)
    reason, repairs = ("parsed", outcome.repairs) if isinstance(outcome, Parsed) else (outcome.reason, ())
    row = {"corpus": corpus, "id": record.id, "reply": answer.reply, "outcome": reason, "repairs": list(repairs)}
    return row | ({} if answer.probabilities is None else {"probabilities": answer.probabilities})


def judge(
    rows: Sequence[Row], evals: Sequence[EvalSet], constant: VAD, seed: int, resamples: int = 1000
) -> dict[str, Scores]:
    """Scores of each evaluation set by name, from the cell's replies alone."""
    by_record = {(row["corpus"], row["id"]): row for row in rows}
    scores: dict[str, Scores] = {}
    for e in evals:
        records = [record for record in e.records if (e.name, record.id) in by_record]
        found = [by_record[e.name, record.id] for record in records]
        outcomes = [parse_reply(row["reply"], GOEMOTIONS) for row in found]
        probabilities = [row["probabilities"] for row in found if "probabilities" in row]
        # Corpora are resampled independently of each other, candidates alike.
        own_seed = int(digest([seed, e.name])[:8], 16)
        if e.pairs:
            scores[e.name] = _judge_flips(
                dict(zip((r.id for r in records), outcomes, strict=True)), e, constant, own_seed
            )
            continue
        scores[e.name] = score(
            outcomes,
            records,
            constant=constant,
            seed=own_seed,
            resamples=resamples,
            probabilities=np.array(probabilities) if probabilities else None,
        )
    return scores


def _judge_flips(outcomes: Mapping[str, Outcome], e: EvalSet, constant: VAD, seed: int) -> Scores:
    """Scores of a flip test: ParseOK and, over the pairs of which both texts were answered, ``flip_test``."""
    answered = [record.model_copy(update={"labels": (), "vad": None}) for record in e.records if record.id in outcomes]
    bare = score(list(outcomes.values()), answered, constant=constant, seed=seed)
    pairs = [pair for pair in e.pairs if pair[0] in outcomes and pair[1] in outcomes]
    if not pairs:
        return bare
    originals, mirrors = [outcomes[one] for one, _, _ in pairs], [outcomes[other] for _, other, _ in pairs]
    turned = flip_score(originals, mirrors, [pleasant for _, _, pleasant in pairs], constant=constant, seed=seed)
    return replace(bare, estimates=bare.estimates | {"flip_test": turned})
