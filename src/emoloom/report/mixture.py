"""A training's mixture as lines to draw: entropy, temperature and the shares of the sources, window by window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emoloom.store.run import RunFolder

_WIDTH, _HEIGHT = 320, 28


def has_mixture(run: RunFolder, cell: Mapping[str, Any]) -> bool:
    """Whether a cell is a training that drew its examples from a mixture."""
    return cell["stage"] == "training" and not run.cell(cell["key"]).failure() and bool(_windows(run, cell))


def mixture_plot(run: RunFolder, cell: Mapping[str, Any]) -> dict[str, Any]:
    """What the page draws of it: a line for H, for T and for the share of each source."""
    windows = _windows(run, cell)
    entropies = [window["entropy"] for window in windows]
    temperatures = [window["temperature"] for window in windows]
    top = max([*entropies, *temperatures])
    sources = sorted({source for window in windows for source in window["shares"]})
    lines = [_line("entropy H (nats)", entropies, top), _line("temperature T", temperatures, top)]
    lines += [_line(f"share of {s}", [window["shares"].get(s, 0.0) for window in windows], 1.0) for s in sources]
    return {"candidate": cell["candidate"], "top": top, "width": _WIDTH, "height": _HEIGHT, "lines": lines}


def _windows(run: RunFolder, cell: Mapping[str, Any]) -> list[dict[str, Any]]:
    windows: list[dict[str, Any]] = run.cell(cell["key"]).read_json("training.json", {"mixture"})["mixture"]
    return windows


def _line(name: str, values: Sequence[float], top: float) -> dict[str, Any]:
    step = _WIDTH / max(1, len(values) - 1)
    points = " ".join(f"{i * step:.1f},{_HEIGHT - 2 - (_HEIGHT - 4) * v / top:.1f}" for i, v in enumerate(values))
    return {"name": name, "first": values[0], "last": values[-1], "points": points}
