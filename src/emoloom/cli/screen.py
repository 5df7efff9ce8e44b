"""``emoloom screen``: candidates in, leaderboard out."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from emoloom.cli import options
from emoloom.config import ScreenConfig, load_config


def screen(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", metavar="SPEC", help="Candidate: hf:ORG/NAME, path:DIR, gguf:FILE or pypi:NAME. Repeat."
        ),
    ] = None,
    train: options.Train = None,
    train_limit: options.TrainLimit = None,
    evals: options.Evals = None,
    limit: options.Limit = None,
    zero_shot_limit: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Records judged in each corpus before fine-tuning.")
    ] = None,
    readout: options.Readouts = None,
    rungs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Race: halve the candidates N - 1 times on the way.")
    ] = None,
    dev_limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Records judged at each rung, or watched by early stopping.")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", metavar="SPEC", help="Candidate that never leaves the race. Repeat.")
    ] = None,
    rank_by: Annotated[
        str | None,
        typer.Option(metavar="METRIC", help="score (default: both, half each), strict_macro_f1 or vad_ccc_mean."),
    ] = None,
    epochs: options.Epochs = None,
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
    """Judge candidates zero-shot and fine-tuned, beside baselines; run it again to go on where it stopped."""
    began = time.monotonic()
    settings = load_config(
        config,
        {
            "model": model or None,
            "train": train or None,
            "train_limit": train_limit,
            "eval": evals or None,
            "limit": limit,
            "zero_shot_limit": zero_shot_limit,
            "readout": readout or None,
            "rungs": rungs,
            "dev_limit": dev_limit,
            "keep": keep or None,
            "rank_by": rank_by,
            "epochs": epochs,
            "seed": seed,
            "dtype": dtype,
            "lexicon": lexicon,
            "budget": budget or None,
            "data_dir": data_dir,
            "out": out,
            "trust_remote_code": trust_remote_code,
        },
        ScreenConfig,
    )
    from emoloom.cli.pricing import price_plan
    from emoloom.cli.progress import TerminalProgress
    from emoloom.report.html import write_report
    from emoloom.report.table import print_leaderboard
    from emoloom.screen.plan import make_plan
    from emoloom.screen.run import run_plan

    with TerminalProgress() as progress:
        plan = make_plan(settings, progress.say)
        priced = price_plan(plan, progress.say, began, always=plan_only)
        if plan_only:
            return
        run = run_plan(plan, progress, progress.say, priced)
    report = write_report(run)
    print_leaderboard(run)
    typer.echo(f"run     {run.path}\nreport  {report}")
