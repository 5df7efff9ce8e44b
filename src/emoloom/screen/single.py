"""One model outside a screening: as it is, or as a run trained it, to judge or to predict with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, get_args

from emoloom.assets.cache import Say, silent
from emoloom.config import Readout as ReadoutName
from emoloom.contract.affect import VAD
from emoloom.contract.parse import Parsed, parse_reply
from emoloom.contract.record import Request
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.data import jsonl
from emoloom.data.files import decode, read_bytes
from emoloom.errors import EmoLoomError, unknown_name
from emoloom.evaluate.score import Scores
from emoloom.lexicon.load import load_teacher
from emoloom.lexicon.teacher import READERS_MEAN, Teacher
from emoloom.model.load import Candidate
from emoloom.screen.cell import judge, make_row
from emoloom.screen.corpora import load_evals
from emoloom.screen.cost import Progress
from emoloom.screen.finished.reopen import Reopened, load_model
from emoloom.screen.ground import told_cut
from emoloom.screen.readouts.readout import Answer, Readout, Written, bit_equal, make_grammar
from emoloom.screen.readouts.scoring import scored_readout
from emoloom.screen.readouts.suggest import Suggester
from emoloom.store.run import ABLATION, LEADERBOARD, CellFolder, RunFolder


@dataclass(frozen=True)
class Opened:
    """A loaded model and how it is asked.

    Attributes:
        teacher: what its training records were completed with.
        constant: the VAD that stands in for a broken reply.
        readout: ``free``, ``constrained`` or ``scored``.
        scored: the folder of the ``scored`` cell, where that readout is asked for.
    """

    candidate: Candidate
    teacher: Teacher
    constant: VAD
    readout: str = "free"
    scored: CellFolder | None = None


def open_model(model: str | None, run: Path | None, readout: str | None, say: Say, *, trust: bool = False) -> Opened:
    """The model of a spec; or, with ``run``, the best fine-tuned candidate of that run (or the one called ``model``).

    It is asked by ``readout``: by default ``free``, or the run's first. ``trust`` lets a model's own Python code run.

    Raises:
        EmoLoomError: neither is given, something of it cannot be had, or it cannot be asked so.
    """
    if readout is not None and readout not in get_args(ReadoutName):
        raise unknown_name("readout", readout, get_args(ReadoutName))
    if run is not None:
        return _open_trained(model, Reopened(RunFolder(run), trust=trust), readout, say)
    if model is None:
        raise EmoLoomError("no model is given", remedy="Pass --model SPEC, or --run DIR of a finished screening.")
    if readout == "scored":
        raise EmoLoomError(
            "an untrained model has no heads to score with",
            where=model,
            remedy="Pass --run of a run with this readout.",
        )
    return Opened(load_model(model, say, trust=trust), load_teacher(None), READERS_MEAN, readout or "free")


def _open_trained(model: str | None, run: Reopened, readout: str | None, say: Say) -> Opened:
    name = _winner(run.run, model)
    readouts = {cell.readout: cell for cell in run.cells if (cell.candidate, cell.stage) == (name, "tuned")}
    candidate = run.candidate(next(iter(readouts.values())), say)
    v, a, d = run.manifest["constant_vad"]
    opened = Opened(candidate, run.teacher, (v, a, d), readout or run.config.readout[0])
    if opened.readout != "scored":
        return opened
    if "scored" not in readouts or run.folder(readouts["scored"]).metrics() is None:
        raise EmoLoomError(
            "this run has no scored answers, and so no thresholds",
            where=str(run.run.path),
            remedy="Screen with --readout scored and enough budget for it, or use free.",
        )
    return replace(opened, scored=run.folder(readouts["scored"]))


def _winner(folder: RunFolder, model: str | None) -> str:
    if (folder.path / ABLATION).exists():
        raise EmoLoomError(
            "an ablation compares recipes and has no winner",
            where=str(folder.path),
            remedy="Screen with the recipe you choose, and take that run.",
        )
    ranking = folder.read_json(LEADERBOARD)["ranking"]
    trained = [str(row["candidate"]) for row in ranking if row["stage"] == "tuned"]
    if not trained:
        raise EmoLoomError("no candidate was fine-tuned in this run", where=str(folder.path))
    if model is not None and model not in trained:
        raise unknown_name("candidate", model, trained, where=str(folder.path))
    return model or trained[0]


def evaluate_model(
    opened: Opened,
    evals: Sequence[str],
    limit: int | None,
    seed: int,
    data_dir: Path | None,
    progress: Progress,
    say: Say = silent,
) -> dict[str, Scores]:
    """Scores on each corpus by name; texts that are too long for the model are told of.

    Raises:
        EmoLoomError: a corpus cannot be had.
    """
    sets = load_evals(evals, limit, seed, data_dir, opened.teacher)
    rows = []
    for e in sets:
        answers = _answers(opened, e.records, progress, say, f"{opened.candidate.name} on {e.name}")
        rows += [make_row(e.name, record, answer) for record, answer in zip(e.records, answers, strict=True)]
    return judge(rows, sets, opened.constant, seed)


def predict_lines(opened: Opened, requests: Sequence[Request], progress: Progress, say: Say = silent) -> Iterator[str]:
    """One JSON line for each request, in order; texts that are too long for the model are told of."""
    for request, answer in zip(requests, _answers(opened, requests, progress, say, opened.candidate.name), strict=True):
        outcome = parse_reply(answer.reply, GOEMOTIONS)
        if isinstance(outcome, Parsed):
            yield f'{{"id":{json.dumps(request.id)},{outcome.reply.line()[1:]}'
        else:
            yield json.dumps({"id": request.id, "error": outcome.reason, "reply": answer.reply}, ensure_ascii=False)


def read_requests(source: Path | None, stdin: BinaryIO) -> list[Request]:
    """The requests of a file or of standard input: JSON lines (each beginning with ``{``) or plain texts, one a line.

    Plain texts are numbered from 1; empty lines are left out.

    Raises:
        EmoLoomError: the file cannot be read, a JSON line is malformed (with its number), or there is no text.
    """
    where = str(source or "standard input")
    content = decode(read_bytes(source) if source else stdin.read(), where)
    lines = [(n, line.strip()) for n, line in enumerate(content.split("\n"), start=1) if line.strip()]
    if not lines:
        raise EmoLoomError("there is no text", where=where, remedy="Give one text a line, or JSON lines.")
    return [
        jsonl.request(line, n, f"{where}:{n}") if line.startswith("{") else Request(id=str(n), text=line)
        for n, line in lines
    ]


def _answers(opened: Opened, requests: Sequence[Request], progress: Progress, say: Say, title: str) -> list[Answer]:
    """The answer to each request, in order."""
    if cut := sum(opened.candidate.prompter.encode(request).cut > 0 for request in requests):
        say(f"{title}: {told_cut(cut)}")
    found: dict[int, Answer] = {}
    for index, answer in _readout(opened, requests).answers(requests):
        found[index] = answer
        progress("decoding", 1, len(requests))
    return [found[index] for index in range(len(requests))]


def _readout(opened: Opened, requests: Sequence[Request]) -> Readout:
    suggester = Suggester((), opened.teacher)
    if opened.scored is not None:
        return scored_readout(opened.candidate, opened.scored, suggester, alone=False).tested(requests)
    equal = bit_equal(opened.candidate, requests)
    grammar = make_grammar(opened.candidate.prompter) if opened.readout == "constrained" else None
    return Written(opened.candidate, suggester, not equal, grammar)
