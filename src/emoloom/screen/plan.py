"""What a run will do, settled and checked before anything is written: candidates, records, cells and their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from emoloom.assets.cache import Say
from emoloom.assets.models import LocalModel, resolve
from emoloom.assets.specs import BASELINES, parse_spec
from emoloom.config import AblationConfig, ScreenConfig
from emoloom.contract.affect import VAD
from emoloom.contract.record import Record
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import EmoLoomError
from emoloom.lexicon.load import load_teacher
from emoloom.lexicon.teacher import Teacher
from emoloom.model.load import MAX_NEW_TOKENS, load_prompter
from emoloom.model.prompts import Prompter
from emoloom.screen.appraisal import load_verifier
from emoloom.screen.arms import PARTS, Arm, ablation_arms
from emoloom.screen.baselines import Majority
from emoloom.screen.corpora import Corpora, load_corpora
from emoloom.screen.environment import environment
from emoloom.store.files import digest


@dataclass(frozen=True)
class PlannedModel:
    """A candidate on this machine with its prompt."""

    local: LocalModel
    prompter: Prompter

    @property
    def identity(self) -> dict[str, Any]:
        """What distinguishes it from every other candidate."""
        return {
            "weights": self.local.fingerprint,
            "trust_remote_code": self.local.trust_remote_code,
            "prompt": self.prompter.digest,
        }


@dataclass(frozen=True)
class Cell:
    """One unit of work.

    Attributes:
        key: hashes everything that can change its result.
        candidate: whose.
        stage: ``baseline``, ``zero-shot``, ``training`` or ``tuned``.
        readout: how the answers are read; ``direct`` for a baseline, empty for a training.
        arm: the :class:`Arm` under which it was trained; empty where nothing was.
    """

    key: str
    candidate: str
    stage: str
    readout: str
    arm: str = ""


@dataclass(frozen=True)
class Plan:
    """A checked run."""

    config: ScreenConfig
    teacher: Teacher
    corpora: Corpora
    models: tuple[PlannedModel, ...]
    arms: tuple[Arm, ...]
    cells: tuple[Cell, ...]
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The default name of the run's folder: the same plan, the same name."""
        return digest(self.manifest)[:12]


def make_plan(config: ScreenConfig, say: Say) -> Plan:
    """The plan of a screening: baselines, then every candidate zero-shot and fine-tuned.

    Resolves every name in ``config``; models are fetched and converted where needed.

    Raises:
        EmoLoomError: anything that would stop the run later.
    """
    ground = _prepare(config, (Arm("tuned", config.recipe, config.seed),), say)
    return ground.plan([*ground.baselines(), *(cell for m in ground.models for cell in ground.candidate(m))])


def make_ablation_plan(config: AblationConfig, say: Say) -> Plan:
    """The plan of an ablation: one candidate, fine-tuned under every arm; raises as :func:`make_plan`."""
    if len(config.model) != 1 or config.model[0].startswith("baseline:"):
        raise EmoLoomError("an ablation takes one model", where=", ".join(config.model), remedy="Pass --model once.")
    arms = ablation_arms(config)
    if {arm.name.partition("/")[0] for arm in arms} == {"full", "plain"}:
        raise EmoLoomError(
            "the recipe has no part to leave out",
            where="recipe",
            remedy=f"Switch at least two parts on, such as {', '.join(PARTS)}; see docs/configuration.md.",
        )
    ground = _prepare(config, arms, say)
    (model,) = ground.models
    return ground.plan([cell for arm in ground.arms for cell in ground.trained(model, arm)])


@dataclass(frozen=True)
class _Ground:
    """What every plan stands on, and the cells it may be made of."""

    config: ScreenConfig
    teacher: Teacher
    corpora: Corpora
    models: tuple[PlannedModel, ...]
    arms: tuple[Arm, ...]

    def plan(self, cells: Sequence[Cell]) -> Plan:
        """The plan of these cells."""
        manifest = self._manifest(cells)
        return Plan(self.config, self.teacher, self.corpora, self.models, self.arms, tuple(cells), manifest)

    def baselines(self) -> list[Cell]:
        """The baselines; the lexicon only where there is one."""
        return [
            _cell(f"baseline:{name}", "baseline", "direct", "", self._taught | self._judged)
            for name in BASELINES
            if name != "lexicon" or self.teacher.lexicon
        ]

    def candidate(self, model: PlannedModel) -> list[Cell]:
        """A candidate before training, and under every arm."""
        ingredients = self._taught | self._judged | model.identity | {"max_new_tokens": MAX_NEW_TOKENS}
        before = [
            _cell(model.local.name, "zero-shot", readout, "", ingredients | {"limit": self.config.zero_shot_limit})
            for readout in self.config.readout
            if readout != "scored"
        ]
        return before + [cell for arm in self.arms for cell in self.trained(model, arm)]

    def trained(self, model: PlannedModel, arm: Arm) -> list[Cell]:
        """A candidate's training under an arm, and its readouts."""
        data = self.corpora.manifest
        pool = {"flips": data["flips"]["sha256"]} if arm.recipe.flip else {}
        recipe = {"recipe": arm.recipe.model_dump(), "arm_seed": arm.seed}
        training = _cell(model.local.name, "training", "", arm.name, self._taught | model.identity | recipe | pool)
        cells = [training]
        for readout in self.config.readout:
            if readout == "scored" and not arm.recipe.has_heads:
                continue
            read = data["tune"]["sha256"] if readout == "scored" else MAX_NEW_TOKENS
            ingredients = self._judged | {"training": training.key, "read": read}
            cells.append(_cell(model.local.name, "tuned", readout, arm.name, ingredients))
        return cells

    @property
    def _taught(self) -> dict[str, Any]:
        return {
            "seed": self.config.seed,
            "train": self.corpora.manifest["train"]["sha256"],
            "lexicon": _lexicon(self.teacher),
            "environment": environment(),
        }

    @property
    def _judged(self) -> dict[str, Any]:
        return {"eval": [[e["corpus"], e["sha256"]] for e in self.corpora.manifest["eval"]]}

    def _manifest(self, cells: Sequence[Cell]) -> dict[str, Any]:
        return {
            "config": self.config.model_dump(mode="json", exclude={"out", "data_dir", "checkpoint_seconds"}),
            "environment": environment(),
            "data": self.corpora.manifest,
            "lexicon": _lexicon(self.teacher),
            "constant_vad": list(constant_vad(self.corpora.train)),
            "candidates": [
                {
                    "name": model.local.name,
                    "source": model.local.source,
                    "licence": model.local.licence,
                    "sha256": model.local.fingerprint,
                    "prompt_sha256": model.prompter.digest,
                    "chat_template": model.prompter.uses_chat_template,
                }
                for model in self.models
            ],
            "arms": [{"name": a.name, "recipe": a.recipe.model_dump(), "seed": a.seed} for a in self.arms],
            "cells": [asdict(cell) for cell in cells],
        }


def _prepare(config: ScreenConfig, arms: tuple[Arm, ...], say: Say) -> _Ground:
    specs = [parse_spec(name) for name in dict.fromkeys(config.model)]
    recipes = [arm.recipe for arm in arms]
    if "scored" in config.readout and not any(recipe.has_heads for recipe in recipes):
        raise EmoLoomError(
            "the scored readout needs trained heads, and recipe.l_cls or recipe.l_reg is 0",
            where="readout",
            remedy="Set both above 0, or leave this readout out.",
        )
    teacher = load_teacher(config.lexicon)
    corpora = load_corpora(config, teacher, recipes, lambda texts: load_verifier(config.data_dir, say).atoms(texts))
    models: list[PlannedModel] = []
    for spec in specs:
        if spec.kind != "baseline":
            local = resolve(spec, trust_remote_code=config.trust_remote_code, say=say)
            trust = local.trust_remote_code
            prompter = load_prompter(local.name, local.folder, GOEMOTIONS, trust_remote_code=trust)
            models.append(PlannedModel(local, prompter))
    return _Ground(config, teacher, corpora, tuple(models), arms)


def _cell(candidate: str, stage: str, readout: str, arm: str, ingredients: Mapping[str, Any]) -> Cell:
    names = {"candidate": candidate, "stage": stage, "readout": readout, "arm": arm}
    return Cell(digest({**ingredients, **names}), **names)


def constant_vad(train: Sequence[Record]) -> VAD:
    """What stands in for a reply that cannot be parsed: the answer of the majority baseline."""
    return Majority().fit(train).reply.triple


def _lexicon(teacher: Teacher) -> dict[str, Any] | None:
    if teacher.lexicon is None or teacher.calibration is None:
        return None
    return {
        "name": teacher.lexicon.name,
        "sha256": teacher.lexicon.sha256,
        "calibration_sha256": digest(teacher.calibration.to_json()),
    }
