"""The units of work, and the keys under which their results are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emoloom.assets.specs import BASELINES
from emoloom.model.load import MAX_NEW_TOKENS
from emoloom.screen.arms import Arm
from emoloom.screen.environment import environment
from emoloom.screen.ground import Ground, PlannedModel, lexicon_identity
from emoloom.store.files import digest


@dataclass(frozen=True)
class Cell:
    """One unit of work.

    Attributes:
        key: hashes everything that can change its result.
        candidate: whose.
        stage: ``baseline``, ``probe``, ``zero-shot``, ``training`` or ``tuned``.
        readout: how the answers are read; ``direct`` for a baseline, empty for a probe or a training.
        arm: the :class:`Arm` under which it was trained; empty where nothing was.
    """

    key: str
    candidate: str
    stage: str
    readout: str
    arm: str = ""


def baseline_cells(ground: Ground) -> list[Cell]:
    """The baselines; the lexicon only where there is one."""
    return [
        _cell(f"baseline:{name}", "baseline", "direct", "", _taught(ground) | _judged(ground))
        for name in BASELINES
        if name != "lexicon" or ground.teacher.lexicon
    ]


def candidate_cells(ground: Ground, model: PlannedModel) -> list[Cell]:
    """A candidate before training, and under every arm."""
    probed = _taught(ground) | model.identity | {"probe_limit": ground.config.probe_limit}
    probe = [_cell(model.local.name, "probe", "", "", probed)] if ground.config.probe_limit else []
    ingredients = _taught(ground) | _judged(ground) | model.identity | {"max_new_tokens": MAX_NEW_TOKENS}
    before = [
        _cell(model.local.name, "zero-shot", readout, "", ingredients | {"limit": ground.config.zero_shot_limit})
        for readout in ground.config.readout
        if readout != "scored"
    ]
    return probe + before + [cell for arm in ground.arms for cell in trained_cells(ground, model, arm)]


def trained_cells(ground: Ground, model: PlannedModel, arm: Arm) -> list[Cell]:
    """A candidate's training under an arm, and its readouts."""
    data = ground.corpora.manifest
    pool = {"flips": data["flips"]["sha256"]} if arm.recipe.flip else {}
    recipe = {"recipe": arm.recipe.model_dump(), "arm_seed": arm.seed}
    training = _cell(model.local.name, "training", "", arm.name, _taught(ground) | model.identity | recipe | pool)
    cells = [training]
    for readout in ground.config.readout:
        if readout == "scored" and not arm.recipe.has_heads:
            continue
        read = data["tune"]["sha256"] if readout == "scored" else MAX_NEW_TOKENS
        ingredients = _judged(ground) | {"training": training.key, "read": read}
        cells.append(_cell(model.local.name, "tuned", readout, arm.name, ingredients))
    return cells


def _taught(ground: Ground) -> dict[str, Any]:
    return {
        "seed": ground.config.seed,
        "train": ground.corpora.manifest["train"]["sha256"],
        "lexicon": lexicon_identity(ground.teacher),
        "environment": environment(),
    }


def _judged(ground: Ground) -> dict[str, Any]:
    return {"eval": [[e["corpus"], e["sha256"]] for e in ground.corpora.manifest["eval"]]}


def _cell(candidate: str, stage: str, readout: str, arm: str, ingredients: Mapping[str, Any]) -> Cell:
    names = {"candidate": candidate, "stage": stage, "readout": readout, "arm": arm}
    return Cell(digest({**ingredients, **names}), **names)
