"""``emoloom runs``: which runs there are, how they stand, and what of them can be cleared away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.filesize import decimal
from rich.table import Table
from typer.core import TyperGroup

from emoloom.errors import EmoLoomError
from emoloom.report.table import plain_console
from emoloom.store.lock import holder
from emoloom.store.run import LEADERBOARD, MANIFEST, RunFolder, find_runs
from emoloom.store.standing import disk_use, leftovers, prune, state


class _ListsByDefault(TyperGroup):
    """``emoloom runs [DIR]`` is ``emoloom runs ls [DIR]``."""

    def parse_args(self, ctx: Any, args: Sequence[str]) -> Any:
        named = bool(args) and (args[0] in self.commands or args[0].startswith("-"))
        return super().parse_args(ctx, list(args) if named else ["ls", *args])


app = typer.Typer(cls=_ListsByDefault, help="List runs with their state and disk use, or prune them.")

Folder = Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder that holds runs.")]


@app.command()
def ls(folder: Folder = Path("runs")) -> None:
    """List the runs in a folder: how each stands, its candidates, what it takes on disk, who leads."""
    table = Table("run", "state", "candidates", "disk", "leader")
    for run in _runs(folder):
        row = _described(run)
        table.add_row(run.path.name, state(run), row[0], decimal(disk_use(run.path)), row[1])
    plain_console().print(table)


@app.command("prune")
def prune_runs(
    folder: Folder = Path("runs"),
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without this flag it is only shown.")] = False,
) -> None:
    """Remove what stopped runs keep only to go on from: checkpoints and replies of unfinished cells, half-written files.

    Finished cells stay, and a pruned run can still be taken up again: it begins its open cells anew. To be rid of a run
    altogether, remove its folder.
    """
    freed = 0
    for run in _runs(folder):
        size = sum(map(disk_use, leftovers(run)))
        if process := holder(run.path):
            typer.echo(f"{run.path}: left alone, running by process {process}")
        elif reason := _no_run(run):
            typer.echo(f"{run.path}: left alone, {reason}")
        elif size:
            if yes:
                prune(run)
            freed += size
            typer.echo(f"{run.path}: {decimal(size)}")
    typer.echo(f"{decimal(freed)} {'removed' if yes else 'can be removed; nothing is without --yes'}")


def _runs(folder: Path) -> list[RunFolder]:
    if not folder.is_dir():
        raise EmoLoomError("there is no such folder", where=str(folder), remedy="Name the folder that holds runs.")
    return find_runs(folder)


def _no_run(run: RunFolder) -> str | None:
    """Why a folder is none of a run: other programs call a file manifest.json, too."""
    try:
        run.read_json(MANIFEST)
    except EmoLoomError as error:
        return f"{MANIFEST} is {error.problem}"
    return None


def _described(run: RunFolder) -> tuple[str, str]:
    """A run's candidates and its leader, as far as its files tell: a damaged run is listed, too."""
    try:
        names = ", ".join(candidate["name"] for candidate in run.read_json(MANIFEST)["candidates"])
        ranking = run.read_json(LEADERBOARD)["ranking"] if (run.path / LEADERBOARD).exists() else []
        return names, ranking[0]["candidate"] if ranking else ""
    except EmoLoomError as error:
        return f"? ({error.problem})", ""
