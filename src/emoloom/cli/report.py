"""``emoloom report``: a run's leaderboard, on the terminal and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]) -> None:
    """Print a run's leaderboard and write its report.html anew."""
    from emoloom.report.html import write_report
    from emoloom.report.table import print_leaderboard
    from emoloom.store.run import RunFolder

    folder = RunFolder(run)
    page = write_report(folder)
    print_leaderboard(folder)
    typer.echo(f"report  {page}")
