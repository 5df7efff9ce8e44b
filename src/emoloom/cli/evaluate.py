"""``emoloom evaluate``: one model, as it is or as a run trained it, on one or more corpora."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from emoloom.cli import options


def evaluate(
    evals: Annotated[list[str], options.Eval],
    model: options.OneModel = None,
    run: options.TrainedRun = None,
    readout: options.OneReadout = None,
    limit: options.Limit = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides samples and resampling.")] = 0,
    data_dir: options.DataDir = None,
    trust_remote_code: options.TrustRemoteCode = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> None:
    """Judge one model on corpora: strict and parsed metrics; --json adds 95% intervals and per-label figures."""
    from emoloom.cli.progress import TerminalProgress
    from emoloom.report.table import plain_console, scores_table
    from emoloom.screen.single import evaluate_model, open_model

    with TerminalProgress() as progress:
        opened = open_model(model, run, readout, progress.say, trust=bool(trust_remote_code))
        scores = evaluate_model(opened, evals, limit, seed, data_dir, progress, progress.say)
    figures = {name: score.to_dict() for name, score in scores.items()}
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
    else:
        plain_console().print(scores_table(opened.candidate.name, figures))
