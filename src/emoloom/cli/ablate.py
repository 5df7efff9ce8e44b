"""``emoloom ablate``: what each part of the training recipe is worth."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from emoloom.cli import options
from emoloom.config import AblationConfig, load_config


def ablate(
    model: Annotated[str | None, typer.Option("--model", metavar="SPEC", help="The model to train.")] = None,
    train: options.Train = None,
    train_limit: options.TrainLimit = None,
    evals: options.Evals = None,
    limit: options.Limit = None,
    readout: options.Readouts = None,
    epochs: options.Epochs = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Seeds of the full and the plain recipe.")
    ] = None,
    part_seeds: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Seeds of the recipe without each of its parts.")
    ] = None,
    seed: options.Seed = None,
    dtype: options.Dtype = None,
    lexicon: options.Lexicon = None,
    budget: options.Budget = None,
    plan_only: options.PlanOnly = False,
    data_dir: options.DataDir = None,
    out: options.Out = None,
    config: options.ConfigFile = None,
    trust_remote_code: options.TrustRemoteCode = None,
) -> None:
    """Train one model under the full recipe, without each of its parts, and plainly; compare on the same records."""
    began = time.monotonic()
    settings = load_config(
        config,
        {
            "model": [model] if model else None,
            "train": train or None,
            "train_limit": train_limit,
            "eval": evals or None,
            "limit": limit,
            "readout": readout or None,
            "epochs": epochs,
            "seeds": seeds,
            "part_seeds": part_seeds,
            "seed": seed,
            "dtype": dtype,
            "lexicon": lexicon,
            "budget": budget or None,
            "data_dir": data_dir,
            "out": out,
            "trust_remote_code": trust_remote_code,
        },
        AblationConfig,
    )
    from emoloom.cli.pricing import price_plan
    from emoloom.cli.progress import TerminalProgress
    from emoloom.report.ablation import print_ablation, write_figure
    from emoloom.screen.plan import make_ablation_plan
    from emoloom.screen.run import run_ablation

    with TerminalProgress() as progress:
        plan = make_ablation_plan(settings, progress.say)
        priced = price_plan(plan, progress.say, began, always=plan_only)
        if plan_only:
            return
        run = run_ablation(plan, progress, progress.say, priced)
    figure = write_figure(run)
    print_ablation(run)
    typer.echo(f"run     {run.path}\nfigure  {figure}")
