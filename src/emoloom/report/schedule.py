"""A priced plan on the terminal."""

from __future__ import annotations

from rich.table import Table

from emoloom.report.table import plain_console
from emoloom.screen.pricing.price import Price
from emoloom.screen.pricing.schedule import Schedule, spell


def print_schedule(schedule: Schedule) -> None:
    """Prints what each cell is expected to take, what is cut, and what would fit."""
    console = plain_console(stderr=True)
    columns = ("candidate", "stage", "readout", "arm", "seconds", "examples", "tokens", "peak memory", "")
    table = Table(*columns, title="plan (estimates)", title_justify="left")
    for line in schedule.lines:
        cell = line.cell
        stage = f"{cell.stage} at {cell.examples}" if cell.examples else cell.stage
        cut = f"cut: over {line.cut}" if line.cut else ""
        table.add_row(cell.candidate, stage, cell.readout, cell.arm, *_figures(line.price), cut)
    table.add_section()
    table.add_row("all, with loading, measuring and reports", "", "", "", *_figures(schedule.total), "")
    console.print(table)
    if any(line.cut for line in schedule.lines):
        fits = f"; all of it would fit with {schedule.nearest}" if schedule.nearest else ""
        console.print(
            f"the plan would take {spell(schedule.total)}: what the budget does not pay for is cut{fits}",
            soft_wrap=True,
        )


def _figures(price: Price) -> tuple[str, ...]:
    memory = f"{price.memory / 1e9:.1f} GB" if price.memory else ""
    return f"{price.seconds:.0f}", str(price.examples), str(price.tokens), memory
