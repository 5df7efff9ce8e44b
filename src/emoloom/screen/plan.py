"""What a run will do, settled and checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from emoloom.assets.cache import Say
from emoloom.assets.folder import file_hashes
from emoloom.config import PARTS, AblationConfig, ScreenConfig
from emoloom.contract.affect import VAD
from emoloom.contract.record import Record
from emoloom.errors import EmoLoomError
from emoloom.lexicon.load import DEFAULT_LEXICON, NO_LEXICON
from emoloom.screen.arms import FULL, PLAIN, Arm, ablation_arms
from emoloom.screen.baselines import Majority
from emoloom.screen.cells import Cell, baseline_cells, probe_cells, race_cell, trained_cells, zero_shot_cells
from emoloom.screen.environment import environment
from emoloom.screen.ground import Ground, lexicon_identity, prepare
from emoloom.screen.race import rungs
from emoloom.store.files import digest
from emoloom.store.run import READ_FROM, planned


@dataclass(frozen=True)
class Plan(Ground):
    """A checked run: its cells in the order of the work, and what identifies it."""

    cells: tuple[Cell, ...]
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The default name of the run's folder: the same plan, the same name."""
        return digest(planned(self.manifest))[:12]


def make_plan(config: ScreenConfig, say: Say) -> Plan:
    """The plan of a screening: baselines, all candidates probed and zero-shot, the race, and the candidates fine-tuned in full.

    Raises:
        EmoLoomError: anything that would stop the run later.
    """
    (arm,) = arms = (Arm("tuned", config.recipe, config.seed),)
    ground = prepare(config, arms, say)
    before = [
        cell for model in ground.models for cell in [*probe_cells(ground, model), *zero_shot_cells(ground, model)]
    ]
    total = len(ground.corpora.train) * config.recipe.epochs
    race = [race_cell(ground, model, arm, n) for n in rungs(total, config.rungs) for model in ground.models]
    tuned = [cell for model in ground.models for cell in trained_cells(ground, model, arm)]
    return _plan(ground, [*baseline_cells(ground), *before, *race, *tuned])


def make_ablation_plan(config: AblationConfig, say: Say) -> Plan:
    """The plan of an ablation: one candidate, fine-tuned under every arm; raises as :func:`make_plan`."""
    if len(config.model) != 1 or config.model[0].startswith("baseline:"):
        raise EmoLoomError("an ablation takes one model", where=", ".join(config.model), remedy="Pass --model once.")
    arms = ablation_arms(config)
    if {arm.name.partition("/")[0] for arm in arms} == {FULL, PLAIN}:
        raise EmoLoomError(
            "the recipe has no part to leave out",
            where="recipe",
            remedy=f"Switch at least two parts on, such as {', '.join(PARTS)}; see docs/configuration.md.",
        )
    ground = prepare(config, arms, say)
    (model,) = ground.models
    return _plan(ground, [cell for arm in ground.arms for cell in trained_cells(ground, model, arm)])


def _plan(ground: Ground, cells: Sequence[Cell]) -> Plan:
    return Plan(**vars(ground), cells=tuple(cells), manifest=_manifest(ground, cells))


def _manifest(ground: Ground, cells: Sequence[Cell]) -> dict[str, Any]:
    return {
        "config": _settings(ground),
        "environment": environment(),
        "data": ground.corpora.manifest,
        READ_FROM: ground.corpora.read_from,
        "lexicon": lexicon_identity(ground.teacher),
        "verifier": ground.verifier,
        "constant_vad": list(constant_vad(ground.corpora.train)),
        "candidates": [
            {
                "name": model.local.name,
                "source": model.local.source,
                "revision": model.local.revision,
                "licence": model.local.licence,
                "sha256": model.local.fingerprint,
                "files": file_hashes(model.local.folder, trust_remote_code=model.local.trust_remote_code),
                "prompt_sha256": model.prompter.digest,
                "chat_template": model.prompter.uses_chat_template,
                "cut": asdict(model.cut),
            }
            for model in ground.models
        ],
        "arms": [{"name": a.name, "recipe": a.recipe.model_dump(), "seed": a.seed} for a in ground.arms],
        "cells": [asdict(cell) for cell in cells],
    }


def _settings(ground: Ground) -> dict[str, Any]:
    """Everything that was asked for, and which lexicon was found where none was named."""
    settings = ground.config.model_dump(mode="json", exclude={"out", "data_dir", "checkpoint_seconds"})
    found = DEFAULT_LEXICON if ground.teacher.lexicon else NO_LEXICON
    return settings | {"lexicon": ground.config.lexicon or found}


def constant_vad(train: Sequence[Record]) -> VAD:
    """What stands in for a reply that cannot be parsed: the answer of the majority baseline."""
    return Majority().fit(train).reply.triple
