"""How the terms of an objective pull on a model: size and direction of their gradients.

    python bench/gradients.py RUN --arm full/0 --json gradients.json

RUN is an ablation. The model is taken as its arm has trained it, and as it was before; the terms, weighed as in the arm's recipe,
are read on the first of its training records, with the supervised loss in parts: numbers, first label, all else. A cosine of 1
says that a term pulls where another one pulls already, one below 0 that it pulls against it.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

import common
from emoloom.config import AblationConfig, Recipe
from emoloom.model.layout import lay_out
from emoloom.model.load import Candidate
from emoloom.screen.finished.reopen import Reopened
from emoloom.screen.plan import Plan, make_ablation_plan
from emoloom.store.run import RunFolder
from emoloom.train.batch import run_batch
from emoloom.train.collate import Example, examples
from emoloom.train.objective import Objective

# The others read heads, which begin anew here and have nothing to say.
REGULARIZERS = ("write", "vad", "app")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--arm", default="full/0")
    parser.add_argument("--records", type=int, default=32)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    opened = Reopened(RunFolder(options.run))
    config = AblationConfig.model_validate(opened.manifest["config"]).model_copy(update={"out": options.run})
    plan = make_ablation_plan(config, common.say)
    recipe = opened.recipes[options.arm]
    answers = next(cell for cell in opened.cells if (cell.stage, cell.arm) == ("tuned", options.arm))
    figures = {
        when: pulls(candidate, plan, recipe, options.records)
        for when, candidate in (("before", plan.models[0].load()), ("after", opened.candidate(answers, common.say)))
    }
    common.write(options.json, {"records": options.records, **figures})


def pulls(candidate: Candidate, plan: Plan, recipe: Recipe, count: int) -> dict[str, Any]:
    """Norm and cosines of the gradient of each term, over all weights, as means over the records."""
    pool = examples(plan.corpora.train, candidate.prompter)
    objective = Objective(candidate.model, candidate.prompter, pool, recipe, plan.teacher.word_values())
    pool = pool[:count]
    weights = list(candidate.model.requires_grad_(True).parameters())
    sums: dict[str, torch.Tensor] = defaultdict(lambda: torch.zeros(()))
    for start in range(0, len(pool), recipe.micro_batch):
        batch = pool[start : start + recipe.micro_batch]
        for terms in (supervised(candidate, batch), regularizers(objective, batch, recipe)):
            for name, term in terms.items():
                parts = torch.autograd.grad(term, weights, retain_graph=True)
                sums[name] = sums[name] + torch.cat([part.flatten() for part in parts]) / len(pool)
    return {
        name: {
            "norm": round(dot(one, one) ** 0.5, 4),
            "cosines": {
                other: round(dot(one, two) / (dot(one, one) * dot(two, two)) ** 0.5, 2) for other, two in sums.items()
            },
        }
        for name, one in sums.items()
    }


def dot(one: torch.Tensor, two: torch.Tensor) -> float:
    """The product of two long vectors, with the sum in double precision."""
    step = 2**20
    parts = ((one[at : at + step], two[at : at + step]) for at in range(0, len(one), step))
    return math.fsum(float(a.double() @ b.double()) for a, b in parts)


def supervised(candidate: Candidate, batch: list[Example]) -> Mapping[str, torch.Tensor]:
    """The supervised loss of a batch in its parts, for each example over as many tokens as it has."""
    out = run_batch(candidate.model, candidate.prompter.prefix, batch)
    losses = cross_entropy(out.logits, out.targets, reduction="none")
    part = ["else"] * len(losses)
    length = torch.ones(len(losses))
    for start, example in zip(out.starts, batch, strict=True):
        layout = lay_out(candidate.prompter.vocabulary, example.line, example.reply)
        assert layout is not None
        length[start : start + len(example.reply)] = len(example.reply)
        part[start + layout.label] = "first label"
        for number in layout.numbers:
            part[start + number.step] = "numbers"
    return {
        f"sft, {name}": (losses / length)[[own == name for own in part]].sum()
        for name in ("numbers", "first label", "else")
    }


def regularizers(objective: Objective, batch: list[Example], recipe: Recipe) -> Mapping[str, torch.Tensor]:
    """The other terms, weighed."""
    terms = objective(batch)
    return {name: getattr(recipe, f"l_{name}") * terms[name] for name in REGULARIZERS if name in terms}


if __name__ == "__main__":
    main()
