"""The drift between two runs on the terminal."""

from __future__ import annotations

from rich.table import Table

from emoloom.report.table import COLUMNS, figure, plain_console
from emoloom.screen.finished.drift import CellDrift, Drift


def print_drift(drift: Drift) -> None:
    """Prints what the runs stand on where that differs, then a line for each cell and corpus, and every metric that moved."""
    console = plain_console()
    for name, (a, b) in drift.grounds.items():
        console.print(f"{name}: {a} | {b}", soft_wrap=True)
    table = Table(
        "cell", "corpus", "replies", "differing", "first difference", "labels changed", "|VAD| mean", "|VAD| max"
    )
    for cell in drift.cells:
        first = f"character {cell.first[0]} of {cell.first[1]}" if cell.first else ""
        share = f"{cell.differing} ({cell.differing / cell.replies:.1%})"
        gaps = (figure(cell.vad_mean), figure(cell.vad_max))
        table.add_row(_name(cell.cell), cell.corpus, str(cell.replies), share, first, str(cell.relabelled), *gaps)
    console.print(table)
    moved = [line for cell in drift.cells for line in _moved(cell)]
    if moved:
        metrics = Table("cell", "corpus", "metric", "A", "B", "B - A")
        for line in moved:
            metrics.add_row(*line)
        console.print(metrics)
    for names in drift.unmatched:
        console.print(f"only one run has finished {_name(names)}", soft_wrap=True)


def _name(names: tuple[str, ...]) -> str:
    return " ".join(filter(None, names))


def _moved(cell: CellDrift) -> list[tuple[str, ...]]:
    return [
        (_name(cell.cell), cell.corpus, COLUMNS.get(name, name), figure(a), figure(b), f"{b - a:+.4f}")
        for name, (a, b) in cell.metrics.items()
        if a != b
    ]
