"""What tokens spell, in byte-level and SentencePiece vocabularies."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from tests import tiny

from emoloom.model.vocabulary import NUMBERS, Vocabulary, middle


class Pieces(SimpleNamespace):
    """A tokenizer of which only the vocabulary is asked."""

    all_special_ids = (0,)
    raw = ("<s>", "▁joy", "joy", "<0x37>", "<0xE2>", "▁", "0.", "né", None, "Ġ42", "\t")

    def __len__(self) -> int:
        return len(self.raw)

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str | None]:
        return [self.raw[i] for i in ids]


def test_spaces_and_bytes_are_read_as_what_they_stand_for() -> None:
    found = Vocabulary(Pieces())
    assert found.texts == {1: " joy", 2: "joy", 3: "7", 5: " ", 6: "0.", 9: " 42"}
    assert found.words == ((1, " joy"), (2, "joy"))


def test_numbers_go_on_from_what_is_written() -> None:
    found = Vocabulary(Pieces())
    assert found.numbers("", "", "") == {6: pytest.approx(0.495)}
    assert found.numbers("", "0.", "") == {3: pytest.approx(0.745)}
    assert found.numbers(" ", "0.", "") == {9: pytest.approx(0.42)}
    assert found.numbers("", "1.", "") == {}


@pytest.mark.parametrize("text", ['{"labels":["joy"]}', " 0.42", "a b"])
def test_byte_level_tokens_add_up_to_their_text(text: str) -> None:
    tokenizer = tiny.make_tokenizer(merges=[("0", "."), ("Ġ", "b")])
    texts = Vocabulary(tokenizer).texts
    assert "".join(texts[token] for token in tokenizer(text)["input_ids"]) == text


@pytest.mark.parametrize(("beginning", "mean"), [("", 0.5), ("0", 0.495), ("0.4", 0.445), ("1", 1.0), ("0.07", 0.07)])
def test_middle(beginning: str, mean: float) -> None:
    assert middle(beginning) == pytest.approx(mean)


def test_numbers_are_all_and_only_two_decimals() -> None:
    assert list(NUMBERS) == [f"0.{a}{b}" for a, b in itertools.product("0123456789", repeat=2)] + ["1.00"]
