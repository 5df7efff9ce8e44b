"""The order of training examples: epochs against counting, the mixture against its formula."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoloom.mixture.sampler import WINDOW, Epochs, Mixture, probabilities

lengths = st.lists(st.integers(1, 300), min_size=1, max_size=120)
sizes = st.integers(1, 9)
seeds = st.integers(0, 2**32 - 1)


def epoch(lengths: Sequence[int], size: int, seed: int, number: int) -> list[list[int]]:
    """The batches of one epoch."""
    steps = math.ceil(len(lengths) / size)
    order = Epochs(lengths, size, len(lengths) * (number + 1), seed)
    assert len(order) == steps * (number + 1)
    return [order.batch(step) for step in range(steps * number, steps * (number + 1))]


@given(lengths, sizes, seeds, st.integers(0, 5))
def test_every_example_occurs_once(lengths: list[int], size: int, seed: int, number: int) -> None:
    formed = epoch(lengths, size, seed, number)
    assert sorted(index for batch in formed for index in batch) == list(range(len(lengths)))
    assert len(formed) == math.ceil(len(lengths) / size)
    assert all(1 <= len(batch) <= size for batch in formed)


@given(lengths, sizes, seeds, st.integers(0, 5))
def test_the_order_depends_on_the_arguments_alone(lengths: list[int], size: int, seed: int, number: int) -> None:
    first = epoch(lengths, size, seed, number)
    before = json.dumps(np.random.get_state(legacy=False), default=np.ndarray.tolist)
    np.random.default_rng().random()
    assert epoch(tuple(lengths), size, seed, number) == first
    assert json.dumps(np.random.get_state(legacy=False), default=np.ndarray.tolist) == before


@given(st.lists(st.integers(1, 300), min_size=1, max_size=16), st.integers(1, 4), seeds)
def test_a_batch_holds_alike_lengths(lengths: list[int], size: int, seed: int) -> None:
    # So few records are one bucket: its batches cut the sorted lengths into pieces.
    pieces = [sorted(lengths[index] for index in batch) for batch in epoch(lengths, size, seed, 0)]
    assert [length for piece in sorted(pieces) for length in piece] == sorted(lengths)


def test_many_records_are_padded_little_and_yet_mixed() -> None:
    lengths = np.random.default_rng(0).integers(10, 200, 4000).tolist()
    formed = epoch(lengths, 8, 0, 0)
    spread = np.mean([max(lengths[i] for i in batch) - min(lengths[i] for i in batch) for batch in formed])
    assert spread < 20
    # The order of the records does not show.
    assert abs(np.corrcoef([i for batch in formed for i in batch], np.arange(4000))[0, 1]) < 0.1


def test_short_batches_do_not_come_first() -> None:
    firsts = [batch[0] for batch in epoch(range(1, 129), 8, 0, 0)]
    assert sorted(firsts) == list(range(0, 128, 8))
    assert abs(np.corrcoef(firsts, np.arange(16))[0, 1]) < 0.5


def test_a_batch_may_be_asked_for_again() -> None:
    once, twice = mixture(0), mixture(0)
    for step in range(3 * WINDOW):
        assert twice.batch(step) == twice.batch(step) == once.batch(step)
    assert twice.state() == once.state()


def test_seeds_and_epochs_give_other_orders() -> None:
    orders = [epoch(range(1, 200), 8, seed, number) for seed, number in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert len({json.dumps(order) for order in orders}) == 4
    assert len({json.dumps(sorted(map(sorted, order))) for order in orders}) == 4


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 100), seeds)
def test_as_many_examples_are_seen_as_are_asked_for(n: int, size: int, total: int, seed: int) -> None:
    epochs = Epochs([1] * n, size, total, seed)
    drawn = Mixture(["a/x"] * n, [1] * n, size, total, seed, t_min=1.0, t_max=2.0, ignorance=1.0)
    for order in (epochs, drawn):
        seen = [index for step in range(len(order)) for index in order.batch(step)]
        assert len(seen) == total
        counts = Counter(seen)
        assert max(counts.values()) - min([counts[i] for i in range(n)]) <= 1


SOURCES = ["a/x"] * 30 + ["a/y"] * 5 + ["b/x"] * 2


def mixture(seed: int = 0, *, t_min: float = 1.0, t_max: float = 5.0) -> Mixture:
    return Mixture(SOURCES, [7] * len(SOURCES), 4, 10**6, seed, t_min=t_min, t_max=t_max, ignorance=3.0)


@given(st.dictionaries(st.text(), st.integers(1, 10**6), min_size=1, max_size=9), st.floats(1, 100))
def test_probabilities_follow_the_formula(sizes: dict[str, int], temperature: float) -> None:
    found = probabilities(sizes, temperature)
    assert sum(found.values()) == pytest.approx(1)
    for one in sizes:
        for other in sizes:
            ratio = math.exp((math.log(sizes[one]) - math.log(sizes[other])) / temperature)
            assert found[one] / found[other] == pytest.approx(ratio)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 50.0])
def test_sources_are_drawn_in_their_shares(temperature: float) -> None:
    drawn = mixture(t_min=temperature, t_max=temperature)
    seen = Counter(SOURCES[i] for step in range(2000) for i in drawn.batch(step))
    for source, share in probabilities(Counter(SOURCES), temperature).items():
        deviation = math.sqrt(share * (1 - share) / 8000)
        assert abs(seen[source] / 8000 - share) < 5 * deviation


def test_a_source_is_gone_through_before_it_comes_again() -> None:
    drawn = mixture(t_min=100, t_max=100)
    seen = [i for step in range(20 * WINDOW) for i in drawn.batch(step)]
    for source in set(SOURCES):
        counts = Counter(i for i in seen if SOURCES[i] == source)
        assert len(counts) == SOURCES.count(source)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_the_temperature_follows_the_running_mean_entropy() -> None:
    drawn = mixture()
    running = 3.0
    for step, entropy in enumerate([3.0] * WINDOW + [1.0] * WINDOW + [4.0] * 5 * WINDOW):
        drawn.batch(step)
        if step % WINDOW == 0:
            assert drawn.log[-1].temperature == pytest.approx(1 + 4 * min(1.0, running / 3.0))
            assert drawn.log[-1].entropy == pytest.approx(running)
        drawn.observe(entropy)
        running = 0.9 * running + 0.1 * entropy


def test_shares_are_those_drawn() -> None:
    drawn = mixture()
    seen = Counter(SOURCES[i][0] for step in range(WINDOW) for i in drawn.batch(step))
    assert drawn.log[0].shares == {group: seen[group] / (4 * WINDOW) for group in sorted(seen)}


@given(seeds, st.integers(0, 3 * WINDOW))
def test_a_restored_mixture_goes_on_alike(seed: int, stop: int) -> None:
    whole, first, second = mixture(seed), mixture(seed), mixture(seed)
    expected = []
    for step in range(4 * WINDOW):
        expected.append(whole.batch(step))
        whole.observe(3.0 / (step + 1))
    found = []
    for step in range(stop):
        found.append(first.batch(step))
        first.observe(3.0 / (step + 1))
    second.restore(json.loads(json.dumps(first.state())))
    for step in range(stop, 4 * WINDOW):
        found.append(second.batch(step))
        second.observe(3.0 / (step + 1))
    assert found == expected
    assert second.log == whole.log


def test_seeds_give_other_draws() -> None:
    assert mixture(0).batch(0) != mixture(1).batch(0)
