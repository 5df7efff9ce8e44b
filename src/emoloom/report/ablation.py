"""An ablation's table on the terminal and its figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from emoloom.report.page import render
from emoloom.report.table import figure, plain_console
from emoloom.store.run import ABLATION, RunFolder

TITLES = {"strict_macro_f1": "strict Macro-F1", "ccc_mean": "mean CCC", "flip_test": "flip test"}
"""Metric -> column title."""
# Half the width of a panel and the height of a row, in the figure's own units; a panel reaches to the longest interval.
_HALF, _ROW = 110, 22


def print_ablation(run: RunFolder) -> None:
    """Prints every arm's figures and every difference with its interval, and which arms are not judged yet."""
    content = run.read_json(ABLATION)
    console = plain_console()
    table = Table("arm", "readout", "seeds", *TITLES.values(), title="arms", title_justify="left")
    for arm in content["arms"]:
        table.add_row(arm["arm"], arm["readout"], str(arm["seeds"]), *(_value(arm["metrics"][name]) for name in TITLES))
    console.print(table)
    table = Table("", "readout", "seeds", *TITLES.values(), title="differences, 95% intervals", title_justify="left")
    for key in content["differences"]:
        row = content[key]
        table.add_row(
            key.replace("_", " "), row["readout"], str(row["seeds"]), *(_difference(row[name]) for name in TITLES)
        )
    console.print(table)
    for sentence in content["verdict"]:
        console.print(sentence, soft_wrap=True)
    if content["unfinished"]:
        console.print(f"not judged yet: {', '.join(content['unfinished'])}")


def write_figure(run: RunFolder) -> Path:
    """Draws the differences as ``ablation.svg`` and returns its path: one panel a metric, one line a left-out part; to the
    right of zero the full recipe is better."""
    content = run.read_json(ABLATION)
    panels = [_panel(content, name, title) for name, title in TITLES.items()]
    names = [key.partition("_minus_")[2].replace("_", " ") for key in content["differences"]]
    page = render("ablation.svg.j2", names=names, panels=panels, half=_HALF, row=_ROW)
    return run.publish("ablation.svg", page)


def _panel(content: dict[str, Any], name: str, title: str) -> dict[str, Any]:
    rows = [content[key][name] for key in content["differences"]]
    reach = max((abs(end) for row in rows if row for end in row["interval"]), default=0.0) or 1.0
    scaled = [
        {
            "x": _at(row["difference"], reach),
            "low": _at(row["interval"][0], reach),
            "high": _at(row["interval"][1], reach),
        }
        if row
        else None
        for row in rows
    ]
    return {"title": title, "reach": reach, "rows": scaled}


def _at(value: float, reach: float) -> float:
    return round(_HALF + _HALF * value / reach, 1)


def _value(found: dict[str, Any] | None) -> str:
    if found is None:
        return figure(None)
    low, high = found["interval"]
    return f"{figure(found['value'])} ({low:.3f} to {high:.3f})"


def _difference(found: dict[str, Any] | None) -> str:
    if found is None:
        return figure(None)
    low, high = found["interval"]
    return f"{found['difference']:+.3f} ({low:+.3f} to {high:+.3f})"
