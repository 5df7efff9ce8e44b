"""The leaderboard on the terminal."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from emoloom.store.run import LEADERBOARD, MANIFEST, RunFolder

COLUMNS = {
    "parse_ok": "ParseOK",
    "strict_macro_f1": "Macro-F1",
    "strict_macro_recall": "Macro-R",
    "strict_micro_f1": "micro-F1",
    "parsed_macro_f1": "F1 parsed",
    "vad_1_minus_rmse": "1-RMSE",
    "vad_skill": "skill",
    "vad_r_v": "r V",
    "vad_r_a": "r A",
    "vad_r_d": "r D",
    "vad_ccc_v": "CCC V",
    "vad_ccc_a": "CCC A",
    "vad_ccc_d": "CCC D",
    "vad_ccc_mean": "CCC",
    "ece": "ECE",
    "flip_test": "flip test",
}
"""Metric -> column title. A table shows those that one of its rows has."""

PROBE_COLUMNS = {
    "probe": "probe",
    "logme": "LogME",
    "label_r": "label r",
    "h_score": "H-score",
    "vad_ccc_v": "CCC V",
    "vad_ccc_a": "CCC A",
    "vad_ccc_d": "CCC D",
    "vad_ccc_mean": "CCC",
}
"""Figure of a probe -> column title."""

TERMINAL = (
    "parse_ok",
    "strict_macro_f1",
    "strict_micro_f1",
    "vad_skill",
    "vad_r_v",
    "vad_ccc_mean",
    "ece",
    "flip_test",
)
"""The columns for which a terminal has room."""


def columns_of(metrics: Iterable[Mapping[str, Any]], wanted: Container[str] = COLUMNS) -> dict[str, str]:
    """The ``wanted`` columns that a table of these metrics needs, in order."""
    known = {name for row in metrics for name in row}
    return {name: title for name, title in COLUMNS.items() if name in known and name in wanted}


def figure(value: float | None) -> str:
    """A metric as tables print it; a dash where it is undefined or the corpus lacks its kind of gold."""
    return "–" if value is None else f"{value:.3f}"


def gold_note(row: Mapping[str, Any]) -> str:
    """What the row is judged against: label space, and ``weak`` where not all VAD is gold."""
    space = row["space"] or "no labels"
    sources = row["vad_sources"]
    vad = "no VAD" if not sources else "gold VAD" if set(sources) == {"gold"} else "weak VAD"
    if vad == "weak VAD" and "gold" in sources:
        vad = f"weak VAD but for {sources['gold']} gold"
    return f"{space}, {vad}"


def print_leaderboard(run: RunFolder) -> None:
    """Prints the run's tables, one a corpus, then the ranking, what each cell cost on this machine, and the verdict."""
    board = run.read_json(LEADERBOARD)
    console = plain_console()
    for corpus in dict.fromkeys(row["corpus"] for row in board["rows"]):
        rows = [row for row in board["rows"] if row["corpus"] == corpus]
        columns = columns_of((row["metrics"] for row in rows), TERMINAL)
        table = _table(f"{corpus} ({gold_note(rows[0])})", columns, "candidate", "stage", "readout", "n")
        for row in rows:
            cells = [figure(row["metrics"].get(name)) for name in columns]
            table.add_row(row["candidate"], row["stage"], row["readout"], str(row["n"]), *cells)
        console.print(table)
    if board["race"]:
        console.print(_race(board["race"]))
    title = "ranking" if board["rank_by"] == "score" else f"ranking by {board['rank_by']}"
    ranking = Table(
        "group", "candidate", "score", "95% interval", "P(best)", "probe", title=title, title_justify="left"
    )
    probed = probe_scores(board)
    for row in board["ranking"]:
        interval = _interval(*row["interval"])
        name, best = row["candidate"], figure(row["probability_of_best"])
        ranking.add_row(str(row["group"]), name, figure(row["score"]), interval, best, figure(probed.get(name)))
    console.print(ranking)
    console.print(_costs(run))
    for sentence in board["verdict"]:
        console.print(sentence, soft_wrap=True)


def _race(rungs: Sequence[Mapping[str, Any]]) -> Table:
    """Who was judged at which rung, and who left there."""
    columns = ("examples", "candidate", "score", "against the best", "95% interval", "decision")
    table = Table(*columns, title=f"race ({rungs[0]['n']} records, {gold_note(rungs[0])})", title_justify="left")
    for rung in rungs:
        for row in rung["standings"]:
            value, *interval = row["gap"] or (None,)
            gap = ("", "") if value is None else (figure(value), _interval(*interval))
            table.add_row(str(rung["examples"]), row["candidate"], figure(row["score"]), *gap, row["decision"])
    return table


def _interval(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}"


def probe_scores(board: Mapping[str, Any]) -> dict[str, float | None]:
    """The probe's score of each probed candidate."""
    return {row["candidate"]: row["metrics"].get("probe") for row in board["probes"]}


def _costs(run: RunFolder) -> Table:
    """What the models' cells took (baselines take seconds), from the one file that may differ between two runs."""
    measured = ("seconds", "records", "answers/s", "forwards/answer", "peak memory", "parameters")
    table = Table("candidate", "stage", "readout", *measured, title="cost", title_justify="left")
    spent = run.timings().get("cells", {})
    for cell in run.read_json(MANIFEST)["cells"]:
        cost = spent.get(cell["key"])
        if cost and "decode_seconds" in cost:
            seconds = sum(cost.get(f"{work}_seconds", 0.0) for work in ("train", "fit", "decode"))
            records = cost["trained_examples"] + cost["decoded"]
            answered = cost["decoded"] if cell["readout"] else 0
            rate = f"{answered / cost['decode_seconds']:.2f}" if answered else ""
            forwards = f"{cost['counts']['forwards'] / answered:.2f}" if answered and cost["counts"]["forwards"] else ""
            memory = f"{cost['peak_memory_bytes'] / 1e9:.1f} GB"
            size = f"{cost['parameters'] / 1e6:.0f} M" if "parameters" in cost else ""
            named = (cell["candidate"], cell["stage"], cell["readout"])
            table.add_row(*named, f"{seconds:.0f}", str(records), rate, forwards, memory, size)
    return table


def scores_table(candidate: str, scores: Mapping[str, Mapping[str, Any]]) -> Table:
    """One candidate's figures on each corpus."""
    columns = columns_of((score["metrics"] for score in scores.values()), TERMINAL)
    table = _table(candidate, columns, "corpus", "gold", "n")
    for corpus, score in scores.items():
        cells = [figure(score["metrics"].get(name)) for name in columns]
        table.add_row(corpus, gold_note(score), str(score["n"]), *cells)
    return table


def plain_console(*, stderr: bool = False) -> Console:
    """A console that prints every text as it is: names hold brackets and colons, which rich would take for styles and emoji.

    Where the output is no terminal it is wide enough that no table is folded in a log.
    """
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 200)
    return console


def _table(title: str, columns: Mapping[str, str], *first: str) -> Table:
    table = Table(title=title, title_justify="left", padding=(0, 0, 0, 1))
    for number, column in enumerate(first):
        # Where room is short the other columns give way: a candidate that cannot be read is no use.
        table.add_column(column, no_wrap=number == 0, min_width=26 if number == 0 else None)
    for column in columns.values():
        table.add_column(column, justify="right")
    return table
