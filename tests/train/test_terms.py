"""The heads' losses, the appraisal loss and the first label: against scikit-learn, scipy and finite differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import log_loss
from tests import tiny

from emoloom.contract.affect import AFFECT
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.model.heads import Heads
from emoloom.model.labelling import FirstLabel, entropy
from emoloom.train.appraise import appraisal_loss, atom_spread, calibrated_profiles, implied_profile
from emoloom.train.batch import BatchOutput
from emoloom.train.classify import classification_loss, label_balance, label_counts
from emoloom.train.regress import regression_loss
from emoloom.train.sft import sft_loss
from emoloom.train.write import writing_loss

PROFILES = torch.tensor([AFFECT[label].appraisal for label in GOEMOTIONS.labels], dtype=torch.float64)


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    """Finite differences need it."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


LABELS = (draw(5, 28, seed=1) > 1).to(torch.float64)
WEIGHT = torch.tensor([0.0, 0.3, 0.5, 1.0, 1.0], dtype=torch.float64)


def classified(logits: torch.Tensor) -> torch.Tensor:
    return classification_loss(logits, LABELS, torch.linspace(1, 4, 28))


def regressed(predicted: torch.Tensor) -> torch.Tensor:
    return regression_loss(predicted, draw(5, 3, seed=2).sigmoid(), WEIGHT)


def appraised(logits: torch.Tensor) -> torch.Tensor:
    spread = torch.linspace(0.1, 1, 4)
    return appraisal_loss(logits.softmax(-1), PROFILES, spread, draw(5, 4, seed=3).sigmoid(), WEIGHT)


def supervised(logits: torch.Tensor) -> torch.Tensor:
    return sft_loss(BatchOutput((), logits, torch.tensor([3, 0, 2, 2, 1]), (), torch.zeros(5, 1)))


def written(logits: torch.Tensor) -> torch.Tensor:
    labels = LABELS.clone()
    labels[:, 0] = 1
    # A last column for what is no label.
    whole = torch.cat([logits, torch.zeros(len(logits), 1)], dim=-1).log_softmax(-1)
    return writing_loss(whole[:, :-1], labels, torch.linspace(0.5, 2, 28))


TERMS = pytest.mark.parametrize(
    ("term", "width"),
    [(supervised, 4), (classified, 28), (written, 28), (regressed, 3), (appraised, 28)],
    ids=["sft", "cls", "write", "reg", "app"],
)
Term = Callable[[torch.Tensor], torch.Tensor]


@TERMS
def test_gradients_are_finite_differences(term: Term, width: int) -> None:
    assert torch.autograd.gradcheck(term, (draw(5, width).requires_grad_(),), atol=1e-6)


@TERMS
def test_a_term_falls_when_it_is_optimised_alone(term: Term, width: int) -> None:
    values = draw(5, width).requires_grad_()
    optimizer = torch.optim.Adam([values], lr=0.05)
    losses = []
    for _ in range(400):
        optimizer.zero_grad()
        loss = term(values)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    # No mean of label profiles reaches any four values whatever.
    assert losses[-1] < 0.5 * losses[0]


def test_unbalanced_classification_is_the_log_loss() -> None:
    logits = draw(5, 28)
    expected = log_loss(LABELS.flatten().numpy(), logits.sigmoid().flatten().numpy()) * 5
    assert float(classification_loss(logits, LABELS, torch.ones(28))) == pytest.approx(expected)


def test_balance_weighs_the_positive_side_and_leaves_the_best_log_odds_natural() -> None:
    balance = torch.tensor([3.0, 1.0])
    logits = torch.zeros(1, 2)
    raised = [
        [-3 * np.log(3 / 4), -np.log(1 / 4)],
        [-np.log(1 / 2), -np.log(1 / 2)],
    ]
    for hot in ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0]):
        expected = np.mean([raised[label][0 if is_on else 1] for label, is_on in enumerate(hot)])
        assert float(classification_loss(logits, torch.tensor([hot]), balance)) == pytest.approx(expected)
    # One of ten examples has the label: whatever it weighs, the best answer to all is log-odds of 1 to 9.
    shared = torch.full((1, 2), float(np.log(1 / 9))).requires_grad_()
    gold = torch.tensor([[1.0, 1.0]] + [[0.0, 0.0]] * 9)
    classification_loss(shared.expand(10, 2), gold, balance).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(shared.grad, torch.zeros(1, 2), atol=1e-7, rtol=0)


def test_the_first_label_is_held_against_all_labels_of_the_record() -> None:
    log_probabilities = draw(3, 28).log_softmax(-1)
    labels = torch.zeros(3, 28)
    sets = [(4,), (1, 2), (0, 9, 27)]
    for row, chosen in enumerate(sets):
        labels[row, list(chosen)] = 1
    balance = torch.linspace(0.5, 2, 28)
    expected = sum(
        -float(balance[label]) * float(log_probabilities[row, label]) / len(chosen)
        for row, chosen in enumerate(sets)
        for label in chosen
    )
    assert float(writing_loss(log_probabilities, labels, balance)) == pytest.approx(expected)


def test_label_balance_is_the_root_of_the_odds() -> None:
    counts = label_counts([(0,)] * 8 + [(0, 1)] + [(2,)], 4)
    assert counts == [9, 1, 1, 0]
    assert label_balance(counts, 10) == pytest.approx([1.0, 3.0, 3.0, 1.0])
    assert label_balance(label_counts([], 2), 0) == [1.0, 1.0]


@given(st.integers(0, 1000))
def test_distance_is_weighted(seed: int) -> None:
    predicted, target = draw(5, 3, seed=seed), draw(5, 3, seed=seed + 1)
    expected = (WEIGHT.numpy() * np.linalg.norm(predicted.numpy() - target.numpy(), axis=1)).sum()
    assert float(regression_loss(predicted, target, WEIGHT)) == pytest.approx(expected, rel=1e-5)


def test_a_hit_has_no_undefined_gradient() -> None:
    predicted = torch.full((5, 3), 0.5).requires_grad_()
    regression_loss(predicted, predicted.detach().clone(), WEIGHT).backward()  # type: ignore[no-untyped-call]
    assert predicted.grad is not None
    assert bool((predicted.grad == 0).all())


def test_the_profile_of_a_sure_label_is_its_own() -> None:
    for index, label in enumerate(GOEMOTIONS.labels):
        sure = torch.zeros(1, 28)
        sure[0, index] = 1
        assert implied_profile(sure, PROFILES)[0].tolist() == pytest.approx(AFFECT[label].appraisal)


def test_appraisals_count_in_units_of_their_spread() -> None:
    atoms = np.random.default_rng(0).random((50, 4)) * [0.1, 1.0, 0.3, 0.001]
    spread = torch.tensor(atom_spread(atoms.tolist()))
    assert spread.tolist() == pytest.approx([*atoms.std(axis=0)[:3], 0.02])
    assert atom_spread([]) == [1.0] * 4
    # Whoever says the mean of what the verifier says misses each atom by its variance.
    flat = torch.tensor(atoms.mean(axis=0)).expand(28, 4)
    every = torch.full((50, 28), 1 / 28)
    missed = float(appraisal_loss(every, flat, spread, torch.tensor(atoms), torch.ones(50))) / 50
    assert missed == pytest.approx(3 / 4, abs=1e-3)


def test_profiles_come_onto_the_verifiers_scale() -> None:
    rng = np.random.default_rng(0)
    table = rng.random((28, 4))
    labels = [tuple(rng.choice(28, size=rng.integers(1, 3), replace=False).tolist()) for _ in range(400)]
    implied = np.array([table[list(each)].mean(axis=0) for each in labels])
    atoms = 0.3 + np.array([0.4, 0.2, -0.5, 0.0]) * implied + 0.02 * rng.standard_normal(implied.shape)
    found = calibrated_profiles(table.tolist(), labels, atoms.tolist())
    for atom in range(4):
        slope, intercept = np.polyfit(implied[:, atom], atoms[:, atom], 1)
        line = intercept + slope * table[:, atom] if slope > 0 else np.full(28, atoms[:, atom].mean())
        inside = line.clip(atoms[:, atom].min(), atoms[:, atom].max())
        np.testing.assert_allclose(found[:, atom], inside, atol=1e-12)
    np.testing.assert_array_equal(calibrated_profiles(table.tolist(), [], []), table)


def test_few_texts_do_not_lead_profiles_astray() -> None:
    # Two labels of nearly the same profile, read quite differently: the line through them is steep.
    table = [[0.48] * 4, [0.51] * 4, [0.95] * 4]
    found = calibrated_profiles(table, [(0,), (1,)], [[0.42] * 4, [0.62] * 4])
    assert found.min() >= 0.42
    assert found.max() <= 0.62


@pytest.mark.parametrize("merges", [(), (("j", "o"), ("jo", "y"), ("a", "d"), ("d", "i"))], ids=["bytes", "merged"])
def test_labels_with_one_beginning_share_its_probability_by_how_common_they_are(
    merges: tuple[tuple[str, str], ...],
) -> None:
    prompter = tiny.make_prompter(merges=merges)
    logits = draw(3, len(prompter.tokenizer))
    first = FirstLabel(prompter, GOEMOTIONS, torch.device("cpu"))
    begins = [prompter.encode_reply(label)[0] for label in GOEMOTIONS.labels]
    assert prompter.decode(list(first.opening)) == '{"labels":["'
    found = first.log_probabilities(logits[[2, 0]]).exp()
    for row, source in zip(found, (2, 0), strict=True):
        weights = {token: float(logits[source, token].exp()) for token in begins}
        everything = float(logits[source].exp().sum())
        assert row.tolist() == pytest.approx([weights[token] / everything for token in begins])
    counts = [7 * i % 5 for i in range(28)]
    for label, share in enumerate(first.log_shares(counts)):
        rivals = [count + 1 for count, token in zip(counts, begins, strict=True) if token == begins[label]]
        assert share == pytest.approx(np.log((counts[label] + 1) / sum(rivals)))


def test_entropy_is_scipys() -> None:
    some = draw(4, 28).softmax(-1)
    assert entropy(some).tolist() == pytest.approx(scipy_entropy(some.numpy(), axis=1).tolist())
    assert entropy(torch.eye(2)).tolist() == [0.0, 0.0]


def test_heads_begin_undecided_and_do_not_see_the_scale() -> None:
    shares = torch.linspace(-1, 0, 28).float()
    heads = Heads(16, shares.tolist()).float()
    states = draw(3, 16).float()
    own = draw(3, 28).log_softmax(-1).float()
    logits, vad = heads(states, own)
    weights = (own.exp() * shares.exp()).double()
    expected = (weights / weights.sum(dim=-1, keepdim=True)).logit().float()
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    sure = torch.full((3, 28), -90.0).float().index_fill(1, torch.tensor([4]), 0.0)
    assert bool(heads(states, sure)[0].isfinite().all())
    assert bool((vad == 0.5).all())
    with torch.no_grad():
        heads.linear.label.weight.copy_(draw(28, 16))
    assert torch.allclose(heads(states, own)[0], heads(1000 * states, own)[0], atol=1e-3)
