"""The mixture's lines against the numbers they are drawn from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.report.test_html import drawn

from emoloom.report.mixture import has_mixture, mixture_plot
from emoloom.store.run import RunFolder

WINDOWS: list[dict[str, Any]] = [
    {"entropy": 2.0, "temperature": 4.0, "shares": {"a": 0.5, "b": 0.5}},
    {"entropy": 3.0, "temperature": 3.0, "shares": {"a": 1.0}},
    {"entropy": 1.0, "temperature": 2.0, "shares": {"a": 0.75, "b": 0.25}},
]


def with_training(run: RunFolder, windows: list[dict[str, Any]]) -> dict[str, Any]:
    manifest = run.read_json("manifest.json")
    cell = {"key": "f" * 64, "candidate": "path:<x>", "stage": "training", "readout": "", "arm": "tuned"}
    manifest["cells"].append(cell)
    run.write_json("manifest.json", manifest)
    Path(run.cell(cell["key"]).path).mkdir()
    (run.cell(cell["key"]).path / "training.json").write_text(json.dumps({"losses": {}, "mixture": windows}))
    return cell


def points(line: dict[str, Any]) -> list[tuple[float, float]]:
    """The drawn points, across and up, both from 0 to 1."""
    pairs = [pair.split(",") for pair in line["points"].split()]
    return [(float(x) / 320, (26 - float(y)) / 24) for x, y in pairs]


def test_lines_are_drawn_to_scale(run: RunFolder) -> None:
    plot = mixture_plot(run, with_training(run, WINDOWS))
    lines = {line["name"]: line for line in plot["lines"]}
    assert plot["top"] == 4.0
    assert list(lines) == ["entropy H (nats)", "temperature T", "share of a", "share of b"]
    expected: dict[str, list[tuple[float, float]]] = {
        "entropy H (nats)": [(0, 0.5), (0.5, 0.75), (1, 0.25)],
        "temperature T": [(0, 1), (0.5, 0.75), (1, 0.5)],
        "share of b": [(0, 0.5), (0.5, 0), (1, 0.25)],
    }
    for name, wanted in expected.items():
        for found, want in zip(points(lines[name]), wanted, strict=True):
            assert found == pytest.approx(want, abs=0.01)


def test_the_page_shows_the_mixture_only_where_there_is_one(run: RunFolder) -> None:
    assert "Mixture" not in drawn(run).text
    cell = with_training(run, [])
    assert not has_mixture(run, cell)
    (run.cell(cell["key"]).path / "training.json").write_text(json.dumps({"losses": {}, "mixture": WINDOWS}))
    page = drawn(run)
    assert "Mixture" in page.text
    assert "path:<x>" in page.text
    assert sum(tag == "polyline" for tag, _ in page.tags) == 4
