"""Whether ``fast`` decoding of a real model is exact: replies against the plain loop's, logits against canonical forwards.

    python bench/exact.py STATE.jsonl --adapter RUN --json exact.json

Replies of the fine-tuned model to ``--records`` dev records are decoded in the ordinary way. Of the positions at which their
tokens were decided, ``--positions`` are drawn, and the logits there compared, bit for bit, with those of the canonical forward
over the same tokens. The first ``--references`` replies, and ``--untrained`` of the model without its fine-tuning, are decoded
anew by the reference loop. What is done is kept in the state file, a line a piece, and not done again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

import common
from emoloom.contract.record import Record
from emoloom.decode import fast
from emoloom.decode.reference import decode_reference, next_logits
from emoloom.lexicon.teacher import Teacher
from emoloom.model.forward import packed_logits
from emoloom.model.load import MAX_NEW_TOKENS, Candidate
from emoloom.model.packing import Pack
from emoloom.screen.environment import code_digest
from emoloom.screen.readouts.readout import Written, bit_equal
from emoloom.screen.readouts.suggest import Suggester

CHUNK = 200
# Replies whose labels and VAD drafts are made from, as a run has its training records.
KNOWN_RECORDS = 200
Tokens = tuple[int, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", type=Path, help="where to go on from")
    parser.add_argument("--adapter", type=Path, help="a run, or an adapter's folder; else a short training, cached")
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--positions", type=int, default=5000)
    parser.add_argument("--references", type=int, default=150)
    parser.add_argument("--untrained", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    opened = common.load_tuned(options.adapter)
    records = common.some_records("dev", options.records, Teacher())
    suggester = Suggester(common.some_records("train", KNOWN_RECORDS, opened.teacher), opened.teacher)
    what = {"adapter": str(options.adapter), "records": options.records, "positions": options.positions}
    state = State(options.state, what | {"code": code_digest()})
    equal = bit_equal(opened.candidate, records)

    chunks = [records[start : start + CHUNK] for start in range(0, len(records), CHUNK)]
    for number, chunk in enumerate(chunks):
        wanted = options.positions * len(chunk) // len(records)
        state.once(f"chunk {number}", partial(decoded, opened.candidate, suggester, chunk, wanted, equal))
    replies = [reply for number in range(len(chunks)) for reply in state.found[f"chunk {number}"]["replies"]]
    for i in range(options.references):
        state.once(f"reference {i}", partial(compared, opened.candidate, records[i], replies[i]))
    if any(f"untrained {i}" not in state.found for i in range(options.untrained)):
        base = common.load_base()
        few = records[: options.untrained]
        written = dict(Written(base, suggester, not bit_equal(base, few)).replies(few))
        for i, record in enumerate(few):
            state.once(f"untrained {i}", partial(compared, base, record, written[i]))
    common.write(options.json, summary(state, equal, options))


class State:
    """Pieces of work that are done, by name, in a file that begins with what it is the work ``of``."""

    def __init__(self, path: Path, of: Any) -> None:
        self.path = path
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        path.write_text(whole, encoding="utf-8")
        self.found: dict[str, Any] = dict(json.loads(line) for line in whole.splitlines())
        if self.found.setdefault("of", of) != of:
            raise SystemExit(f"{path} holds the work of {self.found['of']}, not of {of}; name another file")
        if not whole:
            path.write_text(json.dumps(["of", of]) + "\n", encoding="utf-8")

    def once(self, name: str, work: Callable[[], Any]) -> None:
        """Does a piece of work unless it is done."""
        if name not in self.found:
            self.found[name] = work()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, self.found[name]]) + "\n")
            common.say(name)


def decoded(
    candidate: Candidate, suggester: Suggester, records: Sequence[Record], wanted: int, equal: bool
) -> dict[str, Any]:
    """The records' replies, and of ``wanted`` positions in them how many have other logits than the canonical ones."""
    written = Written(candidate, suggester, not equal)
    with watched(2 * wanted / (len(records) * MAX_NEW_TOKENS / 2)) as seen:
        replies = dict(written.replies(records))
    prompts = [candidate.prompter.encode(record).own for record in records]
    whole = [(*prompt, *replies[i], candidate.prompter.eos) for i, prompt in enumerate(prompts)]
    decided = {line[:end] for line, prompt in zip(whole, prompts, strict=True) for end in range(len(prompt), len(line))}
    places = sorted(own for own in seen if own in decided)
    chosen = random.Random(0).sample(places, min(wanted, len(places)))
    prefix = candidate.prompter.prefix
    differing = sum(fingerprint(next_logits(candidate.model, prefix, own)) != seen[own] for own in chosen)
    return {
        "replies": [replies[i] for i in range(len(records))],
        "positions": len(chosen),
        "differing": differing,
        "guarded": written.counts.guarded,
    }


@contextmanager
def watched(share: float) -> Iterator[dict[Tokens, str]]:
    """Fingerprints of the logits that decoding reads, at a random ``share`` of the places, by the sequence up to there."""
    rng = random.Random(0)
    seen: dict[Tokens, str] = {}

    def watching(model: Any, packed: Pack, rows: Sequence[int]) -> torch.Tensor:
        logits = packed_logits(model, packed, rows)
        tokens = packed.tokens.tolist()
        for row, found in zip(rows, logits, strict=True):
            if rng.random() < share:
                start = max(offset for offset in packed.offsets if offset <= row)
                seen[tuple(tokens[start : row + 1])] = fingerprint(found)
        return logits

    with patch.object(fast, "packed_logits", watching):
        yield seen


def fingerprint(logits: torch.Tensor) -> str:
    return hashlib.sha256(logits.cpu().contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()


def compared(candidate: Candidate, record: Record, reply: Sequence[int]) -> dict[str, Any]:
    """How many tokens the plain loop writes, and whether they are the reply's."""
    prompter = candidate.prompter
    own = prompter.encode(record).own
    plain = decode_reference(candidate.model, prompter.prefix, own, eos=prompter.eos, max_new_tokens=MAX_NEW_TOKENS)
    return {"tokens": len(plain), "same": plain == list(reply)}


def summary(state: State, equal: bool, options: argparse.Namespace) -> dict[str, Any]:
    """The figures."""

    def of(kind: str) -> list[Any]:
        return [found for name, found in state.found.items() if name.startswith(kind)]

    chunks, references, untrained = of("chunk"), of("reference"), of("untrained")
    return {
        "replies": sum(len(chunk["replies"]) for chunk in chunks),
        "positions": sum(chunk["positions"] for chunk in chunks),
        "positions_differing": sum(chunk["differing"] for chunk in chunks),
        "guarded_steps": sum(chunk["guarded"] for chunk in chunks),
        "bit_equal_packing": equal,
        "references": len(references),
        "reference_tokens": sum(one["tokens"] for one in references),
        "references_differing": sum(not one["same"] for one in references),
        "untrained": len(untrained),
        "untrained_tokens": sum(one["tokens"] for one in untrained),
        "untrained_differing": sum(not one["same"] for one in untrained),
        "adapter": str(options.adapter or "trained by this program"),
        "corpus": f"{common.corpus()}:dev",
        "machine": common.machine(),
    }


if __name__ == "__main__":
    main()
