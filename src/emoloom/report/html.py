"""``report.html``: one page without external requests; every text in it is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emoloom.report.mixture import has_mixture, mixture_plot
from emoloom.report.page import render
from emoloom.report.table import PROBE_COLUMNS, columns_of, gold_note, probe_scores
from emoloom.store.run import LEADERBOARD, MANIFEST, NUMERICS, RunFolder

_MACRO_F1 = "mean strict Macro-F1 over corpora with labels"
_CCC = "mean CCC over corpora with gold VAD (weak VAD counts where none has gold)"
# What the ranking's score is, by ``rank_by``.
_RANKED_BY = {"score": f"half the {_MACRO_F1}, half the {_CCC}", "strict_macro_f1": _MACRO_F1, "vad_ccc_mean": _CCC}
# Width of the interval plot in its own units.
_PLOT = 400


def write_report(run: RunFolder) -> Path:
    """Draws the page from the run's files and returns its path.

    Raises:
        EmoLoomError: the run has no leaderboard yet, or the page cannot be written.
    """
    board = run.read_json(LEADERBOARD)
    manifest = run.read_json(MANIFEST)
    # Who has left the race has no training and no last answers.
    cells = [cell for cell in manifest["cells"] if run.cell(cell["key"]).path.exists()]
    found = [(cell, run.cell(cell["key"]).metrics()) for cell in cells]
    page = render(
        "report.html.j2",
        manifest=manifest,
        forwards=_forwards(found),
        tables=_tables(board["rows"]),
        rank_by=_RANKED_BY[board["rank_by"]],
        ranking=[_bar(row) for row in board["ranking"]],
        probes=board["probes"],
        probed=probe_scores(board),
        probe_columns=PROBE_COLUMNS,
        gold_note=gold_note,
        plot_width=_PLOT,
        race=board["race"],
        verdict=board["verdict"],
        weak_vad=_weak_vad(manifest, board["rows"]),
        cells=found,
        examples=_examples(
            run, [cell for cell in cells if cell["stage"] not in ("baseline", "probe", "race", "training")]
        ),
        mixtures=[mixture_plot(run, cell) for cell in cells if has_mixture(run, cell)],
    )
    return run.publish("report.html", page)


def _forwards(cells: list[tuple[dict[str, Any], dict[str, Any] | None]]) -> dict[str, str]:
    """How each candidate's texts shared forwards, in words."""
    told: dict[str, set[str]] = {}
    for cell, metrics in cells:
        if numerics := (metrics or {}).get(NUMERICS):
            shared = numerics["unpacked"] or "packed"
            alone = "one a text" if cell["readout"] == "scored" else "near-ties decided by the canonical forward"
            bits = "bit-equal" if numerics["bit_equal"] else alone
            told.setdefault(cell["candidate"], set()).add(f"{cell['readout']}: {shared}, {bits}")
    return {candidate: "; ".join(sorted(found)) for candidate, found in told.items()}


def _weak_vad(manifest: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """What the VAD of records without gold was made from."""
    sources = {source for row in (manifest["data"]["train"], *rows) for source in row["vad_sources"]}
    if sources <= {"gold"}:
        return "none, all of it is gold"
    lexicon = manifest["lexicon"]
    return f"{lexicon['name']} (calibrated on {lexicon['calibrated_on']})" if lexicon else "label anchors only"


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
    """The first three replies of each cell that has some, and its first three failures."""
    found = []
    for cell in cells:
        if not run.cell(cell["key"]).failure():
            rows = run.cell(cell["key"]).replies()
            failed = [row for row in rows if row["outcome"] != "parsed"]
            found.append((cell, rows[:3] + [row for row in failed[:3] if row not in rows[:3]]))
    return found
