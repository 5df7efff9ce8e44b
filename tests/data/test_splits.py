from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emoloom.contract.record import Record
from emoloom.data.splits import Draft, normalise

TEXTS = st.lists(st.sampled_from(["Yes", "yes ", "no", "No\t", "may be", "may  BE", "x", "", "  "]), max_size=12)


def _draft(texts: list[str]) -> Draft:
    draft = Draft()
    for i, text in enumerate(texts):
        draft.keep(Record(id=f"r{i}", text=text, corpus="c", split="s"))
    return draft


def test_normalised_texts_differ_in_neither_case_nor_spacing() -> None:
    assert normalise("  Well,\tI  NEVER\n") == "well, i never"
    assert normalise("can't") != normalise("cant")


@given(TEXTS, TEXTS, TEXTS)
def test_rows_of_other_splits_are_dropped_as_a_loop_over_all_pairs_would(
    train: list[str], dev: list[str], test: list[str]
) -> None:
    kept: list[str] = []
    dropped = {"also_in_dev": 0, "also_in_test": 0, "empty_text": 0}
    for text in train:
        words = text.lower().split()
        if not words:
            dropped["empty_text"] += 1
        elif any(other.lower().split() == words for other in dev):
            dropped["also_in_dev"] += 1
        elif any(other.lower().split() == words for other in test):
            dropped["also_in_test"] += 1
        else:
            kept.append(text)

    draft = _draft(train).without({"also_in_dev": _draft(dev), "also_in_test": _draft(test)})
    split = draft.finish("c", "train", sha256="0", source="here")

    assert [record.text for record in split.records] == kept
    assert split.report.dropped == {reason: n for reason, n in dropped.items() if n}
    assert split.report.rows_read == len(train)
    assert split.report.rows_kept == len(kept)


def test_a_key_takes_the_place_of_the_text() -> None:
    left, right = Draft(), Draft()
    left.keep(Record(id="a", text="Hello.", corpus="c", split="s"), key="dialogue 1")
    right.keep(Record(id="b", text="Hello.", corpus="c", split="s"), key="dialogue 2")
    assert len(left.without({"seen": right}).records) == 1
    right.keep(Record(id="c", text="Bye.", corpus="c", split="s"), key="dialogue 1")
    assert left.without({"seen": right}).dropped == {"seen": 1}
