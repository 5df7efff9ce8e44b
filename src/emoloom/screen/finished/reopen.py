"""What a finished run was made with, taken up again from its manifest: settings, teacher and candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from emoloom.assets.cache import Say
from emoloom.assets.folder import untrusted
from emoloom.assets.models import resolve
from emoloom.assets.specs import parse_spec
from emoloom.config import AblationConfig, Recipe, ScreenConfig
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import EmoLoomError
from emoloom.lexicon.load import NO_LEXICON, load_teacher
from emoloom.lexicon.teacher import Teacher
from emoloom.model.load import Candidate, load_candidate, load_prompter
from emoloom.screen.cell import tuned
from emoloom.screen.cells import Cell, training_of
from emoloom.screen.ground import lexicon_identity
from emoloom.store.run import MANIFEST, CellFolder, RunFolder


class Reopened:
    """A run, with what its manifest names.

    A run may come from anybody: that it trusted a model's own Python code is no reason to run that code here. ``trust`` is.

    Attributes:
        run: its folder.
        manifest: as it was written.
        config: its settings.
        cells: in their order.

    Raises:
        EmoLoomError: there is no run in the folder, or it is another version's.
    """

    def __init__(self, run: RunFolder, *, trust: bool = False) -> None:
        self.run = run
        self._trust = trust
        self.manifest: Mapping[str, Any] = run.read_json(MANIFEST)
        self.config = _config(self.manifest["config"], str(run.path / MANIFEST))
        self.cells = [Cell(**cell) for cell in self.manifest["cells"]]

    @cached_property
    def teacher(self) -> Teacher:
        """What its records were completed with.

        Raises:
            EmoLoomError: its lexicon is not to be had, or has changed.
        """
        lexicon = self.manifest["lexicon"]
        teacher = load_teacher(self.config.lexicon if lexicon else NO_LEXICON)
        if lexicon_identity(teacher) != lexicon:
            raise EmoLoomError(
                "the lexicon has changed since the run used it",
                where=lexicon["name"],
                remedy="Restore it, or screen again.",
            )
        return teacher

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """What its arms were trained by, by their names."""
        return {arm["name"]: Recipe.model_validate(arm["recipe"]) for arm in self.manifest["arms"]}

    def folder(self, cell: Cell) -> CellFolder:
        """The folder of one of its cells."""
        return self.run.cell(cell.key)

    def candidate(self, cell: Cell, say: Say) -> Candidate:
        """The model that gave a cell's answers: as it is, or as the cell's arm had trained it by then.

        Raises:
            EmoLoomError: it cannot be had, or it or its prompt is not the one that the run used, or the run trusts code that is
                not trusted here.
        """
        if self.config.trust_remote_code and not self._trust:
            raise untrusted("the run lets models bring their own Python code", str(self.run.path / MANIFEST))
        known = next(c for c in self.manifest["candidates"] if c["name"] == cell.candidate)
        trust, dtype = self.config.trust_remote_code, self.config.dtype
        base = load_model(
            cell.candidate, say, trust=trust, dtype=dtype, expected=known["sha256"], revision=known["revision"]
        )
        if base.prompter.digest != known["prompt_sha256"]:
            raise EmoLoomError(
                "the prompt has changed since the run used it",
                where=f"{cell.candidate} in {self.run.path / MANIFEST}",
                remedy="Use the version of EmoLoom that made this run, or screen again.",
            )
        if cell.stage not in ("race", "tuned"):
            return base
        trained = self.folder(cell if cell.stage == "race" else training_of(cell, self.cells))
        return tuned(base, trained, self.recipes[cell.arm])


def _config(settings: Mapping[str, Any], where: str) -> ScreenConfig:
    kind = AblationConfig if "seeds" in settings else ScreenConfig
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        raise EmoLoomError(
            "its settings are those of another version of EmoLoom",
            where=where,
            remedy="Use the version that made this run, or screen again.",
        ) from error


def load_model(
    name: str,
    say: Say,
    *,
    trust: bool,
    dtype: str = "float32",
    expected: str | None = None,
    revision: str | None = None,
) -> Candidate:
    """The untrained model of a spec, at a ``revision`` of its repository if one is given.

    Raises:
        EmoLoomError: it cannot be had, or its weights are not the ``expected`` ones (by their sha256).
    """
    spec = parse_spec(name)
    if spec.kind == "baseline":
        raise EmoLoomError("a baseline is trained inside a screening and not kept", where=name, remedy="Name a model.")
    local = resolve(replace(spec, revision=revision or spec.revision), trust_remote_code=trust, say=say)
    if expected not in (None, local.fingerprint):
        raise EmoLoomError(
            "the model has changed since the run trained it", where=name, remedy="Restore it, or screen it again."
        )
    prompter = load_prompter(name, local.folder, GOEMOTIONS, trust_remote_code=trust)
    return load_candidate(name, local.folder, prompter, dtype=dtype, trust_remote_code=trust)
