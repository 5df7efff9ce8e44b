"""The VAD-preserving constraint against enumeration of all numbers and against finite differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tests import tiny
from tests.model.test_layout import DIGITS, POINT, TWO_DIGITS, WHOLE, merging

from emoloom.contract.record import make_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.model.layout import Layout, lay_out
from emoloom.model.prompts import Prompter
from emoloom.model.vocabulary import NUMBERS, Vocabulary
from emoloom.train.preserve import Words, expected_misses, preserving_loss

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


Ways = dict[int, tuple[float, list[float]]]


def steps_of(logits: torch.Tensor, tokenizer: Any, line: str, ids: list[int], name: str) -> Iterator[tuple[int, Ways]]:
    """For each token of an axis's number the token, and the tokens that may stand there: share and numbers then open; from the
    texts alone."""
    texts = Vocabulary(tokenizer).texts
    begin = line.index(f'"{name}":') + 4
    for step in range(len(ids)):
        start, stop = (len(tokenizer.decode(ids[:end])) for end in (step, step + 1))
        if begin <= start < begin + 4:
            assert stop <= begin + 4
            beginnings = {t: line[begin:start] + text for t, text in texts.items()}
            rivals = {t: [float(n) for n in NUMBERS if n.startswith(x)] for t, x in beginnings.items()}
            rivals = {t: numbers for t, numbers in rivals.items() if numbers}
            shares = logits[step, list(rivals)].softmax(0).tolist()
            ways = {t: (share, open_) for share, (t, open_) in zip(shares, rivals.items(), strict=True)}
            yield ids[step], ways


def looped(logits: torch.Tensor, tokenizer: Any, line: str, ids: list[int], vad: tuple[float, float, float]) -> float:
    """The expected miss, token by token and candidate by candidate."""
    total = 0.0
    for v, name in zip(vad, "vad", strict=True):
        reached = 1.0
        for own, ways in steps_of(logits, tokenizer, line, ids, name):
            total += sum(reached * p * abs(float(np.mean(numbers)) - v) for t, (p, numbers) in ways.items() if t != own)
            reached *= ways[own][0]
        total += reached * abs(float(line[line.index(f'"{name}":') + 4 :][:4]) - v)
    return total


def enumerated(
    logits: torch.Tensor, tokenizer: Any, line: str, ids: list[int], vad: tuple[float, float, float]
) -> float:
    """The expected distance over all 101 numbers; those open behind a token that the record lacks are alike likely."""
    total = 0.0
    for v, name in zip(vad, "vad", strict=True):
        chances = dict.fromkeys(map(float, NUMBERS), 0.0)
        reached = 1.0
        for own, ways in steps_of(logits, tokenizer, line, ids, name):
            for token, (share, numbers) in ways.items():
                for number in numbers if token != own else ():
                    chances[number] += reached * share / len(numbers)
            reached *= ways[own][0]
        chances[float(line[line.index(f'"{name}":') + 4 :][:4])] += reached
        assert sum(chances.values()) == pytest.approx(1)
        total += sum(chance * abs(number - v) for number, chance in chances.items())
    return total


@SPELLINGS
@pytest.mark.parametrize("vad", [(0.42, 0.5, 0.05), (0.0, 0.99, 0.31), (1.0, 0.07, 0.7)])
def test_misses_are_those_of_the_loop(merges: Any, vad: tuple[float, float, float]) -> None:
    tokenizer = merging(merges)
    line, ids, layout = reply(tokenizer, vad)
    logits = random_logits(len(ids), tokenizer)
    target = (vad[0] * 0.9 + 0.01, vad[1], vad[2])
    found = float(expected_misses(logits, [0], [layout], torch.tensor([target])))
    assert found == pytest.approx(looped(logits, tokenizer, line, ids, target))


def test_one_token_a_number_is_the_expected_distance() -> None:
    tokenizer = merging(WHOLE)
    line, ids, layout = reply(tokenizer, (0.42, 0.5, 0.05))
    logits = random_logits(len(ids), tokenizer)
    texts = Vocabulary(tokenizer).texts
    whole = [token for token, text in texts.items() if len(text) == 4 and text in NUMBERS]
    others = [token for token in range(len(tokenizer)) if token not in whole]
    logits[:, others] = -40
    expected = 0.0
    for target, name in zip((0.42, 0.5, 0.05), "vad", strict=True):
        row = len(tokenizer.encode(line[: line.index(f'"{name}":') + 4]))
        misses = [abs(float(texts[token]) - target) for token in whole]
        expected += float(np.average(misses, weights=logits[row, whole].softmax(0).numpy()))
    found = expected_misses(logits, [0], [layout], torch.tensor([[0.42, 0.5, 0.05]]))
    assert float(found) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("vad", [(0.42, 0.5, 0.05), (0.8, 0.99, 0.76), (1.0, 0.0, 0.7)])
def test_digit_by_digit_misses_are_the_expected_distance_over_all_numbers(vad: tuple[float, float, float]) -> None:
    # Where tokens overlap ("0" and "0."), numbers on both sides of the target may be open behind a wrong one.
    tokenizer = merging(DIGITS)
    line, ids, layout = reply(tokenizer, vad)
    logits = random_logits(len(ids), tokenizer)
    found = float(expected_misses(logits, [0], [layout], torch.tensor([vad])))
    assert found == pytest.approx(enumerated(logits, tokenizer, line, ids, vad))


@SPELLINGS
@pytest.mark.parametrize("vad", [(0.42, 1.0, 0.05), (0.0, 0.99, 0.5), (0.8, 0.76, 0.75)])
def test_who_is_sure_of_the_record_misses_by_nothing_and_every_other_token_costs(
    merges: Any, vad: tuple[float, float, float]
) -> None:
    tokenizer = merging(merges)
    _, ids, layout = reply(tokenizer, vad)
    logits = torch.full((len(ids), len(tokenizer)), -50.0)
    logits[range(len(ids)), ids] = 50.0
    target = torch.tensor([vad])
    assert float(expected_misses(logits, [0], [layout], target)) == pytest.approx(0, abs=1e-12)
    for number in layout.numbers:
        for token, value in zip(number.ids, number.values, strict=True):
            if token != ids[number.step]:
                turned = logits.clone()
                turned[number.step, ids[number.step]], turned[number.step, token] = -50.0, 50.0
                missed = float(expected_misses(turned, [0], [layout], target))
                assert missed == pytest.approx(abs(value - vad[number.axis]))


def test_replies_do_not_mix() -> None:
    tokenizer = merging(POINT)
    vads = ((0.1, 0.2, 0.3), (1.0, 0.8, 0.7))
    parts = [reply(tokenizer, vad) for vad in vads]
    starts, layouts = [0, len(parts[0][1])], [layout for _, _, layout in parts]
    logits = random_logits(sum(len(ids) for _, ids, _ in parts), tokenizer)
    together = expected_misses(logits, starts, layouts, torch.tensor(vads))
    for row, (start, layout) in enumerate(zip(starts, layouts, strict=True)):
        assert torch.allclose(together[row], expected_misses(logits, [start], [layout], torch.tensor([vads[row]])))


@SPELLINGS
def test_number_gradients_are_finite_differences(merges: Any) -> None:
    tokenizer = merging(merges)
    _, ids, layout = reply(tokenizer, (0.42, 0.5, 0.05))
    read = sorted({token for number in layout.numbers for token in number.ids})
    base = random_logits(len(ids), tokenizer)

    def misses(values: torch.Tensor) -> torch.Tensor:
        logits = base.index_copy(1, torch.tensor(read), values)
        return expected_misses(logits, [0], [layout], torch.tensor([[0.9, 0.1, 0.3]]))

    assert torch.autograd.gradcheck(misses, (base[:, read].clone().requires_grad_(),), atol=1e-6)


ANCHORS = [(0.1, 0.2, 0.3), (0.9, 0.8, 0.7)]
LABELS = torch.tensor([[0.25, 0.75]], dtype=torch.float64)
TARGET = torch.tensor([[0.3, 0.5, 0.6]], dtype=torch.float64)


def word_case() -> tuple[Any, Words, list[int], Layout]:
    tokenizer = tiny.make_tokenizer(merges=WORDS)
    _, ids, layout = reply(tokenizer, (0.5, 0.5, 0.5), "it: oh sad, joyous")
    return tokenizer, Words(Vocabulary(tokenizer), VALUES, ANCHORS, CPU), ids, layout


def apart(a: Sequence[float], b: Sequence[float]) -> float:
    return float(np.linalg.norm(np.array(a) - np.array(b)))


def label_miss() -> float:
    return float(np.average([apart(anchor, TARGET[0].tolist()) for anchor in ANCHORS], weights=LABELS[0].numpy()))


def test_word_misses_are_those_of_the_loop() -> None:
    tokenizer, words, ids, layout = word_case()
    logits = random_logits(len(ids), tokenizer)
    found = words.expected_misses(logits, [0], [layout], [ids], LABELS, TARGET)
    misses = [label_miss()]
    for word in ("it", " oh", " sad"):
        # The last: the label is a word, too.
        step = max(s for s in range(len(ids)) if tokenizer.decode([ids[s]]) == word)
        rivals = ("oh", "sad") if word.startswith(" ") else ("joy", "oh", "sad", "it")
        prefix = "Ġ" if word.startswith(" ") else ""
        shares = logits[step, [tokenizer.convert_tokens_to_ids(prefix + rival) for rival in rivals]].softmax(0)
        pairs = zip(shares.tolist(), rivals, strict=True)
        misses.append(sum(share * apart(VALUES[rival], VALUES[word.strip()]) for share, rival in pairs))
    assert found.tolist() == pytest.approx([np.mean(misses)], abs=1e-3)


def test_nothing_is_gained_by_words_that_no_lexicon_knows() -> None:
    tokenizer, words, ids, layout = word_case()
    logits = random_logits(len(ids), tokenizer)
    read = [t for t, text in Vocabulary(tokenizer).texts.items() if text.strip() in VALUES]
    unknown = logits + 5.0
    unknown[:, read] = logits[:, read]
    before, after = (words.expected_misses(x, [0], [layout], [ids], LABELS, TARGET) for x in (logits, unknown))
    assert torch.allclose(before, after)


def test_a_reply_without_known_words_has_its_label() -> None:
    tokenizer = tiny.make_tokenizer()
    _, ids, layout = reply(tokenizer, (0.5, 0.5, 0.5))
    words = Words(Vocabulary(tokenizer), VALUES, ANCHORS, CPU)
    found = words.expected_misses(random_logits(len(ids), tokenizer), [0], [layout], [ids], LABELS, TARGET)
    assert found.tolist() == pytest.approx([label_miss()], abs=1e-3)


def test_word_gradients_are_finite_differences() -> None:
    tokenizer, words, ids, layout = word_case()
    read = [t for t, text in Vocabulary(tokenizer).texts.items() if text.strip() in VALUES]
    base = random_logits(len(ids), tokenizer)

    def loss(values: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        logits = base.index_copy(1, torch.tensor(read), values)
        misses = words.expected_misses(logits, [0], [layout], [ids], labels.softmax(-1), TARGET)
        return preserving_loss(torch.zeros(1), misses, torch.tensor([0.7]))

    inputs = (base[:, read].clone().requires_grad_(), torch.tensor([[0.1, 0.4]]).requires_grad_())
    assert torch.autograd.gradcheck(loss, inputs, atol=1e-6)


def test_each_example_has_its_weight() -> None:
    loss = preserving_loss(torch.tensor([0.1, 0.4]), torch.tensor([0.2, 0.5]), torch.tensor([0.5, 1.0]))
    assert float(loss) == pytest.approx(0.5 * (0.1 + 0.2) + (0.4 + 0.5))


@pytest.mark.parametrize(
    ("vad", "wanted", "written"),
    # The first digit, the tenth and the hundredth of each axis; the tenth of 0.50 is 5, and 3 is then nearest to 0.53.
    [
        ((0.42, 0.5, 0.05), (0.42, 0.53, 0.05), "042" + "053" + "005"),
        ((0.8, 0.9, 1.0), (0.8, 0.9, 1.0), "080" + "090" + "1"),
        ((0.76, 0.84, 0.0), (0.76, 0.84, 0.0), "076" + "084" + "000"),
    ],
)
def test_optimised_alone_the_model_writes_the_nearest_digits(vad: Any, wanted: Any, written: str) -> None:
    tokenizer = tiny.make_tokenizer()
    _, ids, layout = reply(tokenizer, vad)
    logits = random_logits(len(ids), tokenizer)
    # Who knows nothing yet comes closest to 0.9 by 1.00.
    logits[range(len(ids)), ids] += 3
    logits.requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        expected_misses(logits, [0], [layout], torch.tensor([wanted])).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found = ""
    for number in layout.numbers:
        best = int(logits[number.step, list(number.ids)].argmax())
        found += tokenizer.decode([number.ids[best]])
    assert found == written


def test_optimised_alone_the_words_come_to_mean_what_they_should() -> None:
    tokenizer, words, ids, layout = word_case()
    logits, labels = random_logits(len(ids), tokenizer).requires_grad_(), torch.zeros(1, 2).requires_grad_()
    optimizer = torch.optim.Adam([logits, labels], lr=0.1)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        misses = words.expected_misses(logits, [0], [layout], [ids], labels.softmax(-1), TARGET)
        misses.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(misses.detach()))
    nearest = min(apart(anchor, TARGET[0].tolist()) for anchor in ANCHORS)
    # Of the four places the three words can be met; of the label only the nearer anchor.
    assert losses[-1] == pytest.approx(nearest / 4, abs=0.01)
    assert losses[-1] < 0.5 * losses[0]
