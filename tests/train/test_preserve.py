"""The VAD-preserving constraint against enumeration of all numbers and against finite differences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tests import tiny
from tests.model.test_layout import DIGITS, POINT, TWO_DIGITS, WHOLE

from emoloom.contract.record import make_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.model.layout import NUMBERS, Layout, lay_out
from emoloom.model.prompts import Prompter
from emoloom.model.vocabulary import Vocabulary
from emoloom.train.preserve import WordTable, implied_numbers, preserving_loss

CPU = torch.device("cpu")
VALUES = {"joy": (0.9, 0.6, 0.7), "oh": (0.5, 0.7, 0.4), "sad": (0.1, 0.3, 0.2), "it": (0.4, 0.4, 0.4)}
WORDS = (
    ("j", "o"),
    ("jo", "y"),
    ("Ġ", "o"),
    ("Ġo", "h"),
    ("o", "h"),
    ("s", "a"),
    ("sa", "d"),
    ("Ġ", "sad"),
    ("i", "t"),
)
SPELLINGS = pytest.mark.parametrize(
    "merges", [DIGITS, POINT, TWO_DIGITS, WHOLE], ids=["digits", "point", "two", "whole"]
)


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    """Finite differences need it."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def reply(tokenizer: Any, vad: tuple[float, float, float], rationale: str = "delight") -> tuple[str, list[int], Layout]:
    prompter = Prompter(tokenizer, GOEMOTIONS, max_tokens=4096, max_new_tokens=64)
    line = make_reply(["joy"], vad, rationale, GOEMOTIONS).line()
    ids = prompter.encode_reply(line)
    layout = lay_out(Vocabulary(tokenizer), line, ids)
    assert layout is not None
    return line, ids, layout


def random_logits(rows: int, tokenizer: Any, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, len(tokenizer), generator=torch.Generator().manual_seed(seed)) * 2


def enumerated(logits: torch.Tensor, tokenizer: Any, line: str, ids: list[int]) -> list[float]:
    """The expectation of each number over all 101 spellings, each token's probability among those that lead to a number
    looked up at the record's position: what a model whose later digits do not depend on its earlier ones would mean."""
    texts = Vocabulary(tokenizer).texts
    means = []
    for axis in ("v", "a", "d"):
        begin = line.index(f'"{axis}":') + 4
        step = next(s for s in range(len(ids)) if len(tokenizer.decode(ids[: s + 1])) > begin)
        # Depth-first over all ways to spell a number from this step on.
        paths = [("", step, 1.0)]
        expectation = total = 0.0
        while paths:
            written, at, probability = paths.pop()
            if len(written) == 4:
                expectation += probability * float(written)
                total += probability
                continue
            nexts = [t for t, text in texts.items() if any(n.startswith(written + text) for n in NUMBERS)]
            weights = logits[at, nexts].softmax(0).tolist()
            paths += [(written + texts[t], at + 1, probability * w) for t, w in zip(nexts, weights, strict=True)]
        assert total == pytest.approx(1)
        means.append(expectation)
    return means


@pytest.mark.parametrize("vad", [(0.42, 0.5, 0.05), (0.0, 0.99, 0.31)])
@pytest.mark.parametrize(
    ("merges", "tolerance"), [(DIGITS, 0.055), (POINT, 0.055), (TWO_DIGITS, 0.055)], ids=["digits", "point", "two"]
)
def test_implied_numbers_are_near_the_expectation_over_all_numbers(
    merges: Any, tolerance: float, vad: tuple[float, float, float]
) -> None:
    tokenizer = tiny.make_tokenizer(merges=merges)
    line, ids, layout = reply(tokenizer, vad)
    logits = random_logits(len(ids), tokenizer)
    # A record below 1 tells nothing of what would follow "1.", which is then taken to be "00".
    logits[:, tokenizer.convert_tokens_to_ids("1")] = -30
    for token in ("1.",):
        if token in tokenizer.get_vocab():
            logits[:, tokenizer.convert_tokens_to_ids(token)] = -30
    implied = implied_numbers(logits, [0], [layout])[0].tolist()
    assert implied == pytest.approx(enumerated(logits, tokenizer, line, ids), abs=tolerance)


def test_one_token_a_number_is_the_exact_expectation() -> None:
    tokenizer = tiny.make_tokenizer(merges=WHOLE)
    line, ids, layout = reply(tokenizer, (0.42, 0.5, 0.05))
    logits = random_logits(len(ids), tokenizer)
    texts = Vocabulary(tokenizer).texts
    whole = [token for token, text in texts.items() if len(text) == 4 and text in NUMBERS]
    others = [token for token in range(len(tokenizer)) if token not in whole]
    logits[:, others] = -40
    implied = implied_numbers(logits, [0], [layout])[0].tolist()
    for axis, name in enumerate("vad"):
        row = len(tokenizer.encode(line[: line.index(f'"{name}":') + 4]))
        weights = logits[row, whole].softmax(0).numpy()
        expected = float(np.average([float(texts[token]) for token in whole], weights=weights))
        assert implied[axis] == pytest.approx(expected, abs=1e-9)


def test_digits_that_do_not_depend_on_each_other_give_the_exact_expectation() -> None:
    tokenizer = tiny.make_tokenizer()
    line, ids, layout = reply(tokenizer, (0.42, 0.5, 0.05))
    logits = random_logits(len(ids), tokenizer)
    logits[:, tokenizer.convert_tokens_to_ids("1")] = -40
    tenths = [tokenizer.convert_tokens_to_ids(digit) for digit in "0123456789"]
    implied = implied_numbers(logits, [0], [layout])[0].tolist()
    for axis, name in enumerate("vad"):
        at = line.index(f'"{name}":') + 4
        first, second = (logits[at + place, tenths].softmax(0) @ torch.arange(10.0) for place in (2, 3))
        assert implied[axis] == pytest.approx(float(first) / 10 + float(second) / 100, abs=1e-6)


@SPELLINGS
@pytest.mark.parametrize("vad", [(0.42, 1.0, 0.05), (0.0, 0.99, 0.5)])
def test_certainty_implies_the_record(merges: Any, vad: tuple[float, float, float]) -> None:
    tokenizer = tiny.make_tokenizer(merges=merges)
    _, ids, layout = reply(tokenizer, vad)
    logits = torch.full((len(ids), len(tokenizer)), -50.0)
    logits[range(len(ids)), ids] = 50.0
    assert implied_numbers(logits, [0], [layout])[0].tolist() == pytest.approx(vad)


def test_replies_do_not_mix() -> None:
    tokenizer = tiny.make_tokenizer(merges=POINT)
    parts = [reply(tokenizer, vad) for vad in ((0.1, 0.2, 0.3), (1.0, 0.8, 0.7))]
    starts, layouts = [0, len(parts[0][1])], [layout for _, _, layout in parts]
    logits = random_logits(sum(len(ids) for _, ids, _ in parts), tokenizer)
    together = implied_numbers(logits, starts, layouts)
    for row, (start, layout) in enumerate(zip(starts, layouts, strict=True)):
        assert torch.allclose(together[row], implied_numbers(logits, [start], [layout])[0])


@SPELLINGS
def test_number_gradients_are_finite_differences(merges: Any) -> None:
    tokenizer = tiny.make_tokenizer(merges=merges)
    _, ids, layout = reply(tokenizer, (0.42, 0.5, 0.05))
    read = sorted({token for number in layout.numbers for token in number.ids})
    base = random_logits(len(ids), tokenizer)

    def loss(values: torch.Tensor) -> torch.Tensor:
        logits = base.index_copy(1, torch.tensor(read), values)
        numbers = implied_numbers(logits, [0], [layout])
        none = torch.zeros(1)
        return preserving_loss(numbers, numbers, none, torch.tensor([[0.9, 0.1, 0.3]]), torch.tensor([0.7]))

    assert torch.autograd.gradcheck(loss, (base[:, read].clone().requires_grad_(),), atol=1e-6)


def word_case(vad: tuple[float, float, float] = (0.5, 0.5, 0.5)) -> tuple[Any, WordTable, list[int], Layout]:
    tokenizer = tiny.make_tokenizer(merges=WORDS)
    _, ids, layout = reply(tokenizer, vad, "it: oh sad, joyous")
    return tokenizer, WordTable(Vocabulary(tokenizer), VALUES, CPU), ids, layout


def test_soft_words_are_the_mean_value_under_the_model() -> None:
    tokenizer, table, ids, layout = word_case()
    logits = random_logits(len(ids), tokenizer)
    implied, counts = table.implied(logits, [0], [layout], [ids])
    bare, spaced = ("joy", "oh", "sad", "it"), ("oh", "sad")
    means = []
    for word in ("joy", "it", " oh", " sad"):
        step = next(s for s in range(len(ids)) if tokenizer.decode([ids[s]]) == word)
        rivals = spaced if word.startswith(" ") else bare
        prefix = "Ġ" if word.startswith(" ") else ""
        tokens = [tokenizer.convert_tokens_to_ids(prefix + rival) for rival in rivals]
        weights = logits[step, tokens].softmax(0).numpy()
        means.append(np.average([VALUES[rival] for rival in rivals], axis=0, weights=weights))
    assert counts.tolist() == [4]
    assert implied[0].tolist() == pytest.approx(np.mean(means, axis=0).tolist())


def test_a_reply_without_known_words_asks_for_nothing() -> None:
    tokenizer = tiny.make_tokenizer()
    _, ids, layout = reply(tokenizer, (0.5, 0.5, 0.5))
    table = WordTable(Vocabulary(tokenizer), VALUES, CPU)
    logits = random_logits(len(ids), tokenizer).requires_grad_()
    implied, counts = table.implied(logits, [0], [layout], [ids])
    assert (implied.tolist(), counts.tolist()) == ([[0.5] * 3], [0])
    target = torch.tensor([[0.2, 0.4, 0.6]])
    assert float(preserving_loss(target, implied, counts, target, torch.ones(1))) < 1e-3


def test_word_gradients_are_finite_differences() -> None:
    tokenizer, table, ids, layout = word_case()
    read = [t for t, text in Vocabulary(tokenizer).texts.items() if text.strip() in VALUES]
    base = random_logits(len(ids), tokenizer)

    def loss(values: torch.Tensor) -> torch.Tensor:
        logits = base.index_copy(1, torch.tensor(read), values)
        implied, counts = table.implied(logits, [0], [layout], [ids])
        target = torch.tensor([[0.9, 0.1, 0.3]])
        return preserving_loss(target, implied, counts, target, torch.tensor([0.7]))

    assert torch.autograd.gradcheck(loss, (base[:, read].clone().requires_grad_(),), atol=1e-6)


def test_weight_and_distance() -> None:
    target = torch.tensor([[0.2, 0.4, 0.6], [0.5, 0.5, 0.5]])
    numbers = target + torch.tensor([[0.3, 0.0, 0.4], [0.0, 0.1, 0.0]])
    words = target + torch.tensor([[0.0, 0.2, 0.0], [0.9, 0.0, 0.0]])
    loss = preserving_loss(numbers, words, torch.tensor([2.0, 0.0]), target, torch.tensor([0.5, 1.0]))
    assert float(loss) == pytest.approx(0.5 * (0.5 + 0.2) + 0.1, abs=1e-5)


def test_optimised_alone_the_numbers_reach_the_target() -> None:
    tokenizer = tiny.make_tokenizer()
    _, ids, layout = reply(tokenizer, (0.42, 0.5, 0.05))
    logits = random_logits(len(ids), tokenizer).requires_grad_()
    target = torch.tensor([[0.42, 0.5, 0.05]])
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(300):
        numbers = implied_numbers(logits, [0], [layout])
        loss = preserving_loss(numbers, numbers, torch.zeros(1), target, torch.ones(1))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float(loss.detach()) < 0.01
