"""Packed logits against transformers' own attention on each sequence alone, and what neighbours may change: nothing."""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests import tiny
from tests.model.conftest import Pair
from torch.nn import functional
from transformers import PretrainedConfig

from emoloom.decode.fast import self_test
from emoloom.model import attention
from emoloom.model.attention import NAME, active_pack, packed_attention
from emoloom.model.forward import MIN_ROWS, is_packed, packed_layers, packed_logits
from emoloom.model.packing import pack

Tokens = Sequence[int]

# Behind it, every sequence is longer than gemma's sliding window of 64.
PREFIX = tiny.draw(random.Random(1), 91)
SEQUENCES = [tiny.draw(random.Random(seed), 1, 90) for seed in range(32)]
LONG = tiny.draw(random.Random(99), 300)


def together(model: Any, prefix: Tokens, sequences: Sequence[Tokens]) -> list[torch.Tensor]:
    """Logits after every own token of each sequence, from one pack."""
    packed = pack(prefix, sequences, model.device)
    logits = packed_logits(model, packed, range(packed.prefix, len(packed.tokens)))
    return list(torch.split(logits, [len(own) for own in sequences]))


def alone(eager: Any, prefix: Tokens, own: Tokens) -> torch.Tensor:
    """The same from transformers, for one sequence without any neighbour or sharing."""
    tokens = torch.tensor([[*prefix, *own]], device=eager.device)
    logits: torch.Tensor = eager(tokens, use_cache=False).logits[0, len(prefix) :]
    return logits


def assert_same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    best, second = theirs.topk(2).values.unbind(-1)
    decided = best - second > 2e-4
    assert torch.equal(ours.argmax(-1)[decided], theirs.argmax(-1)[decided])


@pytest.mark.parametrize("prefix", [[], PREFIX], ids=["bare", "shared"])
@pytest.mark.parametrize("size", [1, 7, 32])
@torch.inference_mode()
def test_packed_logits_are_those_of_each_sequence_alone(pair: Pair, prefix: list[int], size: int) -> None:
    shuffled = random.Random(size).sample(SEQUENCES, size)
    for own, logits in zip(shuffled, together(pair.candidate.model, prefix, shuffled), strict=True):
        assert_same(logits, alone(pair.eager, prefix, own))


@torch.inference_mode()
def test_one_sequence_of_extreme_length(pair: Pair) -> None:
    mixed = [*SEQUENCES[:3], LONG, *SEQUENCES[3:5]]
    for own, logits in zip(mixed, together(pair.candidate.model, PREFIX, mixed), strict=True):
        assert_same(logits, alone(pair.eager, PREFIX, own))


@torch.inference_mode()
def test_what_the_neighbours_say_changes_no_bit(pair: Pair) -> None:
    rng = random.Random(5)
    others = [SEQUENCES[0], *(tiny.draw(rng, len(own)) for own in SEQUENCES[1:7])]
    first, *changed = together(pair.candidate.model, PREFIX, others)
    unchanged = together(pair.candidate.model, PREFIX, SEQUENCES[:7])
    assert torch.equal(first, unchanged[0])
    assert not any(torch.equal(a, b) for a, b in zip(changed, unchanged[1:], strict=True))


@torch.inference_mode()
def test_what_comes_later_changes_no_bit(pair: Pair) -> None:
    rng = random.Random(6)
    model, own = pair.candidate.model, LONG
    logits = together(model, PREFIX, [own, SEQUENCES[0]])[0]
    for end in (1, 20, 130, 299):
        other = [*own[:end], *tiny.draw(rng, len(own) - end)]
        changed = together(model, PREFIX, [other, SEQUENCES[0]])[0]
        assert torch.equal(changed[:end], logits[:end])
        assert not torch.equal(changed[end:], logits[end:])


@torch.inference_mode()
def test_branches_are_sequences_of_their_own_and_change_no_bit_of_the_others(pair: Pair) -> None:
    if not is_packed(pair.candidate.model):
        pytest.skip("sequences that are not packed have no branches")
    rng = random.Random(7)
    model, sequences = pair.candidate.model, [SEQUENCES[0], LONG, *SEQUENCES[1:5]]
    branches = [
        [(rng.randint(0, len(own)), tiny.draw(rng, 1, 20)) for _ in range(rng.randint(0, 3))] for own in sequences
    ]
    packed = pack(PREFIX, sequences, model.device, branches)
    logits = packed_logits(model, packed, range(len(packed.tokens)))
    for plain, own, offset in zip(together(model, PREFIX, sequences), sequences, packed.offsets, strict=True):
        assert torch.equal(logits[offset : offset + len(own)], plain)
    for own, offset, ways, spans in zip(sequences, packed.offsets, branches, packed.branches, strict=True):
        for (root, way), span in zip(ways, spans, strict=True):
            expected = alone(pair.eager, PREFIX, [*own[:root], *way])[root:]
            assert_same(logits[offset + span.start : offset + span.stop], expected)


@pytest.mark.parametrize(
    ("on_a_gpu", "training", "fuses"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_only_a_gpu_that_does_not_train_fuses(on_a_gpu: bool, training: bool, fuses: bool) -> None:
    query: Any = SimpleNamespace(is_cuda=on_a_gpu)
    with torch.set_grad_enabled(training):
        assert attention._fuses(query) is fuses


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_the_fused_kernel_computes_the_same(pair: Pair, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a GPU takes it; the kernel exists on a CPU, too."""
    if not is_packed(pair.candidate.model):
        pytest.skip("sequences that are not packed attend by their own kernel")
    model = copy.deepcopy(pair.candidate.model).to(dtype)
    kernel, calls = functional.scaled_dot_product_attention, 0

    def counted(*arguments: Any, **named: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return kernel(*arguments, **named)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", counted)
    sequences = [*SEQUENCES[:5], LONG]
    branches = [[(0, [5, 6])], [], [(1, [9]), (1, [8, 7])], [], [], [(200, SEQUENCES[1])]]
    for prefix, ways in itertools.product([[], PREFIX], [(), branches]):
        packed = pack(prefix, sequences, model.device, ways)
        rows = range(packed.prefix, len(packed.tokens))
        plain, before = packed_logits(model, packed, rows), calls
        with monkeypatch.context() as on_a_gpu:
            on_a_gpu.setattr(attention, "_fuses", lambda _: True)
            fused = packed_logits(model, packed, rows)
        assert calls > before == 0
        calls = 0
        torch.testing.assert_close(fused, plain, atol=1e-4 if dtype == torch.float32 else 0.05, rtol=0)


@torch.inference_mode()
def test_who_the_neighbours_are_does_not_matter(pair: Pair) -> None:
    model = pair.candidate.model
    own = SEQUENCES[3]
    expected = together(model, PREFIX, [own])[0]
    exact = self_test(model, PREFIX, SEQUENCES[:3])
    packs = [SEQUENCES[:7], [*SEQUENCES[8:15], own], [own, LONG], [own, own], SEQUENCES, SEQUENCES[::-1]]
    for sequences in packs:
        logits = together(model, PREFIX, sequences)[sequences.index(own)]
        torch.testing.assert_close(logits, expected, atol=5e-6, rtol=0)
        assert not exact or torch.equal(logits, expected)


def test_gradients_are_those_of_each_sequence_alone(pair: Pair) -> None:
    def loss(logits: torch.Tensor) -> torch.Tensor:
        return logits.log_softmax(-1)[:, 7].sum()

    model, sequences = pair.candidate.model, [*SEQUENCES[:5], LONG]
    ours, theirs = (dict(m.named_parameters()) for m in (model, pair.eager))
    packed = torch.stack([loss(logits) for logits in together(model, PREFIX, sequences)]).sum()
    apart = torch.stack([loss(alone(pair.eager, PREFIX, own)) for own in sequences]).sum()
    names = list(theirs)
    got = torch.autograd.grad(packed, [ours[name] for name in names])
    wanted = torch.autograd.grad(apart, [theirs[name] for name in names])
    for name, a, b in zip(names, got, wanted, strict=True):
        assert b.abs().max() > 0, name
        torch.testing.assert_close(a, b, atol=1e-4 * float(b.abs().max()), rtol=1e-3, msg=name)


@torch.inference_mode()
def test_rows_come_in_the_order_asked_for(pair: Pair) -> None:
    model = pair.candidate.model
    packed = pack(PREFIX, SEQUENCES[:3], model.device)
    everything = packed_logits(model, packed, range(len(packed.tokens)))
    for rows in ([5], [9, 3, 3, len(packed.tokens) - 1], list(range(MIN_ROWS + 1))):
        logits = packed_logits(model, packed, rows)
        assert logits.shape == (len(rows), tiny.VOCABULARY)
        torch.testing.assert_close(logits, everything[rows], atol=5e-6, rtol=0)


def test_no_pack_stays_active_after_an_error() -> None:
    class Broken(torch.nn.Module):
        head = torch.nn.Linear(2, 2)
        config = PretrainedConfig(attn_implementation=NAME)

        def get_output_embeddings(self) -> torch.nn.Module:
            return self.head

        def forward(self, **_: object) -> None:
            raise MemoryError

    with pytest.raises(MemoryError):
        packed_logits(Broken(), pack([], [[1]], torch.device("cpu")), [0])
    assert not Broken.head._forward_pre_hooks
    with pytest.raises(LookupError):
        active_pack.get()


@pytest.mark.parametrize("architecture", tiny.UNPACKABLE)
def test_model_that_cannot_be_packed_says_so(architecture: str, tmp_path: Path) -> None:
    candidate = tiny.load_tiny(tiny.make_model(tmp_path, architecture))
    assert candidate.unpacked is not None
    assert candidate.unpacked.startswith(f"{architecture} models cannot be packed: ")
    assert not is_packed(candidate.model)


@pytest.mark.parametrize("extra", ["attention_mask", "softcap", "s_aux", "position_bias"])
def test_attention_with_parts_that_packing_lacks_is_refused(extra: str) -> None:
    one = torch.zeros(1, 1, 1, 2)
    given: Any = {"attention_mask": None, extra: one}
    with pytest.raises(ValueError, match="a mask of its own" if extra == "attention_mask" else extra):
        packed_attention(torch.nn.Identity(), one, one, one, **given)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_model_that_can_be_packed_is(architecture: str, tmp_path: Path) -> None:
    candidate = tiny.load_tiny(tiny.make_model(tmp_path, architecture))
    assert candidate.unpacked is None
    assert is_packed(candidate.model)


@torch.inference_mode()
def test_layers_of_each_sequence_alone(pair: Pair) -> None:
    packed = pack(PREFIX, SEQUENCES[:5], pair.candidate.device)
    layers = packed_layers(pair.candidate.model, packed)
    for own, start in zip(SEQUENCES[:5], packed.offsets, strict=True):
        tokens = torch.tensor([[*PREFIX, *own]], device=pair.candidate.device)
        theirs = pair.eager(tokens, use_cache=False, output_hidden_states=True).hidden_states
        assert len(layers) == len(theirs)
        for ours, alone_ in zip(layers, theirs, strict=True):
            torch.testing.assert_close(ours[start : start + len(own)], alone_[0, len(PREFIX) :], atol=1e-4, rtol=1e-4)


def test_gradients_reach_a_model_that_cannot_be_packed(tmp_path: Path) -> None:
    folder = tiny.make_model(tmp_path, "lfm2")
    ours, eager = tiny.load_tiny(folder).model, tiny.load_eager(folder, torch.device("cpu"))
    packed = pack(PREFIX, SEQUENCES[:3], ours.device)
    logits = packed_logits(ours, packed, range(packed.prefix, len(packed.tokens)))
    torch.autograd.backward(logits.square().sum())
    torch.autograd.backward([alone(eager, PREFIX, own).square().sum() for own in SEQUENCES[:3]])
    for mine, theirs in zip(ours.parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(mine.grad.cpu(), theirs.grad, atol=1e-2, rtol=1e-3)
