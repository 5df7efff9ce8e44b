"""Records as examples."""

from __future__ import annotations

import pytest
from tests import tiny

from emoloom.contract.record import Appraisal, Record, Vad
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import EmoLoomError
from emoloom.train.collate import examples

RECORD = Record(
    id="r7", text="so proud of her", labels=("pride", "joy"), vad=Vad(v=0.876, a=0.5, d=0.715),
    rationale="pride: so proud", corpus="c", split="train",
)  # fmt: skip


def test_example_is_the_prompt_and_the_reply_of_a_record() -> None:
    prompter = tiny.make_prompter()
    (made,) = examples([RECORD], prompter)
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
        examples([RECORD.model_copy(update=change)], tiny.make_prompter())


def test_example_keeps_what_the_terms_ask_for() -> None:
    atoms = Appraisal(goal_attainment=0.9, controllability=0.8, certainty=0.7, fairness=0.6)
    read = RECORD.model_copy(update={"vad_weight": 0.4, "appraisal": atoms})
    common = RECORD.model_copy(update={"id": "r8", "labels": ("joy",)})
    first, second = examples([read, common], tiny.make_prompter())
    assert [GOEMOTIONS.labels[i] for i in first.labels] == ["pride", "joy"]
    assert (first.vad, first.vad_weight, first.atoms) == ((0.876, 0.5, 0.715), 0.4, (0.9, 0.8, 0.7, 0.6))
    assert (second.vad_weight, second.atoms) == (1.0, None)
    # By the rarest label.
    assert (first.source, second.source) == ("c/pride", "c/joy")


def test_a_long_text_makes_room_for_the_whole_reply() -> None:
    prompter = tiny.make_prompter()
    long = RECORD.model_copy(update={"text": "so proud of her " * 100})
    (made,) = examples([long], prompter)
    assert len(made.reply) > 64
    assert 1024 - 16 < len(prompter.prefix) + len(made) <= 1024
