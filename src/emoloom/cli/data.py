"""``emoloom data``: which corpora there are, what is in them, and what loading them keeps and drops."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from emoloom.cli import options
from emoloom.cli.flips import show_flips
from emoloom.data.load import CORPORA, available, bad_lines, load, parse_place, splits_of
from emoloom.data.splits import SPLITS, SplitReport
from emoloom.errors import EmoLoomError
from emoloom.report.table import plain_console

SHOWN = 20
"""Bad lines of a file that are told one by one."""

app = typer.Typer(help="List, show and check corpora.", no_args_is_help=True)


@app.command()
def ls(data_dir: options.DataDir = None) -> None:
    """List the corpora and where each would be read from."""
    places = available(data_dir)
    table = Table("corpus", "taxonomy", "place")
    for name, corpus in CORPORA.items():
        hub = f"hub: {corpus.hub.repo}" if corpus.hub else "not found"
        table.add_row(name, f"{corpus.taxonomy.name} ({len(corpus.taxonomy.labels)})", places.get(name, hub))
    plain_console().print(table)


@app.command()
def show(
    corpus: Annotated[str, typer.Argument(help="CORPUS or CORPUS:SPLIT; the split is train by default.")],
    limit: Annotated[int, typer.Option(min=1, help="How many records, or pairs, at most.")] = 10,
    flip: Annotated[
        bool, typer.Option("--flip", help="Print pairs of a record and its mirror image on the valence axis.")
    ] = False,
    data_dir: options.DataDir = None,
) -> None:
    """Print records as JSON lines, or those that Valence Flip can mirror beside their mirror image."""
    records = load(*parse_place(corpus, SPLITS[0]), data_dir).records
    if flip:
        show_flips(records, limit, corpus)
        return
    for record in records[:limit]:
        typer.echo(record.line())


@app.command()
def check(
    corpora: Annotated[
        list[str] | None, typer.Argument(metavar="[CORPUS]...", help="All that are at hand by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the reports as one JSON object.")] = False,
    data_dir: options.DataDir = None,
) -> None:
    """Load every split and report rows read, kept and dropped, or the bad lines of a file of your own."""
    names = corpora or list(available(data_dir))
    for name in names:
        _refuse_bad_lines(name, bad_lines(name))
    reports = [load(name, split, data_dir).report for name in names for split in splits_of(name)]
    if as_json:
        typer.echo(json.dumps({"splits": [report.to_dict() for report in reports]}))
    else:
        plain_console().print(_table(reports))


def _refuse_bad_lines(name: str, bad: list[EmoLoomError]) -> None:
    """Prints what is wrong with the first :data:`SHOWN` lines and raises where there is any."""
    for error in bad[:SHOWN]:
        typer.echo(error, err=True)
    if bad:
        shown = f", the first {SHOWN} shown above" if len(bad) > SHOWN else ""
        lines = "1 bad line" if len(bad) == 1 else f"{len(bad)} bad lines"
        raise EmoLoomError(f"{lines}{shown}", where=name, remedy="Mend the file and check it again.")


def _table(reports: list[SplitReport]) -> Table:
    table = Table("corpus", "split", "read", "kept", "dropped", "sha256", "source")
    for r in reports:
        dropped = ", ".join(f"{reason} {rows:,}" for reason, rows in r.dropped.items())
        table.add_row(r.corpus, r.split, f"{r.rows_read:,}", f"{r.rows_kept:,}", dropped, r.sha256[:12], r.source)
    return table
