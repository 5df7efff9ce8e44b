"""Settings of a run: frozen, checked, from a YAML file and the command line, where flags win."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from emoloom.errors import EmoLoomError, unknown_name

Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Temperature = Annotated[float, Field(ge=1, le=100)]

Readout = Literal["free", "constrained", "scored"]


class Recipe(BaseModel):
    """How a candidate is fine-tuned.

    ``method``: ``lora`` trains low-rank updates of every linear layer (Hu et al. 2021), ``full`` all weights. The learning
    rate rises linearly over ``warmup`` of the steps, then falls by a half cosine to zero. ``micro_batch`` records share one
    forward; gradients add up to ``batch_size`` records before a step.

    ``l_cls``, ``l_write``, ``l_reg``, ``l_vad`` and ``l_app`` weigh the regularizers of :mod:`emoloom.train.objective`; 0 leaves
    one out. The defaults are what ``docs/results/ablation.md`` found best. :meth:`without` all parts it is plain
    supervised fine-tuning.
    ``flip`` adds mirrored records. ``mixture``: ``natural`` goes through a shuffle of all records, ``entropy`` draws them from
    their sources at a temperature between ``t_min`` and ``t_max`` (:mod:`emoloom.mixture.sampler`). Neither changes how many
    examples are seen: ``epochs`` times the training records, unless ``early_stop`` ends it
    (:mod:`emoloom.train.early_stop`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["lora", "full"] = "lora"
    epochs: Count = 1
    batch_size: Count = 8
    micro_batch: Count = 8
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.05
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip: Annotated[float, Field(gt=0)] = 1.0
    rank: Count = 16
    l_cls: Weight = 0.3
    l_write: Weight = 0.3
    l_reg: Weight = 0.3
    l_vad: Weight = 0.0
    l_app: Weight = 0.1
    flip: bool = True
    mixture: Literal["natural", "entropy"] = "entropy"
    t_min: Temperature = 1.0
    t_max: Temperature = 1.5
    early_stop: bool = False

    @model_validator(mode="after")
    def _has_epochs_to_stop_after(self) -> Self:
        if self.early_stop and self.epochs == 1:
            raise ValueError("early_stop needs more than one of epochs: it looks at the end of each")
        return self

    @model_validator(mode="after")
    def _cooling(self) -> Self:
        if self.t_min > self.t_max:
            raise ValueError(f"t_min {self.t_min} is above t_max {self.t_max}")
        return self

    def without(self, *parts: str) -> Recipe:
        """The recipe without some of its :data:`PARTS`."""
        return self.model_copy(update={key: value for part in parts for key, value in PARTS[part].items()})

    @property
    def follows_replies(self) -> bool:
        """Whether training must know which token of a reply spells what: labels, numbers, words."""
        return any((self.l_cls, self.l_write, self.l_reg, self.l_vad, self.l_app)) or self.mixture == "entropy"

    @property
    def rate(self) -> float:
        """The peak learning rate: the one given, or the method's default."""
        return self.learning_rate or {"lora": 1e-3, "full": 5e-5}[self.method]


PARTS: Mapping[str, Mapping[str, Any]] = {
    "vad": {"l_vad": 0.0},
    "app": {"l_app": 0.0},
    "flip": {"flip": False},
    "mixture": {"mixture": "natural"},
    "write": {"l_write": 0.0},
    "cls": {"l_cls": 0.0},
    "reg": {"l_reg": 0.0},
}
"""The parts of a recipe and how each is left out, the four of the EmoLoom-2B paper first."""


class Budget(BaseModel):
    """What a run may spend; None means no limit.

    In a file and on the command line a list of limits, each a number and its unit: ``90m``, ``2h``, ``30s`` of wall time (over
    all processes that carried the run on), ``20000examples`` (trained, tuned on, answered or probed), ``5000000tokens`` (of
    their prompts and replies), ``8GB`` of memory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    examples: Count | None = None
    tokens: Count | None = None
    memory: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _spelled(cls, limits: Any) -> Any:
        limits = [limits] if isinstance(limits, str) else limits
        if not isinstance(limits, list | tuple):
            return limits
        found: dict[str, float] = {}
        for limit in limits:
            match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(\w+)", str(limit))
            if not match or match[2] not in _UNITS:
                raise ValueError(f"{limit!r} is no limit; write it like 90m, 2h, 2000examples, 500000tokens or 8GB")
            kind, size = _UNITS[match[2]]
            if kind in found:
                raise ValueError(f"{limit!r} is a second limit on {kind}")
            found[kind] = float(match[1]) * size
        return found

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return self != Budget()


_UNITS = {
    "s": ("seconds", 1),
    "m": ("seconds", 60),
    "h": ("seconds", 3600),
    "examples": ("examples", 1),
    "tokens": ("tokens", 1),
    "MB": ("memory", 10**6),
    "GB": ("memory", 10**9),
}


class ScreenConfig(BaseModel):
    """What ``emoloom screen`` does.

    ``readout``: how answers are read (:mod:`emoloom.screen.readouts.readout`); the first named is the one that ranks.
    ``train_limit`` caps the training records of all corpora together, ``limit`` the records of each evaluation corpus and
    ``zero_shot_limit`` those judged before fine-tuning; 0 leaves that out. With more than one of ``rungs`` the candidates race
    (:mod:`emoloom.screen.race`): they are judged on ``dev_limit`` records at each rung, and those named in ``keep`` never
    leave; ``early_stop`` watches the same records. ``probe_limit`` says how many of the training records the probe
    (:mod:`emoloom.screen.probe`) reads; 0 leaves it out. ``rank_by`` decides the ranking and the race
    (:mod:`emoloom.evaluate.ranking`). Models compute in ``dtype``; heads, LoRA updates and losses stay in
    float32. ``lexicon`` names a fetched lexicon for weak VAD, or a file of word norms; by default the Warriner norms are used
    where they have been fetched. What does not fit in ``budget`` is left out (:mod:`emoloom.screen.pricing.budget`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Annotated[tuple[str, ...], Field(min_length=1)]
    train: Annotated[tuple[str, ...], Field(min_length=1)] = ("starter",)
    train_limit: Count | None = None
    eval: Annotated[tuple[str, ...], Field(min_length=1)] = ("starter:test",)
    limit: Count | None = None
    zero_shot_limit: Annotated[int, Field(ge=0)] | None = None
    probe_limit: Annotated[int, Field(ge=0)] = 400
    readout: Annotated[tuple[Readout, ...], Field(min_length=1)] = ("free",)
    recipe: Recipe = Recipe()
    rungs: Annotated[int, Field(ge=1, le=10)] = 1
    dev_limit: Count = 200
    keep: tuple[str, ...] = ()
    rank_by: Literal["score", "strict_macro_f1", "vad_ccc_mean"] = "score"
    budget: Budget = Budget()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    dtype: Literal["float32", "bfloat16"] = "float32"
    lexicon: str | None = None
    data_dir: Path | None = None
    out: Path | None = None
    trust_remote_code: bool = False
    checkpoint_seconds: Annotated[float, Field(gt=0)] = 60.0

    @field_validator("readout")
    @classmethod
    def _once(cls, readouts: tuple[Readout, ...]) -> tuple[Readout, ...]:
        return tuple(dict.fromkeys(readouts))

    @model_validator(mode="after")
    def _updates_fit(self) -> Self:
        if self.recipe.method == "full" and self.dtype != "float32":
            raise ValueError(f"method full would lose its updates in {self.dtype} weights; use lora, or dtype float32")
        return self


class AblationConfig(ScreenConfig):
    """What ``emoloom ablate`` does: one candidate under ``recipe``, under it without each of its parts, and plainly.

    ``seeds`` of training for the full recipe and for plain fine-tuning, ``part_seeds`` for the others; ``seed`` still decides
    which records there are. Nothing is probed, judged before training, or raced.
    """

    seeds: Count = 3
    part_seeds: Count = 1

    @model_validator(mode="after")
    def _does_not_race(self) -> Self:
        if self.rungs > 1 or self.keep or self.rank_by != "score":
            raise ValueError("rungs, keep and rank_by are for screenings: the arms of an ablation do not race")
        return self


Config = TypeVar("Config", bound=ScreenConfig)

_NESTED: Mapping[str, type[BaseModel]] = {"recipe": Recipe, "budget": Budget}


def load_config(path: Path | None, flags: Mapping[str, Any], kind: type[Config]) -> Config:
    """The settings of a YAML file with ``flags`` laid over them; a flag that is None was not given.

    Recipe settings stand under ``recipe:`` in the file; the flag ``epochs`` goes there.

    Raises:
        EmoLoomError: the file cannot be read, a key is unknown (with close matches), or a value is out of range.
    """
    settings = _read_yaml(path) if path else {}
    recipe = settings.get("recipe") or {}
    given = {key: value for key, value in flags.items() if value is not None}
    if "epochs" in given and isinstance(recipe, dict):
        settings["recipe"] = {**recipe, "epochs": given.pop("epochs")}
    where = str(path) if path else "settings"
    try:
        return kind.model_validate({**settings, **given})
    except ValidationError as error:
        raise _problems(error, where, kind) from error


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EmoLoomError(f"cannot read: {error.strerror}", where=str(path), remedy="Check --config.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise EmoLoomError(f"not YAML: {error}", where=str(path), remedy="See docs/configuration.md.") from error
    if not isinstance(content or {}, dict):
        raise EmoLoomError("not a mapping of settings", where=str(path), remedy="Write lines like `train: [starter]`.")
    return content or {}


def _problems(error: ValidationError, where: str, kind: type[ScreenConfig]) -> EmoLoomError:
    """Everything that is wrong, as one error in the place of the first."""
    # A list whose item is bad is also said to lack that item.
    inner = {problem["loc"][:-1] for problem in error.errors() if problem["loc"]}
    told = [problem for problem in error.errors() if problem["loc"] not in inner]
    first, *others = (_problem(problem, where, kind) for problem in told)
    also = [f"Also: {other.problem.rstrip('.')}. {other.remedy}" for other in others]
    return EmoLoomError(first.problem, where=where, remedy=" ".join([first.remedy, *also]))


def _problem(problem: ErrorDetails, where: str, kind: type[ScreenConfig]) -> EmoLoomError:
    place = [str(part) for part in problem["loc"]]
    if problem["type"] == "extra_forbidden":
        return unknown_name("setting", place[-1], _NESTED.get(place[0], kind).model_fields, where=where)
    if problem["type"] == "missing":
        return EmoLoomError(
            f"{place[-1]} is not given", where=where, remedy=f"Pass --{place[-1]}, or set it in the file."
        )
    # Settings that do not go together have no place of their own.
    value = f"{'.'.join(place)} is {problem['input']!r}: " if place else ""
    told = problem["msg"].removeprefix("Value error, ")
    return EmoLoomError(value + told, where=where, remedy="See docs/configuration.md.")
