"""Puts the verbs together and turns a user's mistake into one line and exit code 2."""

from __future__ import annotations

from typing import Annotated

import typer

import emoloom
from emoloom.cli import appraisal, data, lexicon, runs
from emoloom.cli.ablate import ablate
from emoloom.cli.drift import drift
from emoloom.cli.evaluate import evaluate
from emoloom.cli.fetch import fetch
from emoloom.cli.predict import predict
from emoloom.cli.report import report
from emoloom.cli.screen import screen
from emoloom.cli.verify import verify
from emoloom.errors import EmoLoomError, is_out_of_memory
from emoloom.report.table import plain_console

INTERRUPTED = 130
_LESS_MEMORY = "Take a smaller model, fewer records, or a smaller recipe.micro_batch; or close other programs."

app = typer.Typer(
    help="Screen small language models for joint emotion and valence-arousal-dominance prediction.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (screen, ablate, evaluate, predict, fetch, report, verify, drift):
    app.command()(verb)
app.add_typer(data.app, name="data")
app.add_typer(lexicon.app, name="lexicon")
app.add_typer(appraisal.app, name="appraisal")
app.add_typer(runs.app, name="runs")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"emoloom {emoloom.__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Screen small language models for joint emotion and valence-arousal-dominance prediction."""


def run(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0, 2 for a user's mistake, 130 when interrupted."""
    try:
        result = app(arguments, prog_name="emoloom", standalone_mode=False)
    except EmoLoomError as error:
        return _refused(str(error))
    except typer.TyperException as error:
        return _refused(_with_place(error))
    except OSError as error:
        return _refused(": ".join(filter(None, [str(error.filename or ""), error.strerror or str(error)])))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _refused(f"out of memory. {_LESS_MEMORY}")
    if result == INTERRUPTED:
        plain_console(stderr=True).print("interrupted: run the same command again to go on")
    return result if isinstance(result, int) else 0


def _refused(message: str) -> int:
    if message:
        plain_console(stderr=True).print(f"error: {message}", style="red", soft_wrap=True)
    return 2


def _with_place(error: typer.TyperException) -> str:
    """The message with the command whose help says more; none where the help has been printed instead."""
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    return f"{message} (see {context.command_path} --help)" if message and context else message
