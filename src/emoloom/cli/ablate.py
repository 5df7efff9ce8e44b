"""``emoloom ablate``: what each part of the training recipe is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emoloom.config import AblationConfig, load_config


def ablate(
    model: Annotated[str | None, typer.Option("--model", metavar="SPEC", help="The model to train.")] = None,
    train: Annotated[
        list[str] | None, typer.Option("--train", metavar="CORPUS", help="Corpus to fine-tune on. Repeat.")
    ] = None,
    train_limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Training records in all.")] = None,
    evals: Annotated[
        list[str] | None,
        typer.Option(
            "--eval", metavar="[flip:]CORPUS[:SPLIT]", help="Corpus, or flip test of it, to judge on. Repeat."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Records judged in each corpus.")] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Seeds of the full and the plain recipe.")
    ] = None,
    part_seeds: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Seeds of the recipe without each of its parts.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder that holds the corpora; $EMOLOOM_DATA by default.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run's folder; runs/ and a name of the plan by default.")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="YAML settings; flags win over it.")] = None,
) -> None:
    """Train one model under the full recipe, without each of its parts, and plainly; compare on the same records."""
    settings = load_config(
        config,
        {
            "model": [model] if model else None,
            "train": train or None,
            "train_limit": train_limit,
            "eval": evals or None,
            "limit": limit,
            "seeds": seeds,
            "part_seeds": part_seeds,
            "data_dir": data_dir,
            "out": out,
        },
        AblationConfig,
    )
    from emoloom.cli.progress import TerminalProgress
    from emoloom.report.ablation import print_ablation, write_figure
    from emoloom.screen.plan import make_ablation_plan
    from emoloom.screen.run import run_ablation

    with TerminalProgress() as progress:
        plan = make_ablation_plan(settings, progress.say)
        run = run_ablation(plan, progress, progress.say)
    figure = write_figure(run)
    print_ablation(run)
    typer.echo(f"run     {run.path}\nfigure  {figure}")
