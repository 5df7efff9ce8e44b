"""A screening from end to end with a tiny model: what it leaves, that it is repeatable, that nothing is done twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.screenings import BASELINES_ONLY, files, lasting, plan, screen, small, write_jsonl
from tests.tiny import quick_model

import emoloom.screen.cell
import emoloom.screen.worker
from emoloom.contract.parse import Parsed, parse_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import EmoLoomError
from emoloom.report.html import write_report
from emoloom.screen.baselines import Tfidf
from emoloom.screen.ground import PlannedModel
from emoloom.screen.run import run_plan
from emoloom.store.run import RunFolder

LABEL_METRICS = {
    "strict_macro_f1", "strict_macro_recall", "strict_micro_f1", "strict_micro_f1_no_neutral", "parsed_macro_f1",
    "parsed_macro_recall", "parsed_micro_f1",
}  # fmt: skip
VAD_METRICS = {
    "vad_1_minus_rmse", "vad_skill", "vad_r_v", "vad_r_a", "vad_r_d", "vad_ccc_v", "vad_ccc_a", "vad_ccc_d", "vad_ccc_mean",
}  # fmt: skip
CELL_FILES = {
    "baseline": {"metrics.json", "replies.jsonl"},
    "probe": {"metrics.json", "replies.jsonl"},
    "zero-shot": {"metrics.json", "replies.jsonl"},
    "tuned": {"metrics.json", "replies.jsonl"},
    "training": {
        "training.json", "adapter/adapter_config.json", "adapter/adapter_model.safetensors",
    },
}  # fmt: skip


def cells(run: RunFolder) -> dict[tuple[str, str], str]:
    """Key of each cell by candidate and stage."""
    return {(c["candidate"], c["stage"]): c["key"] for c in run.read_json("manifest.json")["cells"]}


def test_a_run_leaves_the_documented_files_and_no_others(finished: RunFolder, model: Path) -> None:
    expected = {"manifest.json", "journal.jsonl", "leaderboard.json", "report.html", "seal.jsonl", "timings.json"}
    found = cells(finished)
    assert set(found) == {
        ("baseline:majority", "baseline"),
        ("baseline:tfidf", "baseline"),
        (f"path:{model}", "probe"),
        (f"path:{model}", "zero-shot"),
        (f"path:{model}", "training"),
        (f"path:{model}", "tuned"),
    }
    for (_, stage), key in found.items():
        expected |= {f"cells/{key[:16]}/{name}" for name in CELL_FILES[stage]}
    assert set(files(finished.path)) == expected
    assert not list(finished.path.rglob("scratch"))


def test_the_manifest_of_a_finished_run_says_how_every_model_s_forwards_were_made(
    finished: RunFolder, model: Path
) -> None:
    found = cells(finished)
    answered = {found[f"path:{model}", stage] for stage in ("zero-shot", "tuned")}
    numerics = finished.read_json("manifest.json")["numerics"]
    assert numerics.keys() == answered
    assert all(said == {"bit_equal": True, "unpacked": None} for said in numerics.values())


def test_near_ties_that_the_canonical_forward_decides_are_told(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emoloom.screen.worker, "bit_equal", lambda *_: False)
    run = screen(small(model, data, tmp_path / "run"))
    assert {said["bit_equal"] for said in run.read_json("manifest.json")["numerics"].values()} == {False}
    assert "near-ties decided by the canonical forward" in write_report(run).read_text(encoding="utf-8")


def test_the_leaderboard_has_the_documented_shape(finished: RunFolder, model: Path) -> None:
    board = finished.read_json("leaderboard.json")
    assert set(board) == {"rows", "rank_by", "ranking", "race", "failed", "cut", "verdict", "probes"}
    assert (board["race"], board["failed"]) == ([], [])
    assert len(board["rows"]) == 4
    for row in board["rows"]:
        assert set(row) == {
            "candidate", "stage", "readout", "corpus", "n", "space", "vad_sources", "metrics", "intervals",
        }  # fmt: skip
        n = 2 if row["stage"] == "zero-shot" else 3
        assert (row["corpus"], row["n"], row["space"], row["vad_sources"]) == (
            "jsonl:mine",
            n,
            "goemotions",
            {"gold": n},
        )
        assert row["readout"] == ("direct" if row["stage"] == "baseline" else "free")
        assert set(row["metrics"]) == {"parse_ok"} | LABEL_METRICS | VAD_METRICS
        assert set(row["intervals"]) == {name for name, value in row["metrics"].items() if value is not None}
        assert all(low <= high for low, high in row["intervals"].values())
    for row in board["ranking"]:
        assert set(row) == {"candidate", "stage", "readout", "score", "interval", "probability_of_best", "group"}
    assert sorted((row["candidate"], row["stage"]) for row in board["ranking"]) == [
        ("baseline:majority", "baseline"), ("baseline:tfidf", "baseline"), (f"path:{model}", "tuned"),
    ]  # fmt: skip
    assert all(isinstance(sentence, str) for sentence in board["verdict"])


def test_the_documented_metrics_are_the_written_ones() -> None:
    page = (Path(__file__).parents[2] / "docs" / "run-folder.md").read_text("utf-8")
    for name in {"parse_ok"} | LABEL_METRICS | VAD_METRICS:
        if name.startswith(("vad_r_", "vad_ccc_")) and name != "vad_ccc_mean":
            name = name[:-1] + "v|a|d"
        assert f"`{name}`" in page


def test_replies_are_kept_in_order_with_their_outcome(finished: RunFolder, data: Path) -> None:
    config = small(None, data)
    wanted = [record.id for record in plan(config).corpora.evals[0].records]
    assert len(wanted) == 3
    for (_, stage), key in cells(finished).items():
        if stage in ("probe", "training"):
            continue
        rows = finished.cell(key).replies()
        assert [row["id"] for row in rows] == (wanted[:2] if stage == "zero-shot" else wanted)
        for row in rows:
            outcome = parse_reply(row["reply"], GOEMOTIONS)
            expected = "parsed" if isinstance(outcome, Parsed) else outcome.reason
            assert (row["corpus"], row["outcome"]) == ("jsonl:mine", expected)
            assert row["repairs"] == list(outcome.repairs if isinstance(outcome, Parsed) else ())


def test_the_leaderboard_agrees_with_the_cells(finished: RunFolder) -> None:
    keys = cells(finished)
    for row in finished.read_json("leaderboard.json")["rows"]:
        metrics = finished.cell(keys[row["candidate"], row["stage"]]).metrics()
        assert metrics
        assert (metrics["candidate"], metrics["stage"]) == (row["candidate"], row["stage"])
        assert metrics["corpora"][row["corpus"]]["metrics"] == row["metrics"]
        assert metrics["corpora"][row["corpus"]]["intervals"] == row["intervals"]


def test_one_loss_is_kept_for_each_step(finished: RunFolder, model: Path) -> None:
    folder = finished.cell(cells(finished)[f"path:{model}", "training"]).path
    losses = json.loads((folder / "training.json").read_text())["losses"]["sft"]
    assert len(losses) == 3
    assert all(loss > 0 for loss in losses)


def test_training_changes_the_replies(finished: RunFolder, model: Path) -> None:
    keys = cells(finished)
    before, after = (finished.cell(keys[f"path:{model}", stage]).replies() for stage in ("zero-shot", "tuned"))
    assert [row["reply"] for row in before] != [row["reply"] for row in after[:2]]


def test_the_run_holds_no_corpus_text(finished: RunFolder, data: Path) -> None:
    texts = [json.loads(line)["text"] for line in data.read_text().splitlines()]
    for name, content in files(finished.path).items():
        assert not [text for text in texts if text.encode() in content], name


def test_two_folders_hold_the_same_bytes(finished: RunFolder, model: Path, data: Path, tmp_path: Path) -> None:
    second = screen(small(model, data, tmp_path / "second"))
    assert lasting(second.path) == lasting(finished.path)


def test_a_finished_run_is_not_done_again(
    finished: RunFolder, model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished.path, tmp_path / "again")

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("this was done before")

    monkeypatch.setattr(PlannedModel, "load", forbidden)
    monkeypatch.setattr(emoloom.screen.readouts.readout, "decode_fast", forbidden)
    monkeypatch.setattr(emoloom.screen.cell, "train", forbidden)
    monkeypatch.setattr(emoloom.screen.worker, "probe", forbidden)
    monkeypatch.setattr(Tfidf, "fit", forbidden)
    screen(small(model, data, tmp_path / "again"))
    assert files(tmp_path / "again") == files(finished.path)


def test_other_settings_are_refused_and_change_nothing(
    finished: RunFolder, model: Path, data: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished.path, tmp_path / "again")
    with pytest.raises(EmoLoomError, match=r"another plan; what differs: .*config"):
        screen(small(model, data, tmp_path / "again", seed=1))
    assert files(tmp_path / "again") == files(finished.path)


def test_a_changed_leaderboard_is_mended_and_told_of(
    finished: RunFolder, model: Path, data: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished.path, tmp_path / "again")
    (tmp_path / "again" / "leaderboard.json").write_text("{}")
    manifest = tmp_path / "again" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"bit_equal": true', '"bit_equal": false'))
    said: list[str] = []
    run_plan(plan(small(model, data, tmp_path / "again")), lambda *_: None, said.append)
    assert files(tmp_path / "again") == files(finished.path)
    for name in ("leaderboard.json", "manifest.json"):
        assert any(f"{name}: it was not what the run found" in line for line in said)


def test_a_changed_reply_is_found(finished: RunFolder, model: Path, data: Path, tmp_path: Path) -> None:
    shutil.copytree(finished.path, tmp_path / "again")
    replies = {name: text for name, text in files(tmp_path / "again").items() if name.endswith("replies.jsonl")}
    # A probe has none.
    [name, *_] = (name for name, text in replies.items() if text)
    (tmp_path / "again" / name).write_bytes(replies[name].replace(b'"reply": "', b'"reply": "x', 1))
    with pytest.raises(EmoLoomError, match=r"journal\.jsonl:\d+: the run took another course"):
        screen(small(model, data, tmp_path / "again"))


def test_the_default_folder_is_named_by_the_plan(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = small(None, data)
    run = screen(config)
    assert run.path == Path("runs") / plan(config).name
    assert screen(config).path == run.path
    assert plan(small(None, data, seed=1)).name != run.path.name


def test_baselines_run_without_a_candidate(data: Path, tmp_path: Path) -> None:
    run = screen(small(None, data, tmp_path / "run"))
    board = run.read_json("leaderboard.json")
    assert board["verdict"][0] == "No candidate was fine-tuned: the table holds baselines only."
    assert {row["candidate"] for row in board["ranking"]} == {"baseline:majority", "baseline:tfidf"}


def test_nothing_to_rank_by_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    bare = write_jsonl(tmp_path / "bare.jsonl", [{"text": "a"}, {"text": "b"}])
    with pytest.raises(EmoLoomError, match="no evaluation record has labels or VAD"):
        screen(small(None, bare, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_full_fine_tuning_runs_through(model: Path, data: Path, tmp_path: Path) -> None:
    recipe = {"method": "full", "batch_size": 3}
    run = screen(small(model, data, tmp_path / "run", train_limit=3, limit=1, recipe=recipe))
    folder = run.cell(cells(run)[f"path:{model}", "training"]).path
    assert [path.name for path in (folder / "adapter").iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize("architecture", ["lfm2", "mamba"])
def test_a_model_that_cannot_be_packed_is_screened_and_said_so(architecture: str, data: Path, tmp_path: Path) -> None:
    model = quick_model(tmp_path / "model", architecture)
    said: list[str] = []
    config = small(model, data, tmp_path / "run", readout=("free", "scored"), probe_limit=4)
    run = run_plan(plan(config), lambda _what, _more, _total: None, said.append)
    reason = f"{architecture} models cannot be packed: logits change by"
    assert [line for line in said if reason in line and line.endswith("; each text takes a forward of its own")] == said
    assert len(said) == 1
    metrics = run.cell(cells(run)[f"path:{model}", "tuned"]).metrics()
    assert metrics
    assert metrics["numerics"]["unpacked"].startswith(reason)
    assert reason in write_report(run).read_text(encoding="utf-8")


def test_baselines_have_cells_of_their_own(data: Path) -> None:
    assert BASELINES_ONLY == ("baseline:majority",)
    assert [cell.candidate for cell in plan(small(None, data)).cells] == ["baseline:majority", "baseline:tfidf"]
