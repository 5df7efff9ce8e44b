"""The objective as a whole, on a model that trains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tests import tiny
from tests.train.conftest import assert_bit_equal

from emoloom.config import PARTS, Recipe
from emoloom.contract.affect import AFFECT, ATOMS
from emoloom.contract.record import Appraisal, Record, Vad
from emoloom.errors import EmoLoomError
from emoloom.lexicon.teacher import Teacher
from emoloom.mixture.sampler import Epochs
from emoloom.model.load import Candidate
from emoloom.train.adapter import make_trainable
from emoloom.train.batch import run_batch
from emoloom.train.collate import Example, examples
from emoloom.train.loop import Advance, History, learning_rate, train
from emoloom.train.objective import REGULARIZERS, Objective
from emoloom.train.sft import sft_loss

PLAIN = Recipe(batch_size=4, micro_batch=2, rank=4, learning_rate=1e-2).without(*PARTS)
FULL = PLAIN.model_copy(
    update={"l_cls": 1.0, "l_write": 1.0, "l_reg": 0.5, "l_vad": 0.7, "l_app": 0.3, "mixture": "entropy"}
)
TEXTS = (
    ("it came at last", ("joy",), 0.8), ("who scratched my car", ("anger",), 0.2), ("noon", ("neutral",), 0.5),
    ("she died in May", ("grief", "sadness"), 0.1), ("so kind of you", ("gratitude",), 0.85), ("late again", ("annoyance",), 0.3),
    ("he did it", ("pride", "joy"), 0.9), ("what is that", ("curiosity",), 0.6),
)  # fmt: skip


def records() -> list[Record]:
    teacher = Teacher()

    def atoms(label: str) -> Appraisal:
        return Appraisal.model_validate(dict(zip(ATOMS, AFFECT[label].appraisal, strict=True)))

    return [
        teacher.complete(
            Record(
                id=f"r{i}",
                text=text,
                labels=labels,
                vad=Vad(v=v, a=0.4, d=0.6),
                corpus="c",
                split="train",
                appraisal=atoms(labels[0]) if i % 2 else None,
            )
        )
        for i, (text, labels, v) in enumerate(TEXTS)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_model(tmp_path_factory.mktemp("model"))


def fit(
    folder: Path,
    recipe: Recipe,
    checkpoint: Path,
    *,
    steps: int = 6,
    seconds: float = math.inf,
    advance: Advance = lambda *_: None,
) -> tuple[Any, Objective, History]:
    candidate = tiny.load_tiny(folder)
    pool = examples(records(), candidate.prompter)
    model = make_trainable(candidate.model, recipe, 0)
    objective = Objective(model, candidate.prompter, pool, recipe, Teacher().word_values())
    history = train(
        model, objective, pool, recipe,
        total=recipe.batch_size * steps, until=recipe.batch_size * steps, seed=3,
        checkpoint=checkpoint, checkpoint_seconds=seconds, advance=advance,
    )  # fmt: skip
    return model, objective, history


def weights(model: Any, objective: Objective) -> dict[str, torch.Tensor]:
    state = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    return state | (
        {} if objective.heads is None else {f"heads.{n}": p for n, p in objective.heads.state_dict().items()}
    )


def plainly(folder: Path, recipe: Recipe, steps: int) -> dict[str, torch.Tensor]:
    """Supervised fine-tuning written out in one place, without any regularizer's code."""
    candidate = tiny.load_tiny(folder)
    pool = examples(records(), candidate.prompter)
    model = make_trainable(candidate.model, recipe, 0)
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(named.values(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    order = Epochs([len(one) for one in pool], recipe.batch_size, recipe.batch_size * steps, 3)
    for step in range(steps):
        batch = [pool[i] for i in order.batch(step)]
        optimizer.param_groups[0]["lr"] = learning_rate(recipe, step, steps)
        for start in range(0, len(batch), recipe.micro_batch):
            out = run_batch(model, candidate.prompter.prefix, batch[start : start + recipe.micro_batch])
            loss = sft_loss(out) / sum(len(one.reply) for one in batch)
            loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(named.values(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return {name: p.detach().clone() for name, p in named.items()}


def test_without_regularizers_it_is_plain_fine_tuning_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    model, objective, history = fit(folder, PLAIN, tmp_path / "c")
    assert objective.heads is None
    assert list(history.losses) == ["sft"]
    assert_bit_equal(weights(model, objective), plainly(folder, PLAIN, 6))


def gradients(
    candidate: Candidate, recipe: Recipe, pool: Sequence[Example]
) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    model = candidate.model.requires_grad_(True)
    model.zero_grad()
    objective = Objective(model, candidate.prompter, pool, recipe, Teacher().word_values())
    terms = objective(pool)
    objective.weighted(terms, sum(len(one.reply) for one in pool), len(pool)).backward()  # type: ignore[no-untyped-call]
    return {n: float(t.detach()) for n, t in terms.items()}, {n: p.grad.clone() for n, p in model.named_parameters()}


def test_the_gradient_is_the_weighted_sum_of_the_terms(folder: Path) -> None:
    candidate = tiny.load_tiny(folder)
    pool = examples(records(), candidate.prompter)
    terms, together = gradients(candidate, FULL, pool)
    assert set(terms) == {"sft", "entropy", *REGULARIZERS}
    _, wanted = gradients(candidate, PLAIN, pool)
    total = {name: gradient.clone() for name, gradient in wanted.items()}
    for name in REGULARIZERS:
        only = PLAIN.model_copy(update={f"l_{name}": 1.0})
        alone, gradient = gradients(candidate, only, pool)
        assert set(alone) == {"sft", name}
        assert alone[name] == pytest.approx(terms[name], rel=1e-5)
        for key in total:
            total[key] += getattr(FULL, f"l_{name}") * (gradient[key] - wanted[key])
    for key, found in together.items():
        torch.testing.assert_close(found, total[key], atol=2e-5 * float(found.abs().max()) + 1e-7, rtol=1e-3)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_each_term_falls_in_training(name: str, folder: Path, tmp_path: Path) -> None:
    heavy = PLAIN.model_copy(update={f"l_{name}": 30.0, "batch_size": 8, "warmup": 0.0})
    _, _, history = fit(folder, heavy, tmp_path / "c", steps=60)
    assert history.losses[name][-1] < 0.8 * history.losses[name][0]


@pytest.mark.parametrize("recipe", [PLAIN, FULL], ids=["plain", "full"])
def test_accumulated_micro_batches_agree(recipe: Recipe, folder: Path, tmp_path: Path) -> None:
    ends = []
    for micro in (1, 8):
        cut = recipe.model_copy(update={"batch_size": 8, "micro_batch": micro})
        model, objective, history = fit(folder, cut, tmp_path / str(micro), steps=2)
        ends.append((weights(model, objective), history.losses))
    for name, values in ends[0][1].items():
        assert values == pytest.approx(ends[1][1][name], rel=1e-4)
    for name, tensor in ends[0][0].items():
        # Adam divides by the gradient's size: where a gradient is zero but for noise, a step is noise.
        assert float((tensor - ends[1][0][name]).abs().mean()) < 1e-4, name


class StoppedError(Exception):
    """Stands for a crash."""


def without(part: str) -> Recipe:
    return FULL.model_copy(update=PARTS[part])


ARMS = {"full": FULL, **{f"no-{part}": without(part) for part in PARTS if part != "flip"}}


@pytest.mark.parametrize("stop", [1, 3, 5])
@pytest.mark.parametrize("recipe", ARMS.values(), ids=ARMS)
def test_an_interrupted_training_ends_with_the_same_bits(
    recipe: Recipe, stop: int, folder: Path, tmp_path: Path
) -> None:
    model, objective, history = fit(folder, recipe, tmp_path / "never")
    calls = 0

    def crash(_examples: int, _tokens: int) -> None:
        nonlocal calls
        calls += 1
        if calls == stop + 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        fit(folder, recipe, tmp_path / "c", seconds=0, advance=crash)
    again, resumed, rest = fit(folder, recipe, tmp_path / "c", seconds=0)
    assert rest == history
    assert_bit_equal(weights(again, resumed), weights(model, objective))


def test_the_history_tells_of_the_mixture(folder: Path, tmp_path: Path) -> None:
    _, _, history = fit(folder, FULL, tmp_path / "c")
    assert [drawn.temperature for drawn in history.mixture] == [FULL.t_max]
    assert history.mixture[0].shares == {"c": 1.0}
    assert all(0 < value <= math.log(28) for value in history.losses["entropy"])


def test_a_tokenizer_that_cannot_be_followed_is_refused_in_words(folder: Path) -> None:
    candidate = tiny.load_tiny(folder)
    pool = [Example("r", (5, 6), (7, 8), line="not what the tokens spell")]
    with pytest.raises(EmoLoomError, match=r"do not add up to its text.*l_vad"):
        Objective(candidate.model, candidate.prompter, pool, FULL, Teacher().word_values())


@pytest.mark.parametrize("damage", [b"", b"{}", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_damaged_checkpoint_is_named(damage: bytes, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(damage)
    with pytest.raises(EmoLoomError, match="the checkpoint cannot be read") as caught:
        fit(folder, PLAIN, tmp_path / "c")
    assert caught.value.where == str(tmp_path / "c")
