"""Models in bfloat16: through the whole pipeline, with the same tokens from both decoders."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from tests.screenings import screen, small
from tests.tiny import ask, draw, load_eager, load_tiny

from emoloom.config import ScreenConfig, load_config
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.decode.fast import Counts, Proposal, decode_fast, self_test
from emoloom.decode.reference import decode_reference
from emoloom.errors import EmoLoomError
from emoloom.model.forward import packed_logits
from emoloom.model.load import Candidate, load_candidate, load_prompter
from emoloom.model.packing import pack
from emoloom.screen.single import open_model, predict_lines

LOW = "bfloat16"


def half(model: Path) -> Candidate:
    return load_candidate("tiny", model, load_prompter("tiny", model, GOEMOTIONS), dtype=LOW)


def test_weights_and_logits_are_in_it(model: Path) -> None:
    candidate = half(model)
    assert {parameter.dtype for parameter in candidate.model.parameters()} == {torch.bfloat16}
    own = candidate.prompter.encode(ask("a day")).own
    packed = pack(candidate.prompter.prefix, [own, own[:3]], candidate.device)
    rows = list(range(packed.offsets[0], len(packed.tokens)))
    with torch.inference_mode():
        low = packed_logits(candidate.model, packed, rows)
        tokens = torch.tensor([[*candidate.prompter.prefix, *own]])
        high = load_eager(model, torch.device("cpu"))(input_ids=tokens).logits[0, len(candidate.prompter.prefix) :]
    assert low.dtype == torch.bfloat16
    # Eight bits of mantissa, through two layers.
    assert torch.allclose(low[: len(own)].float(), high, atol=0.05 * float(high.abs().max()))


def test_rotary_frequencies_stay_in_float32(model: Path) -> None:
    buffers = dict(half(model).model.named_buffers())
    assert {buffer.dtype for name, buffer in buffers.items() if "inv_freq" in name} == {torch.float32}
    exact = dict(load_tiny(model).model.named_buffers())
    assert all(torch.equal(buffer, exact[name]) for name, buffer in buffers.items())


def test_both_decoders_write_the_same(model: Path) -> None:
    candidate = half(model)
    rng = random.Random(0)
    prefix = candidate.prompter.prefix
    prompts = [draw(rng, 3, 40) for _ in range(12)]
    expected = [
        decode_reference(candidate.model, prefix, own, eos=candidate.prompter.eos, max_new_tokens=8) for own in prompts
    ]
    jobs = [(own, lambda generated, _seen: Proposal([5] * (3 - len(generated) % 3))) for own in prompts]
    guard = not self_test(candidate.model, prefix, prompts)
    written = dict(
        decode_fast(
            candidate.model, prefix, jobs, eos=candidate.prompter.eos, max_new_tokens=8, guard=guard, counts=Counts()
        )
    )
    assert [written[i] for i in range(len(prompts))] == expected


def test_a_screening_goes_through_and_its_adapter_is_used_in_it(model: Path, data: Path, tmp_path: Path) -> None:
    recipe = {"batch_size": 2, "rank": 2, "learning_rate": 0.1, "l_cls": 0.3, "l_reg": 0.3, "l_vad": 0.2}
    config = small(model, data, tmp_path / "run", dtype=LOW, recipe=recipe, readout=("scored", "free"))
    run = screen(config)
    board = run.read_json("leaderboard.json")
    tuned = [row for row in board["rows"] if row["stage"] == "tuned"]
    assert {row["readout"] for row in tuned} == {"scored", "free"}
    assert board["verdict"][-1].startswith("Run in bfloat16 on ")
    assert "bfloat16" in (run.path / "report.html").read_text("utf-8")
    opened = open_model(None, run.path, None, lambda _: None)
    assert opened.candidate.model.dtype == torch.bfloat16
    assert list(predict_lines(opened, [ask("a day")], lambda *_: None))
    assert load_tiny(model).model.dtype == torch.float32


def test_full_fine_tuning_needs_float32() -> None:
    with pytest.raises(EmoLoomError, match="method full would lose its updates in bfloat16 weights"):
        load_config(None, {"model": ["path:x"], "dtype": LOW, "recipe": {"method": "full"}}, ScreenConfig)
