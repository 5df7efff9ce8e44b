"""``emoloom runs``: which runs there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from emoloom.errors import EmoLoomError


def runs(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder that holds runs.")] = Path("runs"),
) -> None:
    """List the runs in a folder: their candidates, whether they are finished, who leads."""
    from emoloom.report.table import plain_console
    from emoloom.store.run import LEADERBOARD, MANIFEST, find_runs

    if not folder.is_dir():
        raise EmoLoomError("there is no such folder", where=str(folder), remedy="Name the folder that holds runs.")
    table = Table("run", "candidates", "judged cells", "leader")
    for run in find_runs(folder):
        manifest = run.read_json(MANIFEST)
        cells = [cell for cell in manifest["cells"] if cell["stage"] != "training"]
        done = sum(run.cell(cell["key"]).metrics() is not None for cell in cells)
        finished = (run.path / LEADERBOARD).exists()
        leader = run.read_json(LEADERBOARD)["ranking"][0]["candidate"] if finished else ""
        names = ", ".join(candidate["name"] for candidate in manifest["candidates"])
        table.add_row(run.path.name, names, f"{done} of {len(cells)}", leader)
    plain_console().print(table)
