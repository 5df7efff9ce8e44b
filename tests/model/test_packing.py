"""The layout of a pack and its masks, against their definitions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emoloom.model import packing
from emoloom.model.packing import ALIGN, Pack, align, fullest, pack, packfuls

CPU = torch.device("cpu")

prefixes = st.lists(st.integers(0, 99), max_size=3 * ALIGN)
sequences = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=40), min_size=1, max_size=8)


@given(st.integers(0, 10_000))
def test_aligned_length_is_the_next_multiple(length: int) -> None:
    assert align(length) % ALIGN == 0
    assert 0 <= align(length) - length < ALIGN


@given(prefixes, sequences)
def test_sequences_lie_behind_one_prefix_without_padding(prefix: list[int], own: list[list[int]]) -> None:
    packed = pack(prefix, own, CPU)
    assert packed.tokens[packed.filling :].tolist() == prefix + [token for sequence in own for token in sequence]
    assert packed.prefix == align(len(prefix)) == packed.filling + len(prefix)
    assert packed.positions[packed.filling : packed.prefix].tolist() == list(range(len(prefix)))
    for sequence, offset in zip(own, packed.offsets, strict=True):
        end = offset + len(sequence)
        assert packed.tokens[offset:end].tolist() == sequence
        assert packed.positions[offset:end].tolist() == [len(prefix) + i for i in range(len(sequence))]


@given(prefixes, sequences)
def test_grids_hold_every_own_token_once_beside_sequences_as_long(prefix: list[int], own: list[list[int]]) -> None:
    packed = pack(prefix, own, CPU)
    assert sorted(member for grid in packed.grids for member in grid.members) == list(range(len(own)))
    assert len({grid.slots.shape[1] for grid in packed.grids}) == len(packed.grids)
    slots = torch.cat([packed.tokens[grid.slots].flatten() for grid in packed.grids])
    assert slots[packed.unslot].tolist() == packed.tokens[packed.prefix :].tolist()
    for grid in packed.grids:
        for member, row in zip(grid.members, packed.tokens[grid.slots], strict=True):
            assert len(row) == align(len(own[member]))
            assert row[: len(own[member])].tolist() == own[member]


@pytest.mark.parametrize("window", [None, 1, 5, 16, 47, 48, 1000])
@pytest.mark.parametrize("prefix", [0, 1, 16, 23])
def test_masks_show_the_past_within_the_window_and_no_filling(window: int | None, prefix: int) -> None:
    packed = pack([7] * prefix, [[1] * 3, [2] * 11], CPU)
    in_prefix, (in_own,) = packed.masks(window)
    length = align(prefix)
    assert in_prefix.shape == (length, length)
    assert in_own.shape == (16, length + 16)
    for query, row in enumerate([*in_prefix.tolist(), *in_own.tolist()]):
        for key, value in enumerate(row):
            seen = key <= query and (window is None or query - key < window)
            # A row that saw nothing at all would be NaN, so what fills up sees itself.
            seen = seen and (key >= packed.filling or query < packed.filling)
            assert value == (0 if seen else -math.inf), (query, key)


@pytest.mark.parametrize("window", [None, 1, 5, 18])
def test_a_branch_sees_what_stands_before_its_root_and_itself(window: int | None) -> None:
    packed = pack([7] * 14, [[1] * 3, [2] * 5], CPU, [[], [(2, [8, 9]), (5, [6])]])
    assert packed.tokens[packed.prefix :].tolist() == [1] * 3 + [2] * 5 + [8, 9, 6]
    assert packed.positions[packed.offsets[1] :].tolist() == [14, 15, 16, 17, 18, 16, 17, 19]
    _, (own,) = packed.masks(window)
    assert own.shape == (2, 1, 16, 32)
    # By slot: where it stands in its sequence, and the slots that come before it there.
    before = {5: (18, [0, 1]), 6: (19, [0, 1, 5]), 7: (21, [0, 1, 2, 3, 4])}
    for slot in range(8):
        position, past = before.get(slot, (16 + slot, list(range(slot))))
        positions = {16 + other: before.get(other, (16 + other, []))[0] for other in [*past, slot]}
        positions |= {key: key for key in range(packed.filling, packed.prefix)}
        for key, value in enumerate(own[1, 0, slot].tolist()):
            seen = key in positions and (window is None or position - positions[key] < window)
            assert value == (0 if seen else -math.inf), (slot, key)


def test_masks_of_different_windows_are_kept_apart() -> None:
    packed: Pack = pack([], [[1] * 20], CPU)
    assert not torch.equal(packed.masks(4)[1][0], packed.masks(None)[1][0])
    assert packed.masks(4)[1] is packed.masks(4)[1]


def test_each_grid_has_the_masks_of_its_own_sequences() -> None:
    packed = pack([7] * 3, [[1] * 30, [2] * 5, [3] * 31], CPU, [[], [(2, [8, 9])], []])
    _, (wide, narrow) = packed.masks(None)
    _, (alone,) = pack([7] * 3, [[2] * 5], CPU, [[(2, [8, 9])]]).masks(None)
    assert [grid.members for grid in packed.grids] == [(0, 2), (1,)]
    assert wide.shape == (32, 48)
    assert torch.equal(narrow, alone)


def test_the_fullest_pack_holds_the_longest_and_the_shortest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PACK_TOKENS", 12)
    assert fullest([[0] * n for n in (4, 1, 6, 2, 3)]) == [2, 1, 3, 4]
    assert fullest([[0] * 20, [0]]) == [0]
    assert fullest([[0]]) == [0]


def lengths_of(sequences: Sequence[Sequence[int]], *, alone: bool) -> list[list[int]]:
    """The lengths of each pack's members."""
    shared = list(packfuls(sequences, alone=alone))
    assert sorted(i for members in shared for i in members) == list(range(len(sequences)))
    return [[len(sequences[i]) for i in members] for members in shared]


def test_packs_take_every_sequence_once_and_no_more_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PACK_TOKENS", 10)
    own = [[7] * length for length in (4, 12, 1, 4, 9, 2, 3)]
    assert lengths_of(own, alone=False) == [[1, 2, 3, 4], [4], [9], [12]]
    assert lengths_of(own, alone=True) == [[1], [2], [3], [4], [4], [9], [12]]
    assert lengths_of([], alone=False) == []
