"""Suggestions are replies that training data of the same labels would hold."""

from __future__ import annotations

import pytest

from emoloom.contract.parse import Parsed, parse_reply
from emoloom.contract.record import Record, Request, Vad
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.lexicon.teacher import Teacher
from emoloom.screen.readouts.suggest import Suggester


def record(*labels: str, v: float, source: str = "gold") -> Record:
    fields = {"id": "r", "text": "t", "labels": labels, "vad": Vad(v=v, a=0.5, d=0.25), "vad_source": source}
    return Record.model_validate({**fields, "corpus": "c", "split": "train"})


TRAIN = (record("joy", v=0.8), record("joy", "love", v=0.9), record("anger", v=0.1, source="blend"))


def test_labels_come_by_frequency_then_name() -> None:
    labels = Suggester(TRAIN, Teacher()).labels
    assert labels[:4] == ("joy", "anger", "love", "admiration")
    assert sorted(labels) == sorted(GOEMOTIONS.labels)


def test_gold_vad_is_the_mean_of_the_first_label_and_weak_vad_the_teachers() -> None:
    suggest = Suggester(TRAIN, Teacher()).for_request(Request(id="q", text="it came at last"))
    assert suggest(("joy",)) == (
        '{"labels":["joy"],"vad":{"v":0.85,"a":0.50,"d":0.25},"rationale":"delight: came at last"}'
    )
    weak = Teacher().complete(record("anger", v=0).model_copy(update={"vad": None})).vad
    assert weak
    assert f'"v":{weak.v:.2f}' in suggest(("anger",))


@pytest.mark.parametrize("text", ["", " ", "one", "\u2028 \x00", "a" * 500])
def test_every_suggestion_keeps_the_contract(text: str) -> None:
    suggest = Suggester(TRAIN, Teacher()).for_request(Request(id="q", text=text))
    for labels in (("joy",), ("joy", "anger"), ("neutral",)):
        outcome = parse_reply(suggest(labels), GOEMOTIONS)
        assert isinstance(outcome, Parsed)
        assert outcome.repairs == ()
        assert set(outcome.reply.labels) == set(labels)
