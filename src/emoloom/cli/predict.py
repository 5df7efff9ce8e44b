"""``emoloom predict``: texts in, one JSON line out for each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from emoloom.cli import options


def predict(
    source: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="JSON lines with `text`, or one plain text a line; stdin by default."),
    ] = None,
    model: options.OneModel = None,
    run: options.TrainedRun = None,
    readout: options.OneReadout = None,
    trust_remote_code: options.TrustRemoteCode = None,
) -> None:
    """Print labels, VAD and rationale of each text as one JSON line, in the order of the input.

    A reply that breaks the contract becomes {"id","error","reply"}: the reason and what the model wrote.
    """
    from emoloom.cli.progress import TerminalProgress
    from emoloom.screen.single import open_model, predict_lines, read_requests

    requests = read_requests(source, sys.stdin.buffer)
    with TerminalProgress() as progress:
        opened = open_model(model, run, readout, progress.say, trust=bool(trust_remote_code))
        for line in predict_lines(opened, requests, progress, progress.say):
            typer.echo(line)
