"""The pieces of a cell: rows, torn replies, judging."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests import tiny

from emoloom.contract.record import Record, Request, Vad
from emoloom.data.splits import SplitReport
from emoloom.screen.cell import decode, judge, make_row
from emoloom.screen.corpora import EvalSet
from emoloom.screen.cost import Cost
from emoloom.screen.readouts.readout import Answer
from emoloom.store.run import CellFolder

GOOD = '{"labels":["joy"],"vad":{"v":0.95,"a":0.70,"d":0.65},"rationale":"delight"}'
REPORT = SplitReport("x", "test", 4, 4, {}, "0" * 64, "x")
RECORDS = tuple(
    Record(id=f"r{n}", text=f"text {n}", labels=("joy",), vad=Vad(v=0.9, a=0.7, d=n / 4), corpus="x", split="test")
    for n in range(4)
)
EVALS = (EvalSet("x:test", RECORDS, REPORT),)


class Answering:
    """A readout whose answers come at once, last first; ``calls`` holds the ids that each call asked for."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        self.calls.append([request.id for request in requests])
        for index in reversed(range(len(requests))):
            yield index, Answer(f"reply to {requests[index].id}\n\u2028")


@pytest.fixture
def asked() -> Answering:
    return Answering()


def run_decode(
    asked: Answering, folder: CellFolder, limit: int | None = None
) -> tuple[list[dict[str, Any]], list[tuple[int, int]]]:
    seen: list[tuple[int, int]] = []
    rows = decode(
        "path:x",
        asked,
        tiny.make_prompter(),
        EVALS,
        folder,
        limit=limit,
        progress=lambda _what, more, total: seen.append((more, total)),
        cost=Cost(),
    )
    return rows, seen


def test_rows_come_in_the_order_of_the_records(tmp_path: Path, asked: Answering) -> None:
    rows, progress = run_decode(asked, CellFolder(tmp_path))
    assert [row["id"] for row in rows] == ["r0", "r1", "r2", "r3"]
    assert [row["reply"] for row in rows] == [f"reply to r{n}\n\u2028" for n in range(4)]
    assert progress == [(0, 4), *[(1, 4)] * 4]
    assert asked.calls == [["r0", "r1", "r2", "r3"]]


def test_a_limit_takes_the_first_records(tmp_path: Path, asked: Answering) -> None:
    assert [row["id"] for row in run_decode(asked, CellFolder(tmp_path), limit=2)[0]] == ["r0", "r1"]
    assert asked.calls == [["r0", "r1"]]


def test_decoding_goes_on_from_any_torn_file_to_the_same_rows(tmp_path: Path, asked: Answering) -> None:
    whole, _ = run_decode(asked, CellFolder(tmp_path / "whole"))
    content = (tmp_path / "whole" / "scratch" / "replies.jsonl").read_bytes()
    assert content.count(b"\n") == 4
    for cut in range(len(content) + 1):
        folder = CellFolder(tmp_path / str(cut))
        folder.scratch.mkdir(parents=True)
        (folder.scratch / "replies.jsonl").write_bytes(content[:cut])
        kept = [json.loads(line)["id"] for line in content[:cut].split(b"\n")[:-1]]
        rows, progress = run_decode(asked, folder)
        assert rows == whole
        assert asked.calls[-1] == [record.id for record in RECORDS if record.id not in kept]
        assert progress[0] == (len(kept), 4)
        assert (folder.scratch / "replies.jsonl").read_bytes() == content


def test_a_row_states_the_outcome_and_what_was_mended() -> None:
    assert make_row("x:test", RECORDS[0], Answer(GOOD)) == {
        "corpus": "x:test", "id": "r0", "reply": GOOD, "outcome": "parsed", "repairs": [],
    }  # fmt: skip
    assert make_row("x:test", RECORDS[0], Answer(f"Sure: {GOOD}"))["repairs"] == ["surrounding_text"]
    assert make_row("x:test", RECORDS[0], Answer("hello"))["outcome"] == "no_json"
    assert make_row("x:test", RECORDS[0], Answer(GOOD.replace("joy", "glee")))["outcome"] == "unknown_label"


def test_scores_come_from_the_replies_alone() -> None:
    rows = [make_row("x:test", record, Answer(GOOD)) for record in RECORDS[:3]]
    full = judge(rows, EVALS, (0.5, 0.5, 0.5), 0)["x:test"]
    assert (full.n, full.metrics["parse_ok"], full.metrics["strict_macro_f1"]) == (3, 1.0, 1.0)
    rows[0]["reply"] = "nothing"
    part = judge(rows, EVALS, (0.5, 0.5, 0.5), 0)["x:test"]
    assert part.metrics["parse_ok"] == pytest.approx(2 / 3)
    assert part.metrics["strict_macro_f1"] == pytest.approx(0.8)
    assert part.failures == {"no_json": 1}


def test_the_constant_stands_in_for_a_failure() -> None:
    rows = [make_row("x:test", record, Answer("nothing")) for record in RECORDS]
    right, wrong = (judge(rows, EVALS, (v, 0.7, 0.375), 0)["x:test"].metrics for v in (0.9, 0.1))
    assert right["vad_1_minus_rmse"]
    assert wrong["vad_1_minus_rmse"]
    assert right["vad_1_minus_rmse"] > wrong["vad_1_minus_rmse"]


def test_a_flip_test_scores_pairs_and_nothing_else() -> None:
    pleasant, unpleasant = GOOD, GOOD.replace("0.95", "0.05")
    pairs = (("r0", "r1", True), ("r2", "r3", False))
    sets = (EvalSet("flip:x:test", RECORDS, REPORT, pairs),)
    replies = [pleasant, unpleasant, pleasant, unpleasant]
    rows = [make_row("flip:x:test", record, Answer(reply)) for record, reply in zip(RECORDS, replies, strict=True)]
    found = judge(rows, sets, (0.5, 0.5, 0.5), 0)["flip:x:test"]
    assert found.metrics == {"parse_ok": 1.0, "flip_test": 0.5}
    assert found.space is None
    # Half a pair is none.
    assert judge(rows[:3], sets, (0.5, 0.5, 0.5), 0)["flip:x:test"].metrics == {"parse_ok": 1.0, "flip_test": 1.0}
    assert judge(rows[:1], sets, (0.5, 0.5, 0.5), 0)["flip:x:test"].metrics == {"parse_ok": 1.0}
