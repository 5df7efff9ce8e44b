"""Replies shown with wrong labels: what is shown, what is learnt, and what is left alone."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests import tiny
from torch.nn.functional import cross_entropy

from emoloom.contract.record import make_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.train.collate import MASKED, Example
from emoloom.train.mislead import mislead

MERGES = [(), (("j", "o"), ("jo", "y"), ("0", "."), ("5", "0"), ('"', "j"))]
PROMPTERS = [tiny.make_prompter(merges=merges) for merges in MERGES]


def example(labels: tuple[int, ...], vad: tuple[float, float, float], which: int) -> Example:
    line = make_reply((GOEMOTIONS.labels[i] for i in labels), vad, "some words", GOEMOTIONS).line()
    reply = tuple(PROMPTERS[which].encode_reply(line))
    return Example("r", (5,), reply, reply, line, labels, vad)


LABELS = st.lists(st.integers(0, 27), min_size=1, max_size=3, unique=True).map(lambda ids: tuple(sorted(ids)))
NUMBER = st.integers(0, 100).map(lambda n: n / 100)


@given(
    st.lists(st.tuples(LABELS, st.tuples(NUMBER, NUMBER, NUMBER)), min_size=2, max_size=6),
    st.integers(0, 1),
    st.integers(0, 9),
)
def test_wrong_labels_are_shown_and_the_records_own_first_label_and_numbers_learnt(
    rows: list[tuple[tuple[int, ...], tuple[float, float, float]]], which: int, seed: int
) -> None:
    prompter = PROMPTERS[which]
    pool = [example(labels, vad, which) for labels, vad in rows]
    for before, after in zip(pool, mislead(pool, prompter, 0.7, seed), strict=True):
        if after is before:
            continue
        shown, told = json.loads(after.line), json.loads(before.line)
        assert prompter.decode(list(after.reply)) == after.line
        assert not set(shown["labels"]) & set(told["labels"])
        assert shown["labels"] in [json.loads(each.line)["labels"] for each in pool]
        assert (shown["vad"], after.labels, after.vad) == (told["vad"], before.labels, before.vad)
        assert len(after.targets) == len(after.reply)
        place = next(step for step, (a, b) in enumerate(zip(after.reply, after.targets, strict=True)) if a != b)
        # Labels may begin alike; the first token that differs is the right label's or masked.
        assert after.targets[place] in (before.reply[place], MASKED)
        learnt = [token for token in after.targets if token != MASKED]
        written = prompter.decode(learnt)
        assert written.startswith('{"labels":["')
        v, a, d = (f"{told['vad'][axis]:.2f}" for axis in "vad")
        # After a 1 nothing is open any more.
        last = "1" if d == "1.00" else d
        assert f'{v},"a":{a},"d":{last}' in written.replace('"vad":{"v":', "")
        assert "words" not in written


def test_the_share_is_kept_and_the_draw_repeats() -> None:
    pool = [example((i % 28,), (0.5, 0.5, 0.5), 0) for i in range(400)]
    once, again = (mislead(pool, PROMPTERS[0], 0.3, 5) for _ in range(2))
    assert once == again
    assert sum(a is not b for a, b in zip(once, pool, strict=True)) == pytest.approx(0.3 * 400 * 27 / 28, abs=30)
    assert mislead(pool, PROMPTERS[0], 0.0, 5) == pool


def test_what_is_masked_has_no_say_in_the_loss() -> None:
    pool = [example((i,), (0.5, 0.25, 0.75), 0) for i in range(4)]
    misled = mislead(pool, PROMPTERS[0], 0.99, 0)
    shown = next(after for before, after in zip(pool, misled, strict=True) if after is not before)
    logits = torch.randn(len(shown.reply), tiny.VOCABULARY, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor(shown.targets)
    kept = targets != MASKED
    assert shown.learnt == int(kept.sum()) < len(shown.reply)
    assert float(cross_entropy(logits, targets, reduction="sum")) == pytest.approx(
        -float(logits.log_softmax(-1)[kept].gather(1, targets[kept][:, None]).sum()), rel=1e-5
    )
