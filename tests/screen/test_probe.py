"""The probe: its figures from features alone, and its cell in a run."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import pearsonr
from tests.screenings import plan, screen, small, write_jsonl
from tests.tiny import ARCHITECTURES, load_tiny, quick_model

import emoloom.screen.features
from emoloom.contract.record import Record, Vad
from emoloom.evaluate.metrics import Floats
from emoloom.evaluate.transfer import evidence_gains, factors
from emoloom.model import packing
from emoloom.model.features import pooled_layers
from emoloom.report.table import print_leaderboard
from emoloom.screen.cost import Cost
from emoloom.screen.probe import judge_features, probe
from emoloom.store.run import CellFolder, RunFolder

VAD_FIGURES = {"vad_ccc_v", "vad_ccc_a", "vad_ccc_d", "vad_ccc_mean"}
LABEL_FIGURES = {"h_score", "logme", "label_r"}


def records_of(hidden: Floats, **changes: Any) -> list[Record]:
    """Records whose labels and VAD follow the first two columns of ``hidden`` (n, d)."""
    fields: list[dict[str, Any]] = [
        {"labels": ("joy",) if row[0] > 0 else ("fear",), "vad": Vad(v=squash(row[0]), a=squash(row[1]), d=0.5)}
        | changes
        for row in hidden
    ]
    return [Record(id=str(i), text=str(i), corpus="x", split="train", **own) for i, own in enumerate(fields)]


def squash(value: float) -> float:
    return round(1 / (1 + math.exp(-value)), 4)


def hidden_states(n: int = 120, d: int = 200) -> Floats:
    return np.random.default_rng(0).normal(size=(n, d))


def test_what_lies_in_the_features_is_found() -> None:
    hidden = hidden_states(d=10)
    found = judge_features(hidden, records_of(hidden))
    metrics = found["metrics"]
    assert set(metrics) == LABEL_FIGURES | VAD_FIGURES - {"vad_ccc_d"} | {"probe"}
    assert (found["n"], found["labels"], found["vad_sources"]) == (120, 2, {"gold": 120})
    assert metrics["vad_ccc_v"] > 0.95
    assert metrics["label_r"] > 0.6
    assert metrics["probe"] == pytest.approx((metrics["label_r"] + metrics["vad_ccc_mean"]) / 2, abs=2e-6)
    assert found["notes"] == ["No VAD score on d: the records have no VAD, or all the same."]
    joy = np.array([["joy" in record.labels] for record in records_of(hidden)], dtype=float)
    assert metrics["logme"] == pytest.approx(evidence_gains(factors(hidden), joy)[0], abs=1e-6)


def test_less_is_found_the_deeper_it_is_buried() -> None:
    hidden = hidden_states(400, 20)
    records = records_of(hidden)
    noise = np.random.default_rng(1).normal(size=hidden.shape)
    scores = [judge_features(hidden + level * noise, records)["metrics"]["probe"] for level in (0, 0.5, 1, 2, 100)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.8
    assert scores[-1] < 0.2


def test_a_correlation_of_joint_normals_is_given_back() -> None:
    """``label_r`` turns the gain of n records into the correlation behind it (with many records and one feature)."""
    rng = np.random.default_rng(0)
    feature = rng.normal(size=(4000, 1))
    target = 0.6 * feature + 0.8 * rng.normal(size=(4000, 1))
    gain = evidence_gains(factors(feature), target)[0]
    r = math.sqrt(-math.expm1(-2 * gain))
    assert r == pytest.approx(abs(pearsonr(feature[:, 0], target[:, 0]).statistic), abs=0.005)


@pytest.mark.parametrize(
    ("changes", "figures", "notes"),
    [
        ({"labels": ()}, VAD_FIGURES - {"vad_ccc_d"} | {"probe"}, ["No label score", "No VAD score on d"]),
        ({"labels": ("joy",)}, VAD_FIGURES - {"vad_ccc_d"} | {"probe"}, ["No label score", "No VAD score on d"]),
        ({"vad": None}, LABEL_FIGURES | {"probe"}, ["No VAD score on v, a, d"]),
        ({"vad": Vad(v=0.1, a=0.2, d=0.3)}, LABEL_FIGURES | {"probe"}, ["No VAD score on v, a, d"]),
        ({"vad": None, "labels": ()}, set(), ["No label score", "No VAD score on v, a, d"]),
    ],
    ids=["no-labels", "one-label", "no-vad", "constant-vad", "nothing"],
)
def test_what_the_records_lack_has_no_figure_and_is_said(
    changes: dict[str, Any], figures: set[str], notes: Sequence[str]
) -> None:
    hidden = hidden_states()
    found = judge_features(hidden, records_of(hidden, **changes))
    assert set(found["metrics"]) == figures
    assert [note.split(":")[0] for note in found["notes"]] == list(notes)


def test_one_record_without_gold_leaves_no_gap_in_the_others() -> None:
    hidden = hidden_states()
    records = records_of(hidden)
    records[3] = records[3].model_copy(update={"labels": ()})
    records[5] = records[5].model_copy(update={"vad": None})
    assert judge_features(hidden, records)["metrics"] == {}


@pytest.mark.parametrize(("n", "d"), [(1, 4), (2, 4), (3, 300), (40, 1)])
@pytest.mark.parametrize("constant", [0, 1])
def test_figures_are_finite_for_any_shape(n: int, d: int, constant: int) -> None:
    hidden = hidden_states(n, max(d, 2))
    features = np.full((n, d), 3.0) if constant else hidden[:, :d]
    found = judge_features(features, records_of(hidden))
    for name, value in found["metrics"].items():
        # What is predicted for a left-out record may be worse than nothing.
        assert value >= (-1 if name in VAD_FIGURES else 0)
        assert value <= 1 or name == "logme"
    assert json.dumps(found, allow_nan=False)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_model(tmp_path_factory.mktemp("probed") / request.param, request.param)


def run_probe(folder: Path, records: Sequence[Record], at: Path) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    seen: list[tuple[int, int]] = []
    found = probe(
        load_tiny(folder), records, CellFolder(at), progress=lambda _w, more, n: seen.append((more, n)), cost=Cost()
    )
    return found, seen


def test_an_interrupted_probe_goes_on_with_the_packs_that_are_left(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "PACK_TOKENS", 70)
    records = records_of(hidden_states(8, 2))
    whole, progress = run_probe(folder, records, tmp_path / "whole")
    assert sum(more for more, _ in progress) == 8
    packs = len(progress)
    assert packs > 2
    forwards = []

    def counted(*arguments: Any) -> Any:
        forwards.append(1)
        if len(forwards) == 2:
            raise KeyboardInterrupt
        return pooled_layers(*arguments)

    monkeypatch.setattr(emoloom.screen.features, "pooled_layers", counted)
    with pytest.raises(KeyboardInterrupt):
        run_probe(folder, records, tmp_path / "cut")
    assert run_probe(folder, records, tmp_path / "cut")[0] == whole
    # One was done before, and the one that was cut short is done again.
    assert len(forwards) == packs + 1


def test_the_order_of_the_records_changes_nothing(folder: Path, tmp_path: Path) -> None:
    records = records_of(hidden_states(9, 2))
    found, _ = run_probe(folder, records, tmp_path / "a")
    turned, _ = run_probe(folder, records[::-1], tmp_path / "b")
    assert turned.pop("metrics") == pytest.approx(found.pop("metrics"), abs=2e-6)
    assert turned == found


def test_a_run_shows_the_probe_beside_the_score(
    finished: RunFolder, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = finished.read_json("leaderboard.json")
    [row] = board["probes"]
    assert set(row) == {"candidate", "n", "labels", "vad_sources", "metrics", "notes"}
    assert (row["candidate"], row["n"]) == (f"path:{model}", 6)
    assert set(row["metrics"]) == LABEL_FIGURES | VAD_FIGURES | {"probe"}
    assert not any("probe" in ranked for ranked in board["ranking"])
    print_leaderboard(finished)
    shown = f"{row['metrics']['probe']:.3f}"
    ranking = capsys.readouterr().out.split("ranking")[1].split("cost")[0]
    cells = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in ranking.splitlines() if "path:" in line]
    assert [line[-1] for line in cells] == [shown]
    page = (finished.path / "report.html").read_text("utf-8")
    assert "<h2>Probe</h2>" in page
    assert page.count(f"<td>{shown}</td>") >= 2


def test_the_probe_reads_training_records_and_can_be_left_out(model: Path, data: Path, tmp_path: Path) -> None:
    run = screen(small(model, data, tmp_path / "run", probe_limit=4, limit=1, zero_shot_limit=1))
    assert [row["n"] for row in run.read_json("leaderboard.json")["probes"]] == [4]
    without = screen(small(model, data, tmp_path / "without", probe_limit=0, limit=1, zero_shot_limit=1))
    assert without.read_json("leaderboard.json")["probes"] == []
    assert "<h2>Probe</h2>" not in (without.path / "report.html").read_text("utf-8")
    stages = [cell.stage for cell in plan(small(model, data, probe_limit=0)).cells]
    assert "probe" not in stages


def test_a_training_corpus_of_one_label_is_screened_and_said(model: Path, data: Path, tmp_path: Path) -> None:
    rows = [{"text": f"text {n}", "labels": ["joy"]} for n in range(4)]
    learnt = write_jsonl(tmp_path / "learnt.jsonl", rows)
    run = screen(small(model, data, tmp_path / "run", train=(f"jsonl:{learnt}",), limit=1, zero_shot_limit=1))
    [row] = run.read_json("leaderboard.json")["probes"]
    assert row["notes"][0].startswith("No label score")
    assert "No label score" in (run.path / "report.html").read_text("utf-8")
