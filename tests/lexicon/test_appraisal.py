"""The verifier's arithmetic, its file, and the closed form by which texts are left out, against refits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from emoloom.errors import EmoLoomError
from emoloom.lexicon.appraisal import CHARACTERS, WORDS, Verifier, dense_features, features
from emoloom.lexicon.appraisal_fit import RIDGE, Heads, LeftOut, _regularised_inverse, fit

GOOD = ["won a prize", "passed the exam", "got a gift", "met my love", "found my ring", "a lovely day out"]
BAD = ["lost a prize", "failed the exam", "was robbed", "my dog died", "broke my ring", "an awful day alone"]
TEXTS = [f"{text} {n}" for n in ("today", "in May", "last year", "at home", "at work") for text in GOOD + BAD]
HELPED = np.array(
    [text.rsplit(" ", 2)[0] in GOOD or text.rsplit(" ", 1)[0] in GOOD for text in TEXTS], dtype=np.float64
)
FOLDS = np.arange(len(TEXTS), dtype=np.intp) % 5


def heads() -> Heads:
    emotions = np.stack([HELPED, 1 - HELPED], axis=1).astype(np.float32)
    return Heads(TEXTS, emotions, HELPED[:, None].astype(np.float32))


def fitted() -> tuple[Verifier, Any]:
    atoms = np.stack(
        [HELPED, 1 - HELPED, 0.25 + HELPED / 2, np.where(np.arange(len(TEXTS)) % 7, HELPED, np.nan)], axis=1
    )
    other = Heads(["what joy", "what grief"], np.eye(2, dtype=np.float32), np.zeros((2, 0), np.float32))
    done = fit(heads(), atoms, [(0.0, 1.0), (0.0, 1.0), (0.4, 0.6), (0.0, 1.0)], FOLDS, [other])
    return done.verifier, done.held_out


def test_atoms_are_probabilities_that_follow_the_text() -> None:
    verifier, held_out = fitted()
    atoms = verifier.atoms(["won a gift", "my dog was robbed", "", "🎉"])
    assert atoms.shape == (4, 4)
    assert ((atoms >= 0) & (atoms <= 1)).all()
    assert atoms[0, 0] > 0.5 > atoms[1, 0]
    assert atoms[0, 1] < 0.5 < atoms[1, 1]
    assert held_out.shape == (len(TEXTS), 4)
    assert roc_auc_score(HELPED, held_out[:, 0]) > 0.9


def test_same_data_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        fitted()[0].save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_saved_verifier_reads_alike(tmp_path: Path) -> None:
    verifier, _ = fitted()
    verifier.save(tmp_path / "v")
    assert (Verifier.load(tmp_path / "v").atoms(TEXTS) == verifier.atoms(TEXTS)).all()


def test_seven_emotions_stay_below_five_megabytes(tmp_path: Path) -> None:
    halves = np.zeros((7 + 4, WORDS + CHARACTERS), np.float16)
    Verifier(halves[:7], halves[7:], np.zeros((4, 8), np.float32), np.zeros(4, np.float32)).save(tmp_path / "v")
    assert (tmp_path / "v").stat().st_size < 5_000_000


def test_a_file_that_is_no_verifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError, match="cannot read the verifier"):
        Verifier.load(tmp_path / "absent")
    (tmp_path / "torn").write_bytes(b"\xff" * 20)
    with pytest.raises(EmoLoomError, match="emoloom appraisal fit"):
        Verifier.load(tmp_path / "torn")
    fitted()[0].save(tmp_path / "v")
    tensors = load_file(tmp_path / "v")
    save_file({**tensors, "dense": tensors["dense"][:, 1:].copy()}, tmp_path / "other")
    with pytest.raises(EmoLoomError, match="no verifier of this version"):
        Verifier.load(tmp_path / "other")


def test_features_of_a_text_do_not_depend_on_others() -> None:
    together, alone = features(["my dog", "a cat", ""]), features(["a cat"])
    assert (together[1] != alone[0]).nnz == 0
    assert together.power(2).sum(axis=1).ravel().tolist()[0] == pytest.approx([2, 2, 0], abs=1e-6)


def test_dense_features_are_a_softmax_and_a_length() -> None:
    dense = dense_features(np.array([[0.1, 0.0], [0.0, 0.0]], np.float32), ["one two", ""])
    odds = np.exp(12 * 0.1)
    assert dense == pytest.approx(np.array([[odds / (1 + odds), 1 / (1 + odds), np.log(3)], [0.5, 0.5, 0]]), rel=1e-5)


def test_leaving_out_equals_fitting_again() -> None:
    x, targets = features(TEXTS), heads().targets
    left_out = LeftOut.of(_regularised_inverse(x), targets, FOLDS)

    def refit(rows: Any, kept: Any) -> Any:
        model = Ridge(alpha=RIDGE, fit_intercept=False, solver="cholesky").fit(x[kept].toarray(), targets[kept])
        return np.asarray(model.predict(x[rows].toarray()))

    for fold in range(2):
        mine = fold == FOLDS
        assert left_out.own[mine] == pytest.approx(refit(mine, ~mine), abs=1e-4)
        other = FOLDS == 4
        assert left_out.without(fold)[other] == pytest.approx(refit(other, ~mine & ~other), abs=1e-4)
        assert (left_out.without(fold)[mine] == left_out.own[mine]).all()
