"""``emoloom screen`` and ``report``."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cli.conftest import Emoloom
from tests.screenings import files, lasting
from tests.tiny import quick_model

from emoloom.store.run import RunFolder


def test_flags_reach_the_run(emoloom: Emoloom, tmp_path: Path, data: Path) -> None:
    (tmp_path / "c.yaml").write_text("model: [baseline:tfidf]\nseed: 3\nlimit: 5\nrecipe: {rank: 4}\n")
    flags = ("--limit", 2, "--train-limit", 7, "--epochs", 2, "--eval", f"jsonl:{data}", "--out", tmp_path / "run")
    done = emoloom("screen", "--config", tmp_path / "c.yaml", *flags)
    assert done.code == 0
    manifest = RunFolder(tmp_path / "run").read_json("manifest.json")
    config = manifest["config"]
    assert (config["seed"], config["limit"], config["train_limit"], config["eval"]) == (3, 2, 7, [f"jsonl:{data}"])
    assert (config["recipe"]["rank"], config["recipe"]["epochs"]) == (4, 2)
    assert (manifest["data"]["train"]["records"], manifest["data"]["eval"][0]["records"]) == (7, 2)
    assert "baseline:majority" in done.out
    assert done.out.endswith(f"run     {tmp_path / 'run'}\nreport  {tmp_path / 'run' / 'report.html'}\n")
    assert (tmp_path / "run" / "report.html").exists()


def test_a_lexicon_from_a_file_is_a_baseline_and_in_the_manifest(emoloom: Emoloom, tmp_path: Path, data: Path) -> None:
    norms = tmp_path / "own.csv"
    norms.write_text("# scale: 1..9\nword,v,a,d\ncar,6,4,5\ngrandmother,7,3,5\nlate,3,5,4\n")
    command = ("screen", "--model", "baseline:tfidf", "--eval", f"jsonl:{data}", "--train-limit", 5, "--out")
    done = emoloom(*command, tmp_path / "run", "--lexicon", norms)
    assert done.code == 0, done.err
    assert done.err == "no calibration is known for the lexicon own: its estimates are standardised instead\n"
    assert "baseline:lexicon" in done.out
    lexicon = RunFolder(tmp_path / "run").read_json("manifest.json")["lexicon"]
    assert (lexicon["name"], lexicon["calibrated_on"]) == ("own", "nothing: standardised")
    norms.write_text(norms.read_text().replace("1..9", "1..5"))
    refused = emoloom(*command, tmp_path / "other", "--lexicon", norms)
    assert refused.code == 2
    assert refused.err == (
        f"error: {norms}:3: 6 is outside the scale 1..5. Declare the scale on which the words were rated.\n"
    )


def test_the_same_command_again_changes_nothing(emoloom: Emoloom, tmp_path: Path, data: Path) -> None:
    command = ("screen", "--model", "baseline:tfidf", "--eval", f"jsonl:{data}", "--train-limit", 5)
    first = emoloom(*command, "--out", tmp_path / "run")
    before = files(tmp_path / "run")
    again = emoloom(*command, "--out", tmp_path / "run")
    assert (again.code, again.out) == (first.code, first.out)
    assert f"{tmp_path / 'run'}: 2 of 2 cells are done already\n" in again.err
    assert files(tmp_path / "run") == before
    assert emoloom(*command, "--out", tmp_path / "other").code == 0
    assert lasting(tmp_path / "other") == lasting(tmp_path / "run")
    refused = emoloom(*command, "--seed", 1, "--out", tmp_path / "run")
    assert refused.code == 2
    assert "this folder holds a run of another plan" in refused.err
    assert files(tmp_path / "run") == before


def test_a_run_held_by_another_is_refused(emoloom: Emoloom, tmp_path: Path, data: Path) -> None:
    command = (
        "screen",
        "--model",
        "baseline:tfidf",
        "--eval",
        f"jsonl:{data}",
        "--train-limit",
        5,
        "--out",
        tmp_path / "run",
    )
    assert emoloom(*command).code == 0
    run = RunFolder(tmp_path / "run")
    with run.opened(run.read_json("manifest.json")):
        done = emoloom(*command)
    assert done.code == 2
    assert "the run is held by process" in done.err


def test_report_prints_the_table_and_draws_the_page_anew(emoloom: Emoloom, finished: RunFolder, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished.path, tmp_path / "run"))
    (copy / "report.html").unlink()
    done = emoloom("report", copy)
    assert (done.code, done.err) == (0, "")
    assert files(copy) == files(finished.path)
    for sentence in finished.read_json("leaderboard.json")["verdict"]:
        assert f"{sentence}\n" in done.out
    assert done.out.endswith(f"report  {copy / 'report.html'}\n")


def test_report_names_a_damaged_file(emoloom: Emoloom, finished: RunFolder, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished.path, tmp_path / "run"))
    key = next(c["key"] for c in finished.read_json("manifest.json")["cells"] if c["stage"] == "tuned")
    file = RunFolder(copy).cell(key).replies_file
    file.write_text("{}\n{\n")
    done = emoloom("report", copy)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {file}:2: not JSON")


def test_a_plan_is_priced_and_nothing_done(emoloom: Emoloom, tmp_path: Path, data: Path) -> None:
    model = quick_model(tmp_path / "tiny")
    command = ("screen", "--model", f"path:{model}", "--eval", f"jsonl:{data}", "--train-limit", 12, "--limit", 3)
    done = emoloom(*command, "--out", tmp_path / "run", "--plan-only")
    assert done.code == 0, done.err
    assert done.out == ""
    assert not (tmp_path / "run").exists()
    assert [line.split()[1:3] for line in done.err.splitlines() if f"path:{model}"[:20] in line and "│" not in line]
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.err.splitlines() if "│" in line]
    examples = {(row[1], row[2]): row[5] for row in lines}
    assert examples["training", ""] == "12"
    assert examples["tuned", "free"] == "3"


def test_a_budget_that_pays_for_no_candidate_is_refused(emoloom: Emoloom, tmp_path: Path, data: Path) -> None:
    model = quick_model(tmp_path / "tiny")
    command = ("screen", "--model", f"path:{model}", "--eval", f"jsonl:{data}", "--train-limit", 12, "--limit", 3)
    refused = emoloom(*command, "--out", tmp_path / "run", "--budget", "10examples")
    assert refused.code == 2
    assert "budget: the budget, 10 examples, does not pay for one trained candidate" in refused.err
    assert "All of it would fit with --train-limit" in refused.err
    assert not (tmp_path / "run").exists()
    wrong = emoloom(*command, "--out", tmp_path / "run", "--budget", "soon")
    assert wrong.code == 2
    assert "'soon' is no limit; write it like 90m" in wrong.err
