"""``emoloom appraisal``: the verifier that reads a text's appraisals and guides training."""

from __future__ import annotations

import json
from typing import Any

import typer

from emoloom.cli import options

app = typer.Typer(help="Build and judge the appraisal verifier.", no_args_is_help=True)


@app.command()
def fit(data_dir: options.DataDir = None) -> None:
    """Fit the verifier on the appraisal corpora at hand and keep it in the cache; done once for the same data."""
    from emoloom.screen.teachers.appraisal import build, read_card

    folder = build(data_dir, _say)
    typer.echo(f"verifier  {folder}")
    _show(read_card(folder))


@app.command()
def card(
    data_dir: options.DataDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what the verifier was fitted on and how well it reads texts that it has not seen."""
    from emoloom.screen.teachers.appraisal import build, read_card

    figures = read_card(build(data_dir, _say))
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
    else:
        _show(figures)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _show(card: dict[str, Any]) -> None:
    """The card's figures, one atom a line."""
    comparison = card["comparison"]
    typer.echo(f"{'held-out AUC':16} {'verifier':>8} {'tfidf':>8} {'emotion':>8} {'ECE':>8}")
    for atom, auc in card["held_out_auc"].items():
        others = "".join(f" {comparison[name][atom]:8.3f}" for name in ("tfidf", "gold_emotion"))
        typer.echo(f"{atom:16} {auc:8.3f}{others} {card['calibration'][atom]['ece']:8.3f}")
    means = "".join(f" {comparison[name]['mean']:8.3f}" for name in ("tfidf", "gold_emotion"))
    typer.echo(f"{'mean':16} {card['mean_auc']:8.3f}{means}")
    typer.echo(f"\nversion {card['version']}; {card['held_out']}")
    for source in card["sources"]:
        typer.echo(f"{source['corpus']:14} {source['rows']:6} rows  {source['sha256'][:12]}  {source['licence']}")
    typer.echo(card["licence_note"])
