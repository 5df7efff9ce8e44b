r"""The training objective.

.. math:: L = L_{sft} + \ell_{cls} L_{cls} + \ell_{write} L_{write} + \ell_{reg} L_{reg} + \ell_{vad} L_{vad} + \ell_{app} L_{app}

:math:`L_{sft}` is a mean over reply tokens, every other term a mean over examples. A term with weight 0 is not computed, so
that with all of them at 0 training is plain supervised fine-tuning, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from emoloom.config import Recipe
from emoloom.contract.affect import AFFECT, VAD
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.model.heads import Heads
from emoloom.model.labelling import FirstLabel, among_labels, cannot_follow, entropy
from emoloom.model.layout import Layout, lay_out
from emoloom.model.prompts import Prompter
from emoloom.train.appraise import appraisal_loss, atom_spread, calibrated_profiles
from emoloom.train.batch import BatchOutput, run_batch
from emoloom.train.classify import classification_loss, label_balance, label_counts
from emoloom.train.collate import Example
from emoloom.train.preserve import Words, expected_misses, preserving_loss
from emoloom.train.regress import regression_loss
from emoloom.train.sft import sft_loss
from emoloom.train.write import writing_loss

REGULARIZERS = ("cls", "write", "reg", "vad", "app")
"""The terms beside ``sft``; ``l_NAME`` in the recipe is the weight of each."""


class Objective:
    """The recipe's terms, ready for one candidate and its training examples.

    Attributes:
        heads: the label and VAD heads, or None where no term reads them.
    """

    def __init__(
        self, model: Any, prompter: Prompter, examples: Sequence[Example], recipe: Recipe, words: Mapping[str, VAD]
    ) -> None:
        """Prepares the terms of ``recipe``.

        Args:
            model: the candidate, on its device.
            prompter: its tokenizer.
            examples: everything that will be trained on.
            words: values of words on the records' scale, for ``L_vad``.

        Raises:
            EmoLoomError: a term needs to know where the numbers stand in a reply, and the tokenizer does not show it.
        """
        self._model = model
        self._prompter = prompter
        self._recipe = recipe
        self._device = next(model.parameters()).device
        self.heads: Heads | None = None
        counts = label_counts([e.labels for e in examples], len(GOEMOTIONS.labels))
        self._balance = self._tensor(label_balance(counts, len(examples)))
        self._mean_balance = float(np.average(self._balance.cpu(), weights=counts)) if any(counts) else 1.0
        self._layouts: dict[str, Layout] = {}
        if recipe.follows_replies:
            self._first = FirstLabel(prompter, GOEMOTIONS, self._device)
            shares = self._first.log_shares(counts)
            self._log_shares = self._tensor(shares)
            if recipe.l_cls or recipe.l_reg:
                self.heads = Heads(model.get_output_embeddings().weight.shape[1], shares).to(self._device)
            anchors = [words[label] for label in GOEMOTIONS.labels] if recipe.l_vad else [(0.5, 0.5, 0.5)]
            self._words = Words(prompter.vocabulary, words, anchors, self._device)
            for example in examples:
                layout = lay_out(prompter.vocabulary, example.line, example.reply)
                if layout is None:
                    raise cannot_follow(prompter)
                self._layouts[example.line] = layout
        read = [(example.labels, example.atoms) for example in examples if example.atoms]
        table = [AFFECT[label].appraisal for label in GOEMOTIONS.labels]
        atoms = [x for _, x in read]
        self._profiles = self._tensor(calibrated_profiles(table, [x for x, _ in read], atoms).tolist())
        self._spread = self._tensor(atom_spread(atoms))

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """One forward over ``examples``.

        Returns:
            The terms by name, each a sum (over reply tokens for ``sft``, else over examples) that is not yet weighted; with
            ``entropy``, which is no term, that of the label distribution where the mixture asks for it.
        """
        recipe = self._recipe
        out = run_batch(self._model, self._prompter.prefix, examples)
        terms = {"sft": sft_loss(out)}
        if not self._layouts:
            return terms
        rows = [start + self._layouts[e.line].label for start, e in zip(out.starts, examples, strict=True)]
        log_probabilities = self._first.log_probabilities(out.logits[rows])
        labels = among_labels(log_probabilities, self._log_shares).exp()
        if self.heads is not None:
            logits, vad = self.heads(out.states[rows], log_probabilities)
            if recipe.l_cls:
                terms["cls"] = classification_loss(logits, self._labels(examples), self._balance)
            if recipe.l_reg:
                terms["reg"] = regression_loss(vad, *self._vad(examples))
        if recipe.l_write:
            balance = self._balance / self._mean_balance
            terms["write"] = writing_loss(log_probabilities, self._labels(examples), balance)
        if recipe.l_vad:
            terms["vad"] = self._preserving(out, labels)
        if recipe.l_app:
            terms["app"] = appraisal_loss(labels, self._profiles, self._spread, *self._atoms(examples))
        if recipe.mixture == "entropy":
            terms["entropy"] = entropy(labels).detach().sum()
        return terms

    def reply_loss(self, examples: Sequence[Example]) -> torch.Tensor:
        """``sft`` alone, of examples that need not be among those trained on."""
        return sft_loss(run_batch(self._model, self._prompter.prefix, examples))

    def weighted(self, terms: Mapping[str, torch.Tensor], tokens: int, examples: int) -> torch.Tensor:
        """The part of the objective that a micro-batch contributes to a batch of so many reply ``tokens`` and ``examples``."""
        total = terms["sft"] / tokens
        for name in REGULARIZERS:
            if name in terms:
                total = total + getattr(self._recipe, f"l_{name}") * terms[name] / examples
        return total

    def _preserving(self, out: BatchOutput, labels: torch.Tensor) -> torch.Tensor:
        layouts = [self._layouts[example.line] for example in out.examples]
        replies = [example.reply for example in out.examples]
        target, weight = self._vad(out.examples)
        misses = expected_misses(out.logits, out.starts, layouts, target)
        words = self._words.expected_misses(out.logits, out.starts, layouts, replies, labels, target)
        return preserving_loss(misses, words, weight)

    def _labels(self, examples: Sequence[Example]) -> torch.Tensor:
        hot = torch.zeros(len(examples), len(GOEMOTIONS.labels), device=self._device)
        for row, example in enumerate(examples):
            hot[row, list(example.labels)] = 1.0
        return hot

    def _vad(self, examples: Sequence[Example]) -> tuple[torch.Tensor, torch.Tensor]:
        return self._tensor([e.vad for e in examples]), self._tensor([e.vad_weight for e in examples])

    def _atoms(self, examples: Sequence[Example]) -> tuple[torch.Tensor, torch.Tensor]:
        """The verifier's atoms and which examples have them."""
        unread = (0.5,) * 4
        atoms = self._tensor([e.atoms or unread for e in examples])
        return atoms, self._tensor([float(e.atoms is not None) for e in examples])

    def _tensor(self, values: Sequence[Any]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._device)
