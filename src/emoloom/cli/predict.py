"""``emoloom predict``: texts in, one JSON line out for each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def predict(
    source: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="JSON lines with `text`, or one plain text a line; stdin by default."),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="SPEC", help="The model, without training.")] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Take a run's best fine-tuned candidate (or its --model).")
    ] = None,
    readout: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="free, constrained or scored; free, or the run's first, by default."),
    ] = None,
) -> None:
    """Print labels, VAD and rationale of each text as one JSON line, in the order of the input.

    A reply that breaks the contract becomes {"id","error","reply"}: the reason and what the model wrote.
    """
    from emoloom.cli.progress import TerminalProgress
    from emoloom.screen.single import open_model, predict_lines, read_requests

    requests = read_requests(source, sys.stdin)
    with TerminalProgress() as progress:
        opened = open_model(model, run, readout, progress.say)
        for line in predict_lines(opened, requests, progress):
            typer.echo(line)
