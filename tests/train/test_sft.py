"""The supervised loss against a plain loop over transformers' own attention, one example after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests import tiny
from tests.train.conftest import PREFIX, Load, make_examples, sft

from emoloom.train.collate import Example

EXAMPLES = make_examples(8)


def naive(model: Any, prefix: list[int], examples: list[Example]) -> torch.Tensor:
    """Minus the log probability of every reply token, looked up one by one."""
    total = torch.zeros((), device=model.device)
    for one in examples:
        tokens = [*prefix, *one.prompt, *one.reply]
        logits = model(torch.tensor([tokens], device=model.device), use_cache=False).logits[0]
        for at in range(len(tokens) - len(one.reply), len(tokens)):
            total = total - logits[at - 1].log_softmax(-1)[tokens[at]]
    return total


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("prefix", [[], PREFIX], ids=["bare", "shared"])
def test_loss_and_gradients_are_those_of_the_plain_loop(
    architecture: str, prefix: list[int], load: Load, folders: dict[str, Path]
) -> None:
    model = load(architecture)
    eager = tiny.load_eager(folders[architecture], model.device)
    loss, expected = sft(model, prefix, EXAMPLES), naive(eager, prefix, EXAMPLES)
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-6)
    loss.backward()  # type: ignore[no-untyped-call]
    expected.backward()  # type: ignore[no-untyped-call]
    wanted = dict(eager.named_parameters())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, wanted[name].grad, atol=1e-3, rtol=1e-3, msg=name)


def test_end_of_reply_is_learned_where_padding_shares_its_id(load: Load) -> None:
    model = load("llama")
    before = sft(model, PREFIX, EXAMPLES)
    model.config.pad_token_id = tiny.END
    assert torch.equal(sft(model, PREFIX, EXAMPLES), before)
    endless = [Example(one.record_id, one.prompt, one.reply[:-1]) for one in EXAMPLES]
    # About log(260) for each of the eight ends.
    assert float(before.detach() - sft(model, PREFIX, endless).detach()) > 8


@pytest.mark.parametrize("size", [1, 2, 3])
def test_micro_batches_add_up(size: int, load: Load) -> None:
    model = load("gemma3_text")
    whole = sft(model, PREFIX, EXAMPLES)
    wanted = torch.autograd.grad(whole, list(model.parameters()))
    parts = [sft(model, PREFIX, EXAMPLES[start : start + size]) for start in range(0, 8, size)]
    torch.testing.assert_close(torch.stack(parts).sum(), whole, atol=1e-4, rtol=1e-6)
    for part in parts:
        part.backward()  # type: ignore[no-untyped-call]
    for (name, parameter), gradient in zip(model.named_parameters(), wanted, strict=True):
        scale = float(gradient.abs().max())
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-5 * scale, rtol=1e-4, msg=name)
