"""The loop: rates, gradients, falling loss, and that an interruption changes no bit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from tests.train.conftest import (
    PREFIX,
    Load,
    StoppedError,
    assert_bit_equal,
    crash_after,
    make_examples,
    run_training,
    sft,
    trained,
)

from emoloom.config import PARTS, Recipe
from emoloom.errors import EmoLoomError
from emoloom.mixture.sampler import Epochs
from emoloom.train.adapter import make_trainable
from emoloom.train.loop import Advance, learning_rate
from emoloom.train.objective import Objective

EXAMPLES = make_examples(20)
FULL = Recipe(method="full", batch_size=4, micro_batch=2, epochs=2, learning_rate=1e-3).without(*PARTS)
LORA = FULL.model_copy(update={"method": "lora", "rank": 4, "learning_rate": 1e-2})
BOTH = pytest.mark.parametrize("recipe", [FULL, LORA], ids=["full", "lora"])


def run(model: Any, recipe: Recipe, checkpoint: Path, **settings: Any) -> list[float]:
    return run_training(model, recipe, checkpoint, settings.pop("examples", EXAMPLES), **settings)


@pytest.mark.parametrize(
    ("warmup", "steps", "shares"),
    [
        (0.25, 8, [1 / 2, 1, 1, 0.9330127, 0.75, 0.5, 0.25, 0.0669873]),
        (0.0, 4, [1, 0.8535534, 0.5, 0.1464466]),
        (1.0, 4, [0.25, 0.5, 0.75, 1]),
        (0.05, 1, [1]),
        (0.3, 3, [1, 1, 0.5]),
    ],
)
def test_rate_rises_linearly_and_falls_by_a_half_cosine(warmup: float, steps: int, shares: list[float]) -> None:
    recipe = Recipe(warmup=warmup, learning_rate=0.02).without(*PARTS)
    rates = [learning_rate(recipe, step, steps) for step in range(steps)]
    assert rates == pytest.approx([0.02 * share for share in shares], rel=1e-6)


@pytest.mark.parametrize(("method", "rate"), [("lora", 1e-3), ("full", 5e-5)])
def test_each_method_has_its_peak_rate(method: str, rate: float) -> None:
    assert learning_rate(Recipe.model_validate({"method": method}), 0, 1) == rate


@pytest.mark.parametrize(("warmup", "share"), [(0.0, 1.0), (1.0, 0.2)])
def test_first_step_goes_as_far_as_the_rate_says(warmup: float, share: float, load: Load, tmp_path: Path) -> None:
    # Adam's first step is the rate times the sign of the gradient.
    model = make_trainable(load("llama"), FULL, 0)
    before = trained(model)
    recipe = FULL.model_copy(update={"warmup": warmup, "epochs": 1})
    with pytest.raises(StoppedError):
        run(model, recipe, tmp_path / "c", advance=crash_after(2))
    moved = max(float((p - before[name]).abs().max()) for name, p in trained(model).items())
    assert moved == pytest.approx(1e-3 * share, rel=1e-3)


@pytest.fixture
def gradients(monkeypatch: pytest.MonkeyPatch) -> list[list[torch.Tensor]]:
    """The gradients of each step as they are handed to the clipping."""
    seen: list[list[torch.Tensor]] = []
    clip = torch.nn.utils.clip_grad_norm_

    def watch(parameters: Any, norm: float) -> torch.Tensor:
        parameters = list(parameters)
        seen.append([p.grad.clone() for p in parameters])
        return clip(parameters, norm)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", watch)
    return seen


@BOTH
def test_micro_batches_give_the_gradients_of_the_batch(
    recipe: Recipe, load: Load, tmp_path: Path, gradients: list[list[torch.Tensor]]
) -> None:
    losses = []
    for micro in (1, 3, 8):
        cut = recipe.model_copy(update={"batch_size": 8, "micro_batch": micro, "epochs": 1})
        model = make_trainable(load("llama"), cut, 0)
        losses.append(run(model, cut, tmp_path / str(micro), examples=EXAMPLES[:8]))
    for micro in (1, 2):
        assert losses[micro] == pytest.approx(losses[0], abs=1e-6)
        for a, b in zip(gradients[micro], gradients[0], strict=True):
            torch.testing.assert_close(a, b, atol=1e-5 * float(b.abs().max()) + 1e-8, rtol=1e-4)


def test_a_step_follows_the_mean_loss_of_a_reply_token(
    load: Load, tmp_path: Path, gradients: list[list[torch.Tensor]]
) -> None:
    # So small a rate that the second epoch finds the weights of the first.
    recipe = FULL.model_copy(update={"batch_size": 8, "micro_batch": 3, "epochs": 2, "learning_rate": 1e-9})
    model = make_trainable(load("llama"), recipe, 0)
    mean = sft(model, PREFIX, EXAMPLES[:8]) / sum(len(one.reply) for one in EXAMPLES[:8])
    wanted = torch.autograd.grad(mean, list(model.parameters()))
    losses = run(model, recipe, tmp_path / "c", examples=EXAMPLES[:8])
    assert losses == pytest.approx([float(mean.detach())] * 2, abs=1e-5)
    for step in gradients:
        for a, b in zip(step, wanted, strict=True):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-3)


def test_gradients_are_clipped_to_the_recipes_norm(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = []
    step = torch.optim.AdamW.step

    def watch(self: torch.optim.AdamW) -> None:
        grads = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(float(torch.stack([g.norm() for g in grads]).norm()))
        step(self)

    monkeypatch.setattr(torch.optim.AdamW, "step", watch)
    run(make_trainable(load("llama"), FULL, 0), FULL.model_copy(update={"clip": 0.125}), tmp_path / "c")
    assert len(norms) == 10
    assert norms == pytest.approx([0.125] * 10, rel=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text", "gpt_neox"])
@BOTH
def test_loss_falls(architecture: str, recipe: Recipe, load: Load, tmp_path: Path) -> None:
    longer = recipe.model_copy(update={"epochs": 6, "learning_rate": 1e-2})
    model = make_trainable(load(architecture), longer, 0)
    losses = run(model, longer, tmp_path / "c", examples=EXAMPLES[:8])
    assert len(losses) == 12
    assert all(math.isfinite(loss) for loss in losses)
    assert sum(losses[-2:]) < 0.9 * sum(losses[:2])
    assert not model.training


@BOTH
def test_only_what_the_recipe_names_is_trained(recipe: Recipe, load: Load, tmp_path: Path) -> None:
    model = make_trainable(load("llama"), recipe, 0)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    run(model, recipe, tmp_path / "c")
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {name for name in before if recipe.method == "full" or "lora_" in name}


def test_advance_is_told_of_every_example(load: Load, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    run(make_trainable(load("llama"), FULL, 0), FULL, tmp_path / "c", advance=lambda *more: told.append(more))
    assert [examples for examples, _ in told] == [0] + [4] * 10
    whole, seen = divmod(40, len(EXAMPLES))
    assert seen == 0
    assert sum(tokens for _, tokens in told) == whole * sum(len(e.prompt) + len(e.reply) for e in EXAMPLES)


@pytest.mark.parametrize("stops", [[2], [7], [3, 4]])
@BOTH
def test_interrupted_training_ends_with_the_same_bits(
    recipe: Recipe, stops: list[int], load: Load, tmp_path: Path
) -> None:
    assert_resumes("llama", recipe, stops, load, tmp_path)


@pytest.mark.parametrize("until", [1, 3, 5])
def test_a_paused_training_goes_on_to_the_same_bits(until: int, load: Load, tmp_path: Path) -> None:
    recipe = Recipe(batch_size=2, epochs=2).without(*PARTS)
    begun, whole, paused = (make_trainable(load("llama"), recipe, 0) for _ in range(3))
    losses = run_training(whole, recipe, tmp_path / "whole", EXAMPLES[:5])
    first = run_training(begun, recipe, tmp_path / "paused", EXAMPLES[:5], until=until)
    assert len(first) == -(-until * 6 // 10)
    assert run_training(paused, recipe, tmp_path / "paused", EXAMPLES[:5]) == losses
    assert [p.tolist() for p in paused.parameters()] == [p.tolist() for p in whole.parameters()]


@pytest.mark.parametrize("architecture", ["gemma3_text", "gpt_neox"])
def test_interrupted_training_of_other_architectures(architecture: str, load: Load, tmp_path: Path) -> None:
    assert_resumes(architecture, FULL, [4], load, tmp_path)


def test_interrupted_training_of_a_model_with_dropout(load: Load, tmp_path: Path) -> None:
    assert_resumes("gpt2", FULL, [4], load, tmp_path)


def assert_resumes(architecture: str, recipe: Recipe, stops: list[int], load: Load, tmp_path: Path) -> None:
    """Holds a training that stopped after each of ``stops`` steps of one process against one that never stopped."""

    def fresh() -> Any:
        return make_trainable(load(architecture), recipe, 0)

    def resume(checkpoint: Path, advance: Advance) -> tuple[Any, list[float]]:
        model = fresh()
        return model, run(model, recipe, checkpoint, checkpoint_seconds=0, advance=advance)

    whole = fresh()
    losses = run(whole, recipe, tmp_path / "never")
    assert not (tmp_path / "never").exists()

    checkpoint = tmp_path / "checkpoint"
    kept = 0
    for steps in stops:
        with pytest.raises(StoppedError):
            # The checkpoint of a step is written after the call that reports it.
            resume(checkpoint, crash_after(steps + 1))
        kept += steps - 1
        torch.manual_seed(steps)
    told: list[int] = []
    model, resumed = resume(checkpoint, lambda examples, _: told.append(examples))
    assert told == [4 * kept] + [4] * (10 - kept)
    assert resumed == losses
    assert_bit_equal(trained(model), trained(whole))


def test_seed_decides_the_order(load: Load, tmp_path: Path) -> None:
    ends = []
    for seed in (3, 3, 4):
        model = make_trainable(load("llama"), FULL, 0)
        run(model, FULL, tmp_path / "c", seed=seed)
        ends.append(trained(model))
    assert_bit_equal(ends[0], ends[1])
    assert not all(torch.equal(ends[0][name], ends[2][name]) for name in ends[0])


def test_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(load: Load, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    with pytest.raises(StoppedError):
        run(make_trainable(load("llama"), LORA, 0), LORA, checkpoint, checkpoint_seconds=0, advance=crash_after(4))
    kept = checkpoint.read_bytes()
    broken = load("llama")
    with torch.no_grad():
        broken.get_output_embeddings().weight[0, 0] = math.nan
    with pytest.raises(EmoLoomError, match="is not finite") as caught:
        run(make_trainable(broken, LORA, 0), LORA, checkpoint, checkpoint_seconds=0)
    lengths = [len(one) for one in EXAMPLES]
    third = Epochs(lengths, LORA.batch_size, 40, 3).batch(2)
    assert f"the records {', '.join(f'r{index}' for index in third)}. " in str(caught.value)
    assert checkpoint.read_bytes() == kept


def test_infinite_loss_names_its_records(load: Load, tmp_path: Path) -> None:
    broken = load("llama")
    with torch.no_grad():
        broken.get_input_embeddings().weight.fill_(math.inf)
    with pytest.raises(EmoLoomError, match=r"sft (nan|inf), gradient norm nan. on the records (r0, r1|r1, r0)"):
        run(make_trainable(broken, FULL, 0), FULL, tmp_path / "c", examples=EXAMPLES[:2])
    with safe_open(tmp_path / "c", framework="pt") as file:
        assert json.loads(file.metadata()["progress"])["step"] == 0


def test_a_loss_that_is_not_finite_leaves_what_there_was_before_its_step(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoppedError):
        run(
            make_trainable(load("llama"), LORA, 0), LORA, tmp_path / "two", checkpoint_seconds=0, advance=crash_after(4)
        )
    weighted, asked = Objective.weighted, list[int]()

    def infinite(self: Objective, *arguments: Any) -> torch.Tensor:
        asked.append(1)
        factor = math.inf if len(asked) > steps_of_two else 1.0
        return factor * weighted(self, *arguments)

    steps_of_two = 2 * math.ceil(LORA.batch_size / LORA.micro_batch)
    monkeypatch.setattr(Objective, "weighted", infinite)
    with pytest.raises(EmoLoomError, match="is not finite"):
        run(make_trainable(load("llama"), LORA, 0), LORA, tmp_path / "three")
    assert (tmp_path / "three").read_bytes() == (tmp_path / "two").read_bytes()
