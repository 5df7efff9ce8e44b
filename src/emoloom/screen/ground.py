"""What a plan stands on: every name in the settings resolved and loaded, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from emoloom.assets.cache import Say
from emoloom.assets.folder import fingerprint
from emoloom.assets.models import LocalModel, resolve
from emoloom.assets.specs import parse_spec
from emoloom.config import ScreenConfig
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import CandidateError, EmoLoomError, unknown_name
from emoloom.lexicon.load import load_teacher
from emoloom.lexicon.teacher import UNFITTED, Teacher
from emoloom.model.labelling import FirstLabel
from emoloom.model.load import MAX_NEW_TOKENS, Candidate, load_candidate, load_prompter
from emoloom.model.prompts import Prompter
from emoloom.screen.arms import Arm
from emoloom.screen.corpora import Corpora, corpora_named, load_corpora
from emoloom.screen.readouts.readout import make_grammar
from emoloom.store.files import digest
from emoloom.train.collate import examples


@dataclass(frozen=True)
class Cut:
    """What a candidate has no room for: how many ``texts`` it reads without their end or their oldest turns, and how many of the
    training ``replies`` are longer than what it may write."""

    texts: int
    replies: int


@dataclass(frozen=True)
class PlannedModel:
    """A candidate, called by ``spec``, on this machine with its prompt, and what of the data is ``cut`` for it."""

    spec: str
    local: LocalModel
    prompter: Prompter
    dtype: str
    cut: Cut

    @property
    def identity(self) -> dict[str, Any]:
        """What distinguishes it from every other candidate."""
        return {
            "weights": self.local.fingerprint,
            "trust_remote_code": self.local.trust_remote_code,
            "prompt": self.prompter.digest,
            "dtype": self.dtype,
        }

    def load(self) -> Candidate:
        """The model itself, fresh from its files.

        Raises:
            CandidateError: it cannot be loaded, or its files are others than when the plan was made.
        """
        local = self.local
        trust = local.trust_remote_code
        if fingerprint(local.folder, trust_remote_code=trust) != local.fingerprint:
            raise CandidateError(
                "the model's files have changed since the run was planned",
                where=self.spec,
                remedy="Keep what is screened in a folder that nobody writes to.",
            )
        return load_candidate(local.name, local.folder, self.prompter, dtype=self.dtype, trust_remote_code=trust)


@dataclass(frozen=True)
class Ground:
    """What every plan stands on: everything that was named, loaded; ``verifier`` tells which one read the texts, None where it
    read none."""

    config: ScreenConfig
    teacher: Teacher
    corpora: Corpora
    models: tuple[PlannedModel, ...]
    arms: tuple[Arm, ...]
    verifier: Mapping[str, Any] | None


def prepare(config: ScreenConfig, arms: tuple[Arm, ...], say: Say) -> Ground:
    """Resolves every name in ``config``; models are fetched and converted where needed.

    Raises:
        EmoLoomError: anything that would stop the run later.
    """
    specs = [parse_spec(name) for name in dict.fromkeys(config.model)]
    # Baselines alone train by no recipe.
    recipes = [arm.recipe for arm in arms] if any(spec.kind != "baseline" for spec in specs) else []
    for name in config.keep:
        if name not in config.model:
            raise unknown_name("candidate", name, config.model, where="keep")
    if config.rungs > 1 and sum(spec.kind != "baseline" for spec in specs) < 2:
        raise EmoLoomError(
            "a race takes two candidates or more",
            where=f"rungs {config.rungs}, model {', '.join(map(str, specs))}",
            remedy="Name another --model, or leave --rungs out.",
        )
    teacher = load_teacher(config.lexicon)
    if teacher.calibration and teacher.calibration.fitted_on == UNFITTED:
        say(
            f"no calibration is known for the lexicon {teacher.calibration.lexicon}: its estimates are standardised instead"
        )
    corpora = load_corpora(config, teacher, recipes)
    if config.dtype == "bfloat16" and recipes and not _has_bfloat16():
        say("this machine has no bfloat16 arithmetic: float32, the default, is several times faster here")
    if corpora.unlabelled:
        say(f"{corpora.unlabelled} training records are left out, because they have no labels")
    if corpora.overlap:
        say(f"{corpora.overlap} training records are left out, because their texts are judged")
    if any(recipe.flip for recipe in recipes) and not corpora.flips:
        say("no training record has a mirror image: flips add nothing here")
    if "scored" in config.readout and recipes and not corpora.tune:
        say("no dev records are left for scored: its thresholds stay at even odds, and its VAD is not stretched")
    models: list[PlannedModel] = []
    for spec in specs:
        if spec.kind != "baseline":
            local = resolve(spec, trust_remote_code=config.trust_remote_code, say=say)
            trust = local.trust_remote_code
            prompter = load_prompter(local.name, local.folder, GOEMOTIONS, trust_remote_code=trust)
            # A tokenizer whose tokens cannot be followed would end the run only when its turn comes.
            if "scored" in config.readout or any(recipe.follows_replies for recipe in recipes):
                FirstLabel(prompter, GOEMOTIONS, torch.device("cpu"))
            if "constrained" in config.readout:
                make_grammar(prompter)
            cut = _cut(prompter, corpora)
            if cut.texts:
                say(f"{spec}: {told_cut(cut.texts)}")
            if cut.replies:
                say(f"{spec}: {cut.replies} training replies are longer than the {MAX_NEW_TOKENS} tokens it may write")
            models.append(PlannedModel(str(spec), local, prompter, config.dtype, cut))
    # Last, because a verifier may have to be fitted first, and a mistake in a name should not wait for it.
    told = None
    if any(recipe.l_app for recipe in recipes) and corpora.unappraised:
        # Imported where records are appraised, and nowhere else: inference goes without the verifier.
        from emoloom.screen.teachers.appraisal import load_verifier

        verifier, card = load_verifier(config.data_dir, say, without=corpora_named(config))
        corpora = corpora.appraised(verifier.atoms)
        told = _of_verifier(card)
    return Ground(config, teacher, corpora, tuple(models), arms, told)


def _has_bfloat16() -> bool:
    # x86 processors that stop at AVX2 compute it element by element.
    return torch.cuda.is_available() or torch.backends.cpu.get_cpu_capability() != "AVX2"


def told_cut(texts: int) -> str:
    """What is said of texts that are too long."""
    return f"{texts} texts are longer than it reads; they lose their oldest turns, then their end"


def _cut(prompter: Prompter, corpora: Corpora) -> Cut:
    judged = [record for e in corpora.evals for record in e.records]
    learnt = examples(corpora.train, prompter)
    read = [prompter.encode(record).cut for record in (*corpora.tune, *corpora.dev.records, *judged)]
    texts = sum(cut > 0 for cut in (*read, *(example.cut for example in learnt)))
    return Cut(texts, sum(len(example.reply) > MAX_NEW_TOKENS for example in learnt))


def _of_verifier(card: Mapping[str, Any]) -> dict[str, Any]:
    """What distinguishes the appraisal verifier from others, and how good it is."""
    # Rounded: the last bits of a sum may differ between machines.
    auc = {atom: round(value, 4) for atom, value in card["held_out_auc"].items()}
    corpora = [source["corpus"] for source in card["sources"]]
    return {key: card[key] for key in ("version", "fitted_on")} | {"held_out_auc": auc, "corpora": corpora}


def lexicon_identity(teacher: Teacher) -> dict[str, Any] | None:
    """What distinguishes the teacher's lexicon and its calibration from others; None without one."""
    if teacher.lexicon is None or teacher.calibration is None:
        return None
    return {
        "name": teacher.lexicon.name,
        "sha256": teacher.lexicon.sha256,
        "calibrated_on": teacher.calibration.fitted_on,
        "calibration_sha256": digest(teacher.calibration.to_json()),
    }
