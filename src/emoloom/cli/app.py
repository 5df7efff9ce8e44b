"""Puts the verbs together and turns a user's mistake into one line and exit code 2."""

from __future__ import annotations

import difflib
from typing import Annotated, Any

import click
import typer
from rich.console import Console

import emoloom
from emoloom.cli import data, lexicon
from emoloom.cli.evaluate import evaluate
from emoloom.cli.fetch import fetch
from emoloom.cli.predict import predict
from emoloom.cli.report import report
from emoloom.cli.runs import runs
from emoloom.cli.screen import screen
from emoloom.errors import EmoLoomError

app = typer.Typer(
    help="Screen small language models for joint emotion and valence-arousal-dominance prediction.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (screen, evaluate, predict, fetch, report, runs):
    app.command()(verb)
app.add_typer(data.app, name="data")
app.add_typer(lexicon.app, name="lexicon")


@app.callback()
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    """Screen small language models for joint emotion and valence-arousal-dominance prediction."""
    if show:
        typer.echo(f"emoloom {emoloom.__version__}")
        raise typer.Exit


def run(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0, 2 for a user's mistake, 130 when interrupted."""
    errors = Console(stderr=True)
    try:
        result = app(arguments, standalone_mode=False)
    except EmoLoomError as error:
        errors.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    except click.ClickException as error:
        errors.print(f"error: {_with_hint(error)}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    except (KeyboardInterrupt, click.Abort):
        errors.print("interrupted: run the same command again to go on", highlight=False)
        return 130
    return result if isinstance(result, int) else 0


def _with_hint(error: click.ClickException) -> str:
    message = error.format_message()
    context: Any = getattr(error, "ctx", None)
    if isinstance(error, click.NoSuchOption) and context and "did you mean" not in message.lower():
        known = [name for parameter in context.command.params for name in parameter.opts]
        close = difflib.get_close_matches(error.option_name, known, n=3)
        if close:
            message = f"{message} Did you mean {' or '.join(close)}?"
    return f"{message} (see {context.command_path} --help)" if context else message
