"""What a run will do, settled and checked before anything is written: candidates, records, cells and their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from emoloom.assets.cache import Say
from emoloom.assets.lexicons import LEXICONS, lexicon_path
from emoloom.assets.models import LocalModel, resolve
from emoloom.assets.specs import BASELINES, parse_spec
from emoloom.config import ScreenConfig
from emoloom.contract.affect import VAD
from emoloom.contract.record import Record
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import EmoLoomError, unknown_name
from emoloom.lexicon.norms import Lexicon
from emoloom.lexicon.teacher import Teacher
from emoloom.model.load import MAX_NEW_TOKENS, load_prompter
from emoloom.model.prompts import Prompter
from emoloom.screen.baselines import Majority
from emoloom.screen.corpora import Corpora, load_corpora
from emoloom.screen.environment import environment
from emoloom.store.files import digest

DEFAULT_LEXICON = "warriner"


@dataclass(frozen=True)
class PlannedModel:
    """A candidate on this machine with its prompt."""

    local: LocalModel
    prompter: Prompter


@dataclass(frozen=True)
class Cell:
    """One unit of work.

    Attributes:
        key: hashes everything that can change its result.
        candidate: whose.
        stage: ``baseline``, ``zero-shot``, ``training`` or ``tuned``.
        readout: how the answers are read; ``direct`` for a baseline, empty for a training.
    """

    key: str
    candidate: str
    stage: str
    readout: str


@dataclass(frozen=True)
class Plan:
    """A checked run."""

    config: ScreenConfig
    teacher: Teacher
    corpora: Corpora
    models: tuple[PlannedModel, ...]
    cells: tuple[Cell, ...]
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The default name of the run's folder: the same plan, the same name."""
        return digest(self.manifest)[:12]


def make_plan(config: ScreenConfig, say: Say) -> Plan:
    """Resolves every name in ``config``; models are fetched and converted where needed.

    Raises:
        EmoLoomError: anything that would stop the run later.
    """
    specs = [parse_spec(name) for name in dict.fromkeys(config.model)]
    if "scored" in config.readout and not (config.recipe.l_cls and config.recipe.l_reg):
        raise EmoLoomError(
            "the scored readout needs trained heads, and recipe.l_cls or recipe.l_reg is 0",
            where="readout",
            remedy="Set both above 0, or leave this readout out.",
        )
    teacher = make_teacher(config.lexicon)
    corpora = load_corpora(config, teacher)
    models: list[PlannedModel] = []
    for spec in specs:
        if spec.kind != "baseline":
            local = resolve(spec, trust_remote_code=config.trust_remote_code, say=say)
            trust = local.trust_remote_code
            prompter = load_prompter(local.name, local.folder, GOEMOTIONS, trust_remote_code=trust)
            models.append(PlannedModel(local, prompter))
    cells = _cells(config, teacher, corpora, models)
    return Plan(config, teacher, corpora, tuple(models), cells, _manifest(config, teacher, corpora, models, cells))


def make_teacher(lexicon: str | None) -> Teacher:
    """The teacher with the named lexicon, or with the default one where it has been fetched.

    Raises:
        EmoLoomError: the named lexicon is unknown or has not been fetched.
    """
    name = (lexicon or DEFAULT_LEXICON).removeprefix("lexicon:")
    if name not in LEXICONS:
        raise unknown_name("lexicon", name, LEXICONS)
    path = lexicon_path(name)
    if path is None and lexicon:
        raise EmoLoomError(
            "the lexicon is not on this machine", where=name, remedy=f"Run `emoloom fetch lexicon:{name}`."
        )
    return Teacher.of(Lexicon.read(path, name=name)) if path else Teacher()


def _cells(config: ScreenConfig, teacher: Teacher, corpora: Corpora, models: list[PlannedModel]) -> tuple[Cell, ...]:
    data = corpora.manifest()
    taught = {"seed": config.seed, "train": data["train"]["sha256"], "environment": environment()}
    judged = {"eval": [[e["corpus"], e["sha256"]] for e in data["eval"]]}
    cells = [
        _cell(f"baseline:{name}", "baseline", "direct", taught | judged | {"lexicon": _lexicon(teacher)})
        for name in BASELINES
        if name != "lexicon" or teacher.lexicon
    ]
    for model in models:
        name = model.local.name
        identity = {
            "weights": model.local.fingerprint,
            "trust_remote_code": model.local.trust_remote_code,
            "prompt": model.prompter.digest,
        }
        # Drafts are made from the training records; they cost time and never a token, but a bug there could.
        written = taught | judged | identity | {"max_new_tokens": MAX_NEW_TOKENS}
        for readout in config.readout:
            if readout != "scored":
                cells.append(_cell(name, "zero-shot", readout, written | {"limit": config.zero_shot_limit}))
        recipe = {"recipe": config.recipe.model_dump(), "lexicon": _lexicon(teacher)}
        training = _cell(name, "training", "", taught | identity | recipe)
        cells.append(training)
        for readout in config.readout:
            read = data["tune"]["sha256"] if readout == "scored" else MAX_NEW_TOKENS
            cells.append(_cell(name, "tuned", readout, judged | {"training": training.key, "read": read}))
    return tuple(cells)


def _cell(candidate: str, stage: str, readout: str, ingredients: Mapping[str, Any]) -> Cell:
    names = {"candidate": candidate, "stage": stage, "readout": readout}
    return Cell(digest({**ingredients, **names}), **names)


def _manifest(
    config: ScreenConfig, teacher: Teacher, corpora: Corpora, models: list[PlannedModel], cells: tuple[Cell, ...]
) -> dict[str, Any]:
    return {
        "config": config.model_dump(mode="json", exclude={"out", "data_dir", "checkpoint_seconds"}),
        "environment": environment(),
        "data": corpora.manifest(),
        "lexicon": _lexicon(teacher),
        "constant_vad": list(constant_vad(corpora.train)),
        "candidates": [
            {
                "name": model.local.name,
                "source": model.local.source,
                "licence": model.local.licence,
                "sha256": model.local.fingerprint,
                "prompt_sha256": model.prompter.digest,
                "chat_template": model.prompter.uses_chat_template,
            }
            for model in models
        ],
        "cells": [asdict(cell) for cell in cells],
    }


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
