"""``emoloom report``: a screening's leaderboard or an ablation's table, on the terminal and as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]) -> None:
    """Print a run's tables and draw its report.html, or an ablation's figure, anew."""
    from emoloom.report.ablation import print_ablation, write_figure
    from emoloom.report.html import write_report
    from emoloom.report.table import print_leaderboard
    from emoloom.store.run import ABLATION, RunFolder

    folder = RunFolder(run)
    if (run / ABLATION).exists():
        print_ablation(folder)
        if folder.is_sealed:
            typer.echo(f"figure  {write_figure(folder)}")
        return
    page = write_report(folder)
    print_leaderboard(folder)
    typer.echo(f"report  {page}")
