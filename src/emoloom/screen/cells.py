"""The units of work, and the keys under which their results are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
        stage: ``baseline``, ``probe``, ``zero-shot``, ``race``, ``training`` or ``tuned``.
        readout: how the answers are read; ``direct`` for a baseline, empty for a probe or a training.
        arm: the :class:`Arm` under which it was trained; empty where nothing was.
        examples: after how many training examples a rung of the race judges it; else 0.
    """

    key: str
    candidate: str
    stage: str
    readout: str
    arm: str = ""
    examples: int = 0


def baseline_cells(ground: Ground) -> list[Cell]:
    """The baselines; the lexicon only where there is one."""
    return [
        _cell(f"baseline:{name}", "baseline", "direct", "", _taught(ground) | _judged(ground))
        for name in BASELINES
        if name != "lexicon" or ground.teacher.lexicon
    ]


def probe_cells(ground: Ground, model: PlannedModel) -> list[Cell]:
    """The probe of a candidate, if there is to be one."""
    limit = ground.config.probe_limit
    ingredients = _taught(ground) | model.identity | {"probe_limit": limit}
    return [_cell(model.local.name, "probe", "", "", ingredients)] if limit else []


def zero_shot_cells(ground: Ground, model: PlannedModel) -> list[Cell]:
    """A candidate before training, if it is to be judged then."""
    limit = ground.config.zero_shot_limit
    ingredients = _taught(ground) | _judged(ground) | model.identity | {"max_new_tokens": MAX_NEW_TOKENS}
    return [
        _cell(model.local.name, "zero-shot", readout, "", ingredients | {"limit": limit})
        for readout in ground.config.readout
        if readout != "scored" and limit != 0
    ]


def race_cell(ground: Ground, model: PlannedModel, arm: Arm, examples: int) -> Cell:
    """A candidate at a rung of the race: so far into its training, judged on the race's records."""
    data = ground.corpora.manifest
    (training, *_) = trained_cells(ground, model, arm)
    ingredients = {
        "training": training.key,
        "dev": data["dev"]["sha256"],
        "dev_limit": ground.config.dev_limit,
        "read": _read(ground, ground.config.readout[0]),
    }
    return _cell(model.local.name, "race", ground.config.readout[0], arm.name, ingredients, examples)


def trained_cells(ground: Ground, model: PlannedModel, arm: Arm) -> list[Cell]:
    """A candidate's training under an arm, and its readouts."""
    data = ground.corpora.manifest
    pool = {"flips": data["flips"]["sha256"]} if arm.recipe.flip else {}
    watched = {"dev": data["dev"]["sha256"]} if arm.recipe.early_stop else {}
    recipe = {"recipe": arm.recipe.model_dump(), "arm_seed": arm.seed}
    training = _cell(
        model.local.name, "training", "", arm.name, _taught(ground) | model.identity | recipe | pool | watched
    )
    cells = [training]
    for readout in ground.config.readout:
        ingredients = _judged(ground) | {"training": training.key, "read": _read(ground, readout)}
        cells.append(_cell(model.local.name, "tuned", readout, arm.name, ingredients))
    return cells


def training_of(cell: Cell, cells: Iterable[Cell]) -> Cell:
    """The training, one of ``cells``, that a tuned cell reads out."""
    trainings = (c for c in cells if c.stage == "training")
    return next(c for c in trainings if (c.candidate, c.arm) == (cell.candidate, cell.arm))


def _taught(ground: Ground) -> dict[str, Any]:
    return {
        "seed": ground.config.seed,
        "train": ground.corpora.manifest["train"]["sha256"],
        "lexicon": lexicon_identity(ground.teacher),
        "environment": environment(),
    }


def _judged(ground: Ground) -> dict[str, Any]:
    return {"eval": [[e["corpus"], e["sha256"]] for e in ground.corpora.manifest["eval"]]}


def _read(ground: Ground, readout: str) -> Any:
    """What a readout's answers hang on beside the model."""
    return ground.corpora.manifest["tune"]["sha256"] if readout == "scored" else MAX_NEW_TOKENS


def _cell(
    candidate: str, stage: str, readout: str, arm: str, ingredients: Mapping[str, Any], examples: int = 0
) -> Cell:
    names = {"candidate": candidate, "stage": stage, "readout": readout, "arm": arm, "examples": examples}
    return Cell(digest({**ingredients, **names}), candidate, stage, readout, arm, examples)


def title(cell: Cell) -> str:
    """A cell's candidate, with the arm where there are several."""
    return f"{cell.arm} of {cell.candidate}" if "/" in cell.arm else cell.candidate
