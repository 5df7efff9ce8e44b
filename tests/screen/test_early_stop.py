"""Early stopping in a run: what is watched, told, paid for and refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from tests.screenings import ROWS, plan, small, write_jsonl

from emoloom.config import ScreenConfig
from emoloom.errors import EmoLoomError
from emoloom.screen.pricing.price import Prices
from emoloom.screen.pricing.rates import Rates
from emoloom.screen.run import run_plan
from emoloom.store.run import RunFolder

EPOCHS = 12


def stopping(
    model: Path, data: Path, out: Path, rate: float = 1.0, changes: Mapping[str, Any] = MappingProxyType({})
) -> ScreenConfig:
    recipe = {"epochs": EPOCHS, "early_stop": True, "batch_size": 2, "method": "full", "learning_rate": rate}
    return small(model, data, out, dev_limit=3, recipe=recipe, **changes)


def run(config: ScreenConfig) -> tuple[RunFolder, list[str], int]:
    """The finished run, what it said, and how many examples its plan was priced at."""
    planned, said = plan(config), list[str]()
    prices = Prices(planned, {config.model[0]: Rates(0.0, 0.0, 0.0, 0.0, 0.0)}, {})
    folder = run_plan(planned, lambda _what, _more, _total: None, said.append)
    return folder, said, sum(prices.of(cell).examples for cell in planned.cells)


def watched(folder: RunFolder) -> list[float]:
    events = [json.loads(line) for line in (folder.path / "journal.jsonl").read_text().splitlines()]
    (found,) = [event["watched"] for event in events if event["event"] == "trained"]
    return list(found)


def spent(folder: RunFolder) -> int:
    return sum(cell["examples"] for cell in folder.timings()["spent"]["cells"].values())


def test_a_training_that_ends_early_is_told_and_costs_less(model: Path, data: Path, tmp_path: Path) -> None:
    folder, said, priced = run(stopping(model, data, tmp_path / "run"))
    losses = watched(folder)
    assert 1 < len(losses) < EPOCHS
    assert losses[-1] >= min(losses)
    (line,) = [line for line in said if "ended early" in line]
    assert f"after epoch {len(losses)} of {EPOCHS}" in line
    assert priced - spent(folder) == (EPOCHS - len(losses)) * (6 + 3)


def test_one_that_does_not_costs_its_price(model: Path, data: Path, tmp_path: Path) -> None:
    folder, said, priced = run(stopping(model, data, tmp_path / "run", rate=1e-6))
    assert len(watched(folder)) == EPOCHS
    assert not [line for line in said if "ended early" in line]
    assert priced == spent(folder)


def test_records_of_the_dev_split_are_watched(model: Path, data: Path, tmp_path: Path) -> None:
    corpora = plan(stopping(model, data, tmp_path / "run")).corpora
    assert len(corpora.dev.records) == 3
    assert all(record.split == "dev" for record in corpora.dev.records)


def test_without_one_a_fifth_of_the_training_records_is(model: Path, data: Path, tmp_path: Path) -> None:
    rows = [{**row, "text": f"{row['text']} {n}"} for n in range(2) for row in ROWS]
    own = {"train": (f"jsonl:{write_jsonl(tmp_path / 'own.jsonl', rows)}",), "train_limit": None}
    corpora = plan(stopping(model, data, tmp_path / "run", changes=own)).corpora
    assert (len(corpora.dev.records), len(corpora.train)) == (2, 8)
    few = {"train": (f"jsonl:{write_jsonl(tmp_path / 'few.jsonl', rows[5:9])}",)}
    with pytest.raises(EmoLoomError, match="too few records to set aside"):
        plan(stopping(model, data, tmp_path / "run", changes=few))


def test_one_epoch_is_refused(model: Path, data: Path) -> None:
    with pytest.raises(ValueError, match="early_stop needs more than one of epochs"):
        small(model, data, recipe={"early_stop": True})
