"""What is remembered of finished replies, and what is forgotten."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from tests.decode.test_draft import PROMPTER, agreement, drafter, remembering, reply

from emoloom.decode.memory import Memory


def test_made_up_labels_do_not_fill_the_memory() -> None:
    memory = Memory()
    for i in range(2000):
        made_up = "".join(chr(ord("a") + int(digit)) for digit in str(i))
        line = reply(("joy",), 0.5).replace("joy", made_up)
        memory.add(line, [])
        memory.add_head(f'{{"labels":["{made_up}"]', line[:-12])
    assert not memory.knows(reply(("joy",), 0.5).replace("joy", "a"))
    assert memory.knows(line[:30])
    assert memory.glosses() == ["because"]
    assert sum(map(len, (memory._glosses, memory._heads))) <= 512
    assert memory.usual == ""


@given(st.lists(st.integers(80, 99), max_size=12), st.integers(0, 99), st.integers(0, 45))
def test_remembered_head_agrees_longest_and_is_commonest(known: list[int], written: int, length: int) -> None:
    memory = remembering(*(reply(("joy",), v / 100) for v in known), reply(("joy", "love"), 0.85))
    heads = Counter(reply(("joy",), v / 100)[: -len('because"}')] for v in known)
    so_far = reply(("joy",), written / 100)[:length]
    head = memory.head('{"labels":["joy"]', so_far)
    if not known:
        assert head is None
        return
    assert head is not None
    best = max((agreement(one, so_far), count) for one, count in heads.items())
    assert (agreement(head, so_far), heads[head]) == best


def test_memory_forgets_the_oldest() -> None:
    memory = remembering(*[reply(("joy",), 0.1)] * 70, *[reply(("joy",), 0.2)] * 30)
    assert '"v":0.10' in str(memory.head('{"labels":["joy"]', ""))
    for _ in range(35):
        drafter(memory).finish(PROMPTER.encode_reply(reply(("joy",), 0.2))[:-1])
    for _ in range(6):
        memory.add("", [1] * 100)
    assert '"v":0.20' in str(memory.head('{"labels":["joy"]', '{"labels":["joy"],"vad":{"v":0.1'[:-1]))
    assert list(memory.tokens) == [1] * 512
