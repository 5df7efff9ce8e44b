"""What the cells of a plan will take: unit prices (:mod:`~emoloom.screen.pricing.rates`), corrected by what finished cells took.

A cell's seconds are loading, then its records times a unit price. Two units are measured on each candidate: training on an
example, and a forward over a prompt. What is not measured directly, such as a written reply, is taken as so many forwards; once a
cell of a kind is finished, the next of its kind are priced by what that one took in these units.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emoloom.config import Recipe
from emoloom.model.load import MAX_NEW_TOKENS
from emoloom.model.prompts import Prompter
from emoloom.screen.cell import wanted_records
from emoloom.screen.cells import Cell
from emoloom.screen.plan import Plan
from emoloom.screen.pricing.rates import TOO_LARGE, Rates
from emoloom.train.collate import examples
from emoloom.train.loop import seen_by

# Forwards over a prompt that a record takes, until one of the run's own cells says better: decode_seconds over forwards of two
# models' first screenings, rounded up.
_FORWARDS = {"tuned": 12.0, "race": 12.0, "zero-shot": 30.0, "probe": 1.5}
_SCORED = 1.2
# Seconds a training record: TF-IDF with its 28 regressions and 3 ridges, 480 to 1,500 records.
_BASELINE = 4e-3
TFIDF = "baseline:tfidf"
# Seconds a judged record: two judgements of a cell, with their resamples.
_JUDGED = 4e-3


@dataclass(frozen=True)
class Price:
    """What a cell takes: wall time in seconds, examples (trained, tuned on, answered or probed), tokens of their prompts and
    replies, and the process's peak memory in bytes."""

    seconds: float = 0.0
    examples: int = 0
    tokens: int = 0
    memory: float = 0.0

    def __add__(self, other: Price) -> Price:
        return Price(
            self.seconds + other.seconds,
            self.examples + other.examples,
            self.tokens + other.tokens,
            max(self.memory, other.memory),
        )


class Prices:
    """The price of every cell of a plan.

    Args:
        rates: of each candidate, by its name.
        spent: what finished cells took, from ``timings.json``, by key.
    """

    def __init__(self, plan: Plan, rates: Mapping[str, Rates], spent: Mapping[str, Mapping[str, Any]]) -> None:
        self._plan = plan
        self._rates = rates
        self._recipes = {arm.name: arm.recipe for arm in plan.arms}
        self._lengths = {model.local.name: self._mean_lengths(model.prompter) for model in plan.models}
        self._units = self._mean_units(spent)
        self._train = len(plan.corpora.train)
        self._limit: int | None = None

    def scaled(self, train: int, limit: int) -> Prices:
        """The prices of the same plan with so many training records, and at most ``limit`` judged ones in each corpus."""
        other = copy.copy(self)
        other._train, other._limit = train, limit
        return other

    def observed(self, spent: Mapping[str, Mapping[str, Any]]) -> Prices:
        """The prices once cells have taken what ``spent`` says."""
        other = copy.copy(self)
        other._units = self._mean_units(spent)
        return other

    def of(self, cell: Cell) -> Price:
        """The price of a cell from its beginning."""
        train = self._train
        judged = self.judged(cell)
        if cell.stage == "baseline":
            fitted = train if cell.candidate == TFIDF else 0
            return Price(fitted * _BASELINE + judged * _JUDGED)
        rates = self._rates[cell.candidate]
        prompt, reply = self._lengths[cell.candidate]
        unit = self._unit(cell)
        if cell.stage == "training":
            recipe = self._recipes[cell.arm]
            ends = self._behind(recipe, len(self._plan.corpora.train) * recipe.epochs)
            seen = round(ends * self._share) - round(self._raced() * self._share)
            return Price(rates.load + seen * unit, seen, round(seen * (prompt + reply)), rates.training)
        if cell.stage == "probe":
            probed = min(self._plan.config.probe_limit, train)
            return Price(rates.load + probed * unit, probed, round(probed * prompt), rates.reading)
        written = 0.0 if cell.readout == "scored" else MAX_NEW_TOKENS if cell.stage == "zero-shot" else reply
        read = Price(rates.load + judged * (unit + _JUDGED), judged, round(judged * (prompt + written)), rates.reading)
        if cell.readout == "scored":
            corpora = self._plan.corpora
            fitted = len(corpora.fitted_on(self._recipes[cell.arm], cell.examples))
            forwards = round(fitted * self._share) + len(corpora.tuned_on(cell.stage, self._plan.config.dev_limit))
            read += Price(forwards * unit, forwards, round(forwards * prompt))
        if cell.stage == "race":
            more = round((self._reached(cell) - self._rung_before(cell)) * self._share)
            training = self._units.get(("training", ""), 1.0) * rates.example
            read += Price(rates.load + more * training, more, round(more * (prompt + reply)), rates.training)
        return read

    def judged(self, cell: Cell) -> int:
        """How many records a cell is judged on."""
        if cell.stage in ("training", "probe"):
            return 0
        if cell.stage == "race":
            return len(self._plan.corpora.dev.records)
        zero_shot = self._plan.config.zero_shot_limit if cell.stage == "zero-shot" else None
        limits = [limit for limit in (zero_shot, self._limit) if limit is not None]
        return len(wanted_records(self._plan.corpora.evals, min(limits, default=None)))

    @property
    def _share(self) -> float:
        return self._train / len(self._plan.corpora.train)

    def _unit(self, cell: Cell) -> float:
        """Seconds for one of the records that the cell trains on, answers or probes."""
        rates = self._rates[cell.candidate]
        if cell.stage == "training":
            return self._units.get(("training", ""), 1.0) * rates.example
        assumed = _SCORED if cell.readout == "scored" else _FORWARDS[cell.stage]
        return self._units.get((cell.stage, cell.readout), assumed) * rates.forward

    def _mean_units(self, spent: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], float]:
        """By stage and readout, how many of its candidate's units a record took; the mean over finished cells."""
        found: dict[tuple[str, str], list[float]] = {}
        for cell in self._plan.cells:
            cost = spent.get(cell.key, {})
            rates = self._rates.get(cell.candidate)
            if rates and rates != TOO_LARGE and cost.get("trained_examples"):
                unit = cost["train_seconds"] / cost["trained_examples"] / rates.example
                found.setdefault(("training", ""), []).append(unit)
            if rates and rates != TOO_LARGE and cost.get("decoded"):
                unit = cost["decode_seconds"] / cost["decoded"] / rates.forward
                found.setdefault((cell.stage, cell.readout), []).append(unit)
        return {kind: float(np.mean(units)) for kind, units in found.items()}

    def _mean_lengths(self, prompter: Prompter) -> tuple[float, float]:
        """Tokens of a training record's prompt and of its reply."""
        pool = examples(self._plan.corpora.train, prompter)
        return float(np.mean([len(e.prompt) for e in pool])), float(np.mean([len(e.reply) for e in pool]))

    def _raced(self) -> int:
        """How many examples of a training lie behind when the race is over."""
        return max((self._reached(c) for c in self._plan.cells if c.stage == "race"), default=0)

    def _rung_before(self, cell: Cell) -> int:
        before = (c for c in self._plan.cells if c.stage == "race" and c.examples < cell.examples)
        return max((self._reached(c) for c in before), default=0)

    def _reached(self, cell: Cell) -> int:
        """How many examples lie behind at a rung."""
        return self._behind(self._plan.arms[0].recipe, cell.examples)

    def _behind(self, recipe: Recipe, until: int) -> int:
        """How many examples, trained on or watched, lie behind after ``until`` of the training."""
        total = len(self._plan.corpora.train) * recipe.epochs
        return seen_by(recipe, until, total, len(self._plan.corpora.watched_by(recipe)))
