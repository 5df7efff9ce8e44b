"""Records as examples, and the order of an epoch."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import tiny

from emoloom.contract.record import Record, Vad
from emoloom.errors import EmoLoomError
from emoloom.train.collate import batches, example

RECORD = Record(
    id="r7", text="so proud of her", labels=("pride", "joy"), vad=Vad(v=0.876, a=0.5, d=0.715),
    rationale="pride: so proud", corpus="c", split="train",
)  # fmt: skip

lengths = st.lists(st.integers(1, 300), max_size=120)
sizes = st.integers(1, 9)
seeds = st.integers(0, 2**32 - 1)


def test_example_is_the_prompt_and_the_reply_of_a_record() -> None:
    prompter = tiny.make_prompter()
    made = example(RECORD, prompter)
    assert made.record_id == "r7"
    assert made.prompt == prompter.encode(tiny.ask("so proud of her")).own
    assert made.reply[-1] == prompter.eos
    assert prompter.decode(list(made.reply[:-1])) == (
        '{"labels":["joy","pride"],"vad":{"v":0.88,"a":0.50,"d":0.72},"rationale":"pride: so proud"}'
    )
    assert len(made) == len(made.prompt) + len(made.reply)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ()}, "c: record r7 has no labels to learn from"),
        ({"vad": None}, "c: record r7 has no VAD to learn from"),
        ({"labels": (), "vad": None}, "record r7 has no labels"),
        ({"labels": ("joy", "prode")}, "prode.*pride"),
    ],
)
def test_record_that_teaches_nothing_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(EmoLoomError, match=message):
        example(RECORD.model_copy(update=change), tiny.make_prompter())


@given(lengths, sizes, seeds, st.integers(0, 5))
def test_every_example_occurs_once(lengths: list[int], size: int, seed: int, epoch: int) -> None:
    formed = batches(lengths, size, seed, epoch)
    assert sorted(index for batch in formed for index in batch) == list(range(len(lengths)))
    assert len(formed) == math.ceil(len(lengths) / size)
    assert all(1 <= len(batch) <= size for batch in formed)


@given(lengths, sizes, seeds, st.integers(0, 5))
def test_the_order_depends_on_the_arguments_alone(lengths: list[int], size: int, seed: int, epoch: int) -> None:
    first = batches(lengths, size, seed, epoch)
    before = json.dumps(np.random.get_state(legacy=False), default=np.ndarray.tolist)
    np.random.default_rng().random()
    assert batches(tuple(lengths), size, seed, epoch) == first
    assert json.dumps(np.random.get_state(legacy=False), default=np.ndarray.tolist) == before


@given(st.lists(st.integers(1, 300), min_size=1, max_size=16), st.integers(1, 4), seeds)
def test_a_batch_holds_alike_lengths(lengths: list[int], size: int, seed: int) -> None:
    # So few records are one bucket: its batches cut the sorted lengths into pieces.
    pieces = [sorted(lengths[index] for index in batch) for batch in batches(lengths, size, seed, 0)]
    assert [length for piece in sorted(pieces) for length in piece] == sorted(lengths)


def test_many_records_are_padded_little_and_yet_mixed() -> None:
    lengths = np.random.default_rng(0).integers(10, 200, 4000).tolist()
    formed = batches(lengths, 8, 0, 0)
    spread = np.mean([max(lengths[i] for i in batch) - min(lengths[i] for i in batch) for batch in formed])
    assert spread < 20
    # The order of the records does not show.
    assert abs(np.corrcoef([i for batch in formed for i in batch], np.arange(4000))[0, 1]) < 0.1


def test_short_batches_do_not_come_first() -> None:
    firsts = [batch[0] for batch in batches(range(1, 129), 8, 0, 0)]
    assert sorted(firsts) == list(range(0, 128, 8))
    assert abs(np.corrcoef(firsts, np.arange(16))[0, 1]) < 0.5


def test_seeds_and_epochs_give_other_orders() -> None:
    orders = [batches(range(1, 200), 8, seed, epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert len({json.dumps(order) for order in orders}) == 4
    assert len({json.dumps(sorted(map(sorted, order))) for order in orders}) == 4
