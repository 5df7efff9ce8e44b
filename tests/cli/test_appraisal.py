"""``emoloom appraisal``."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Emoloom


def test_fit_and_card_on_the_starter_corpus(emoloom: Emoloom, tmp_path: Path) -> None:
    done = emoloom("appraisal", "fit")
    assert done.code == 0
    assert done.err == "fitting the appraisal verifier on starter\n"
    assert str(tmp_path / "cache" / "verifiers") in done.out
    card = emoloom("appraisal", "card")
    assert (card.code, card.err) == (0, "")
    assert card.out in done.out
    figures = json.loads(emoloom("appraisal", "card", "--json").out)
    assert f"{'mean':16} {figures['mean_auc']:8.3f}" in card.out
    assert figures["sources"][0]["rows"] > 700


def test_an_absent_data_folder_is_refused(emoloom: Emoloom, tmp_path: Path) -> None:
    done = emoloom("appraisal", "fit", "--data-dir", tmp_path / "absent")
    assert done.code == 2
    assert "does not exist" in done.err
