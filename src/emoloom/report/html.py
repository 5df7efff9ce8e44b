"""``report.html``: one page without external requests; every text in it is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emoloom.report.mixture import has_mixture, mixture_plot
from emoloom.report.page import render
from emoloom.report.table import PROBE_COLUMNS, columns_of, gold_note, probe_scores
from emoloom.store.files import write_atomic
from emoloom.store.run import LEADERBOARD, MANIFEST, RunFolder

# Width of the interval plot in its own units.
_PLOT = 400


def write_report(run: RunFolder) -> Path:
    """Draws the page from the run's files and returns its path.

    Raises:
        EmoLoomError: the run has no leaderboard yet, or the page cannot be written.
    """
    board = run.read_json(LEADERBOARD)
    manifest = run.read_json(MANIFEST)
    page = render(
        "report.html.j2",
        manifest=manifest,
        tables=_tables(board["rows"]),
        ranking=[_bar(row) for row in board["ranking"]],
        probes=board["probes"],
        probed=probe_scores(board),
        probe_columns=PROBE_COLUMNS,
        plot_width=_PLOT,
        verdict=board["verdict"],
        cells=[(cell, run.cell(cell["key"]).metrics()) for cell in manifest["cells"]],
        examples=_examples(run, manifest["cells"]),
        mixtures=[mixture_plot(run, cell) for cell in manifest["cells"] if has_mixture(run, cell)],
    )
    path = run.path / "report.html"
    write_atomic(path, page)
    return path


def _tables(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    corpora = dict.fromkeys(row["corpus"] for row in rows)
    groups = {corpus: [row for row in rows if row["corpus"] == corpus] for corpus in corpora}
    return [
        {
            "corpus": corpus,
            "gold": gold_note(group[0]),
            "columns": columns_of(row["metrics"] for row in group),
            "rows": group,
        }
        for corpus, group in groups.items()
    ]


def _bar(row: dict[str, Any]) -> dict[str, Any]:
    """A ranking row with the places of its interval and score on the plot, whose axis runs from 0 to 1."""
    low, high = row["interval"]
    return {**row, "x_low": low * _PLOT, "x_high": high * _PLOT, "x": row["score"] * _PLOT}


def _examples(run: RunFolder, cells: list[dict[str, Any]]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """The first three replies of every model cell, and its first three failures."""
    found = []
    for cell in cells:
        if cell["stage"] not in ("baseline", "training"):
            rows = run.cell(cell["key"]).replies()
            failed = [row for row in rows if row["outcome"] != "parsed"]
            found.append((cell, rows[:3] + [row for row in failed[:3] if row not in rows[:3]]))
    return found
