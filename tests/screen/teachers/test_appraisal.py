"""Building the verifier: folds without leaks, the cache, the card; and what it reaches on the real corpora."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from emoloom.contract.affect import ATOMS
from emoloom.data.load_appraised import load_starter
from emoloom.data.questionnaire import Appraised
from emoloom.screen.teachers import appraisal
from emoloom.screen.teachers.appraisal import atoms_of, build, folds_of, load_verifier, read_card
from emoloom.screen.teachers.appraisal_card import CONTRASTS, _calibration


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _places(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOLOOM_CACHE", str(cache))
    monkeypatch.delenv("EMOLOOM_DATA", raising=False)


def row(text: str, group: str | None) -> Appraised:
    return Appraised(text, group, "joy", (None, None, None, None), {})


def test_neither_a_person_nor_a_text_is_in_two_folds() -> None:
    persons = [row(f"text {i}", f"p{i % 40}") for i in range(200)]
    shared = [row("My dog died!", "p0"), row("my dog  died", "p7"), row("alone", None), row("Alone.", None)]
    rows = persons + shared
    folds = folds_of(rows)
    assert set(folds) == {0, 1, 2, 3, 4}
    for person in range(40):
        assert len({fold for fold, r in zip(folds, rows, strict=True) if r.group == f"p{person}"}) == 1
    assert folds[0] == folds[7] == folds[200] == folds[201]
    assert folds[202] == folds[203]
    assert (folds == folds_of(rows)).all()


def test_without_corpora_the_starter_is_used_and_the_card_says_so() -> None:
    card = read_card(build())
    assert card["fitted_on"] == "starter"
    assert [source["corpus"] for source in card["sources"]] == ["starter"]
    assert "starter corpus alone" in card["licence_note"]
    assert tuple(card["held_out_auc"]) == tuple(card["calibration"]) == ATOMS
    assert card["mean_auc"] == pytest.approx(np.mean(list(card["held_out_auc"].values())))
    assert set(card["comparison"]) == {"tfidf", "gold_emotion"}
    assert card["mean_auc"] > 0.6


def test_it_is_fitted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build()
    monkeypatch.setattr(appraisal, "_fit", lambda *_: pytest.fail("fitted again"))
    assert build() == folder
    assert load_verifier()[0].atoms(["We won the cup!", "They cheated us."]).shape == (2, 4)
    assert sum(file.stat().st_size for file in folder.iterdir()) < 5_000_000


def test_other_code_makes_another_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build()
    assert read_card(folder)["version"] == folder.name
    monkeypatch.setattr(appraisal, "code_digest", lambda *_: "other")
    monkeypatch.setattr(appraisal, "_fit", lambda *_: None)
    assert build() != folder


def test_calibration_compares_predicted_with_said() -> None:
    values = np.array([0.0, 1.0, 0.5, np.nan] * 25)
    predicted = np.linspace(0, 1, 100, dtype=np.float32)
    table = _calibration(values, predicted)
    assert sum(b["n"] for b in table["bins"]) == 75
    gaps = [b["n"] * abs(b["predicted"] - b["said"]) for b in table["bins"]]
    assert table["ece"] == pytest.approx(sum(gaps) / 75)
    assert [b["predicted"] for b in table["bins"]] == sorted(b["predicted"] for b in table["bins"])


def test_contrasts_leave_the_middle_out() -> None:
    assert all(len(contrasts) == len(ATOMS) for contrasts in CONTRASTS.values())
    atoms = atoms_of(load_starter().rows)
    contrast = CONTRASTS["starter"][0]
    assert ((atoms[:, 0] > contrast.low) & (atoms[:, 0] < contrast.high)).any()


@pytest.fixture(scope="module")
def real() -> Path:
    folder = Path(os.environ.get("EMOLOOM_DATA") or Path(__file__).parents[3].parent / "shared" / "data")
    if not (folder / "appraisal" / "isear").is_dir():
        pytest.skip(f"the appraisal corpora are not in {folder}: set EMOLOOM_DATA")
    return folder


def test_on_unseen_people_the_mean_auc_is_at_least_072(real: Path) -> None:
    card = json.loads((build(real) / "card.json").read_text("utf-8"))
    assert card["fitted_on"] == "isear"
    assert card["mean_auc"] >= 0.72
    assert card["mean_auc"] > card["comparison"]["tfidf"]["mean"]
    assert all(table["ece"] < 0.05 for table in card["calibration"].values())
    given = {"tfidf": (0.74, 0.60, 0.67, 0.73), "gold_emotion": (0.81, 0.67, 0.62, 0.79)}
    for name, aucs in given.items():
        assert list(card["comparison"][name].values())[:4] == pytest.approx(aucs, abs=0.03)


def test_a_corpus_of_the_run_is_left_out(real: Path) -> None:
    if not (real / "empatheticdialogues").is_dir():
        pytest.skip(f"EmpatheticDialogues is not in {real}")
    names = [source["corpus"] for source in read_card(build(real, without={"empathetic", "goemotions"}))["sources"]]
    assert "isear" in names
    assert "empathetic" not in names
    assert "empathetic" in [source["corpus"] for source in read_card(build(real))["sources"]]


def test_it_knows_texts_it_was_fitted_on_better_than_chance(real: Path) -> None:
    verifier, _ = load_verifier(real)
    texts = ["I passed the exam I had worked for.", "My boss blamed me for his own mistake."]
    assert roc_auc_score([1, 0], verifier.atoms(texts)[:, 0]) == 1
    assert roc_auc_score([1, 0], verifier.atoms(texts)[:, 3]) == 1
