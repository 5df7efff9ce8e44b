"""``emoloom lexicon``: how well a lexicon alone predicts gold VAD."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from emoloom.cli import options

app = typer.Typer(help="Work with valence-arousal-dominance lexicons.", no_args_is_help=True)


@app.callback()
def _verbs() -> None:
    """Keeps `score` a verb of its own while it is the only one."""


@app.command()
def score(
    lexicon: Annotated[str, typer.Option(metavar="NAME|FILE", help="A fetched lexicon, such as warriner, or a file.")],
    corpus: Annotated[str, typer.Option(metavar="CORPUS", help="A corpus with gold VAD.")] = "emobank",
    data_dir: options.DataDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Correlate the calibrated lexicon estimate with the gold VAD of all of a corpus's texts, and of each split."""
    from emoloom.report.table import figure
    from emoloom.screen.teachers.lexicon_score import score_lexicon

    figures = score_lexicon(lexicon, corpus, data_dir)
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    for name, part in {"all": figures, **figures["splits"]}.items():
        pearson = "  ".join(f"{axis} {figure(value)}" for axis, value in part["pearson"].items())
        typer.echo(f"{name:6} n {part['n']:6}  r  {pearson}  coverage {part['coverage']:.3f}")
