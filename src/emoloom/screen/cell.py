"""One cell: a candidate under one recipe, trained if the recipe says so, decoded on every evaluation set, and judged."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emoloom.config import Recipe
from emoloom.contract.affect import VAD
from emoloom.contract.parse import Parsed, parse_reply
from emoloom.contract.record import Record, Request
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.decode.draft import Memory, ReplyDrafter
from emoloom.decode.fast import Counts, decode_fast, self_test
from emoloom.evaluate.score import Scores, score
from emoloom.model.load import MAX_NEW_TOKENS, Candidate
from emoloom.screen.corpora import EvalSet
from emoloom.screen.suggest import Suggester
from emoloom.store.files import digest, readable_json, write_atomic
from emoloom.store.run import CellFolder
from emoloom.train.adapter import apply_trained, is_saved, make_trainable, save_trained
from emoloom.train.collate import example
from emoloom.train.loop import train

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many more of it are done, and how many there are in all."""

Row = dict[str, Any]
"""A line of ``replies.jsonl``: corpus, id, reply, outcome (``parsed`` or the reason), repairs."""

# Replies decoded between two looks at the packing: alike lengths share a pack within a chunk, memory stays bounded.
_CHUNK = 256


@dataclass
class Cost:
    """What a cell cost on this machine; goes to ``timings.json``."""

    train_seconds: float = 0.0
    trained_examples: int = 0
    decode_seconds: float = 0.0
    decoded: int = 0
    counts: Counts = field(default_factory=Counts)
    bit_equal: bool | None = None


def fine_tune(
    candidate: Candidate,
    records: Sequence[Record],
    recipe: Recipe,
    folder: CellFolder,
    *,
    seed: int,
    checkpoint_seconds: float,
    progress: Progress,
    cost: Cost,
) -> None:
    """Trains the candidate on completed records and leaves what was trained in the cell's ``adapter`` folder."""
    start = time.monotonic()
    prompter = candidate.prompter
    examples = [example(record, prompter) for record in records]
    model = make_trainable(candidate.model, recipe, seed)
    total = len(examples) * recipe.epochs
    what = f"training {candidate.name}"
    losses = train(
        model,
        prompter.prefix,
        examples,
        recipe,
        seed=seed,
        checkpoint=folder.scratch / "checkpoint.safetensors",
        checkpoint_seconds=checkpoint_seconds,
        advance=lambda n: progress(what, n, total),
    )
    write_atomic(folder.path / "losses.json", readable_json({"loss_per_reply_token": losses}))
    save_trained(model, recipe, adapter_folder(folder), candidate.name)
    cost.train_seconds += time.monotonic() - start
    cost.trained_examples += total


def adapter_folder(folder: CellFolder) -> Path:
    """Where a cell keeps what was trained."""
    return folder.path / "adapter"


def is_trained(folder: CellFolder, recipe: Recipe) -> bool:
    """Whether the cell's training has finished."""
    return is_saved(recipe, adapter_folder(folder))


def tuned(candidate: Candidate, folder: CellFolder, recipe: Recipe) -> Candidate:
    """The freshly loaded candidate with the cell's training put in."""
    model = apply_trained(candidate.model, recipe, adapter_folder(folder)).eval()
    return Candidate(candidate.name, model, candidate.prompter, candidate.parameters)


def decode(
    candidate: Candidate,
    evals: Sequence[EvalSet],
    suggester: Suggester,
    folder: CellFolder,
    *,
    limit: int | None,
    progress: Progress,
    cost: Cost,
) -> list[Row]:
    """The candidate's reply to every record (the first ``limit`` of each set), in the records' order.

    Finished replies are kept in the cell's scratch folder as they come, so that a crash loses none of them.
    """
    start = time.monotonic()
    wanted = [(e.name, record) for e in evals for record in e.records[:limit]]
    partial = folder.scratch / "replies.jsonl"
    partial.parent.mkdir(parents=True, exist_ok=True)
    done = {(row["corpus"], row["id"]): row for row in _complete_lines(partial)}
    left = [item for item in wanted if (item[0], item[1].id) not in done]
    what = f"decoding {candidate.name}"
    progress(what, len(wanted) - len(left), len(wanted))
    cost.bit_equal = bit_equal(candidate, [record for _, record in wanted])
    with partial.open("a", encoding="utf-8") as file:
        for index, reply in replies(candidate, [record for _, record in left], suggester, cost, not cost.bit_equal):
            corpus, record = left[index]
            row = make_row(corpus, record, reply)
            file.write(json.dumps(row) + "\n")
            file.flush()
            done[corpus, record.id] = row
            progress(what, 1, len(wanted))
    cost.decode_seconds += time.monotonic() - start
    cost.decoded += len(left)
    return [done[corpus, record.id] for corpus, record in wanted]


def bit_equal(candidate: Candidate, requests: Sequence[Request]) -> bool:
    """Whether packing these requests changes no bit of their logits on this machine (:func:`self_test`)."""
    prompter = candidate.prompter
    return self_test(candidate.model, prompter.prefix, [prompter.encode(request).own for request in requests])


def replies(
    candidate: Candidate, requests: Sequence[Request], suggester: Suggester, cost: Cost, guard: bool
) -> Iterator[tuple[int, str]]:
    """Yields (index, reply text) of every request, as they are finished; ``guard`` where packing changes bits."""
    prompter = candidate.prompter
    prompts = [prompter.encode(request).own for request in requests]
    memory = Memory()
    for start in range(0, len(requests), _CHUNK):
        drafted = [
            (prompt, ReplyDrafter(prompter, suggester.labels, suggester.for_request(request), memory, prompt))
            for prompt, request in zip(prompts[start : start + _CHUNK], requests[start : start + _CHUNK], strict=True)
        ]
        for index, generated in decode_fast(
            candidate.model,
            prompter.prefix,
            drafted,
            eos=prompter.eos,
            max_new_tokens=MAX_NEW_TOKENS,
            guard=guard,
            counts=cost.counts,
        ):
            reply = prompter.decode(generated)
            memory.add(reply, generated)
            yield start + index, reply


def make_row(corpus: str, record: Record, reply: str) -> Row:
    """The line of ``replies.jsonl`` for one reply."""
    outcome = parse_reply(reply, GOEMOTIONS)
    reason, repairs = ("parsed", outcome.repairs) if isinstance(outcome, Parsed) else (outcome.reason, ())
    return {"corpus": corpus, "id": record.id, "reply": reply, "outcome": reason, "repairs": list(repairs)}


def judge(rows: Sequence[Row], evals: Sequence[EvalSet], constant: VAD, seed: int) -> dict[str, Scores]:
    """Scores of each evaluation set by name, from the cell's replies alone."""
    replies = {(row["corpus"], row["id"]): row["reply"] for row in rows}
    scores: dict[str, Scores] = {}
    for e in evals:
        records = [record for record in e.records if (e.name, record.id) in replies]
        outcomes = [parse_reply(replies[e.name, record.id], GOEMOTIONS) for record in records]
        # Corpora are resampled independently of each other, candidates alike.
        own_seed = int(digest([seed, e.name])[:8], 16)
        scores[e.name] = score(outcomes, records, constant=constant, seed=own_seed)
    return scores


def _complete_lines(path: Path) -> list[Row]:
    """The rows of an interrupted decoding; a line that a crash cut short is decoded again."""
    content = path.read_text(encoding="utf-8") if path.exists() else ""
    complete, _, torn = content.rpartition("\n")
    if torn:
        write_atomic(path, complete + "\n" if complete else "")
    return [json.loads(line) for line in complete.splitlines()]
