from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest

from emoloom.contract.record import Record
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.data.load import load
from emoloom.data.splits import SPLITS

REGISTERS = {"chat", "review", "diary", "dialogue", "sarcasm", "negation"}


@pytest.fixture(scope="module")
def splits() -> dict[str, tuple[Record, ...]]:
    return {split: load("starter", split).records for split in SPLITS}


@pytest.fixture(scope="module")
def records(splits: dict[str, tuple[Record, ...]]) -> list[Record]:
    return [record for split in SPLITS for record in splits[split]]


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower().replace("’", "'"))


def test_size_and_labels(splits: dict[str, tuple[Record, ...]], records: list[Record]) -> None:
    assert len(records) >= 1_120
    assert min(Counter(label for record in records for label in record.labels).values()) >= 40
    for split in SPLITS:
        assert {label for record in splits[split] for label in record.labels} == set(GOEMOTIONS.labels)
    assert all(record.labels == ("neutral",) for record in records if "neutral" in record.labels)


def test_every_record_is_complete(splits: dict[str, tuple[Record, ...]]) -> None:
    for split, records in splits.items():
        for record in records:
            assert record.labels == GOEMOTIONS.ordered(record.labels)
            assert (record.taxonomy, record.corpus, record.split) == ("goemotions", "starter", split)
            assert record.vad_source == "gold"
            assert record.vad is not None
            assert record.appraisal is not None
            for value in (*record.vad.triple, *record.appraisal.atoms):
                assert 0 <= value <= 1
                assert round(value, 2) == value


def test_registers_are_spread_evenly_over_the_splits(splits: dict[str, tuple[Record, ...]]) -> None:
    shares = {}
    for split, records in splits.items():
        registers = Counter(record.id.split("-")[1] for record in records)
        assert set(registers) == REGISTERS
        shares[split] = {register: n / len(records) for register, n in registers.items()}
    for register in REGISTERS:
        values = [shares[split][register] for split in SPLITS]
        assert max(values) - min(values) < 0.02


def test_cues_are_words_of_the_text(records: list[Record]) -> None:
    for record in records:
        [cue] = record.cues
        assert cue in record.text
        assert 1 <= len(cue.split()) <= 4
        assert not re.search(r'["\\:]|^,|,$', cue)


def test_ids_and_texts_occur_once(records: list[Record]) -> None:
    assert len({record.id for record in records}) == len(records)
    assert len({" ".join(_words(record.text)) for record in records}) == len(records)


def test_no_wording_is_repeated(records: list[Record]) -> None:
    utterances = defaultdict(set)
    for record in records:
        words = _words(record.text)
        for start in range(len(words) - 5):
            utterances[tuple(words[start : start + 6])].add(record.id)
    assert max(len(ids) for ids in utterances.values()) <= 3


def test_valence_has_the_sign_of_the_labels(records: list[Record]) -> None:
    for record in records:
        assert record.vad is not None
        if {"joy", "gratitude", "pride", "relief"}.issuperset(record.labels):
            assert record.vad.v > 0.55
        if {"anger", "disgust", "grief", "sadness", "remorse"}.issuperset(record.labels):
            assert record.vad.v < 0.4
