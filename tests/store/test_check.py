"""A finished run accounts for every byte of it; whatever is changed is found and named, and nothing crashes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.damage import change_a_byte, watched_files
from tests.store.conftest import PLAN, finish

from emoloom.errors import EmoLoomError
from emoloom.store.check import Finding, check
from emoloom.store.files import digest
from emoloom.store.run import RunFolder

FLIPS = 1000


def test_an_untouched_run_has_no_findings(run: RunFolder) -> None:
    result = check(run.path)
    assert (result.findings, result.events, result.files) == ([], 4, len(watched_files(run.path)))


def test_every_changed_byte_is_found_and_its_place_named(run: RunFolder) -> None:
    rng = random.Random(1)
    assert {change_a_byte(run.path, rng) for _ in range(FLIPS)} == {""}
    assert check(run.path).findings == []


def test_timings_may_say_anything(run: RunFolder) -> None:
    (run.path / "timings.json").write_bytes(b"\xff")
    assert check(run.path).findings == []


@pytest.mark.parametrize("name", ["journal.jsonl", "seal.jsonl"])
def test_no_truncation_passes(run: RunFolder, name: str) -> None:
    path = run.path / name
    content = path.read_bytes()
    for end in range(0, len(content), 1 if name == "journal.jsonl" else 7):
        path.write_bytes(content[:end])
        findings = check(run.path).findings
        assert findings, end
        if name == "journal.jsonl":
            assert {finding.file for finding in findings} == {name}
    path.unlink()
    assert Finding(name, "whole file", "missing") in check(run.path).findings


def test_a_run_that_is_taken_up_again_mends_a_truncated_journal(run: RunFolder) -> None:
    before = {path: path.read_bytes() for path in watched_files(run.path)}
    journal = run.path / "journal.jsonl"
    for end in (0, 1, len(before[journal]) // 2, len(before[journal]) - 1):
        journal.write_bytes(before[journal][:end])
        finish(run)
        assert {path: path.read_bytes() for path in watched_files(run.path)} == before


def test_missing_added_and_grown_files_are_found(run: RunFolder) -> None:
    (run.path / "cells" / ("a" * 16) / "metrics.json").unlink()
    (run.path / "report.html").write_text("<p>\nä\n</p>\nmore")
    (run.path / "notes.txt").write_text("mine")
    assert check(run.path).findings == [
        Finding("notes.txt", "whole file", "unexpected: seal.jsonl does not list it"),
        Finding("report.html", "lines 1 to 4 (bytes 0 to 15)", "not what was sealed"),
        Finding("report.html", "byte 12", "it has 16 bytes and was sealed with 12"),
        Finding(f"cells/{'a' * 16}/metrics.json", "whole file", "missing"),
    ]


def test_added_links_and_empty_folders_are_found(run: RunFolder, tmp_path: Path) -> None:
    (run.path / "empty").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("mine")
    (run.path / "cells" / "link").symlink_to(tmp_path / "elsewhere")
    assert {finding.file for finding in check(run.path).findings} == {"empty", "cells/link"}


@pytest.mark.parametrize("name", ["journal.jsonl", "seal.jsonl"])
def test_a_line_that_nests_too_deep_is_found(run: RunFolder, name: str) -> None:
    (run.path / name).write_text("[" * 100_000 + "\n")
    assert (name, "line 1", "the line is damaged") in {(f.file, f.place, f.problem) for f in check(run.path).findings}


def test_a_folder_in_place_of_a_file_is_found(run: RunFolder) -> None:
    (run.path / "journal.jsonl").unlink()
    (run.path / "journal.jsonl").mkdir()
    assert {finding.file for finding in check(run.path).findings} == {"journal.jsonl"}


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (f"cells/{'a' * 16}/replies.jsonl", "file that journal.jsonl records in line 2"),
        ("manifest.json", "plan that journal.jsonl records in line 1"),
    ],
)
def test_a_seal_made_anew_over_changed_files_is_contradicted_by_the_journal(
    name: str, what: str, run: RunFolder
) -> None:
    (run.path / name).write_text("{}\n")
    (run.path / "seal.jsonl").unlink()
    run.seal("leaderboard.json")
    run.publish("report.html", (run.path / "report.html").read_text("utf-8"))
    assert check(run.path).findings == [Finding(name, "whole file", f"not the {what}")]


def test_a_page_drawn_anew_does_not_cover_up_other_changes(run: RunFolder) -> None:
    run.cell("a" * 64).replies_file.write_text("{}\n")
    run.publish("report.html", "<p>another</p>")
    found = {finding.file for finding in check(run.path).findings}
    assert found == {f"cells/{'a' * 16}/replies.jsonl"}


def test_what_a_journal_could_not_account_for_is_unexpected(run: RunFolder) -> None:
    journal = run.path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b"rubbish")
    finish(run)
    (finding,) = check(run.path).findings
    assert finding.file.startswith("journal.torn-")


def test_what_only_the_end_of_a_run_told_is_pinned_too(run: RunFolder) -> None:
    manifest = run.path / "manifest.json"
    manifest.write_text(manifest.read_text().replace("true", "false", 1))
    (run.path / "seal.jsonl").unlink()
    run.seal("leaderboard.json")
    run.publish("report.html", (run.path / "report.html").read_text("utf-8"))
    problem = "not the file that journal.jsonl records in line 4"
    assert check(run.path).findings == [Finding("manifest.json", "whole file", problem)]


def test_the_plan_of_an_unfinished_run_is_checked(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.opened(PLAN) as journal:
        journal.record("plan", manifest=digest(PLAN))
    assert len(check(run.path).findings) == 1
    for damage in ('{"config": {"seed": 1}}', "[]", "{"):
        (run.path / "manifest.json").write_text(damage)
        assert [finding.file for finding in check(run.path).findings] == ["seal.jsonl", "manifest.json"]


def test_an_unfinished_run_is_said_to_be_one(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.opened(PLAN) as journal:
        journal.record("plan")
    (finding,) = check(run.path).findings
    assert str(finding) == "seal.jsonl: whole file: missing: the run has not finished; run its command again"


def test_no_run_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError, match="there is no run"):
        check(tmp_path)
    with pytest.raises(EmoLoomError, match="there is no run"):
        check(tmp_path / "nowhere")
