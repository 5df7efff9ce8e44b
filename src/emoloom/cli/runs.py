"""``emoloom runs``: which runs there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def runs(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder that holds runs.")] = Path("runs"),
) -> None:
    """List the runs in a folder: their candidates, whether they are finished, who leads."""
    from emoloom.store.run import LEADERBOARD, MANIFEST, find_runs

    table = Table("run", "candidates", "finished cells", "leader")
    for run in find_runs(folder):
        manifest = run.read_json(MANIFEST)
        cells = manifest["cells"]
        done = sum(run.cell(cell["key"]).metrics() is not None for cell in cells)
        finished = (run.path / LEADERBOARD).exists()
        leader = run.read_json(LEADERBOARD)["ranking"][0]["candidate"] if finished else ""
        names = ", ".join(candidate["name"] for candidate in manifest["candidates"])
        table.add_row(run.path.name, names, f"{done} of {len(cells)}", leader)
    Console().print(table)
