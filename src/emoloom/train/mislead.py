"""Replies shown with another record's labels, so that the numbers learn to read the text.

Under teacher forcing the numbers follow the right labels, and most of what they are can be read off these. At inference they
follow the model's own, of which half are wrong: what was learnt from labels is then wrong with them (exposure bias; scheduled
sampling, Bengio et al. 2015, shows the model its own errors instead). So some examples are shown with labels that their text does
not bear out, and asked for their own numbers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emoloom.contract.record import make_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.model.layout import lay_out
from emoloom.model.prompts import Prompter
from emoloom.train.collate import MASKED, Example


def mislead(examples: Sequence[Example], prompter: Prompter, share: float, seed: int) -> list[Example]:
    """The examples, a random ``share`` of them shown with the labels of another that has none in common with them.

    Of such a reply are learnt the opening with the right first label, and the numbers; the rest is masked.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.random(len(examples)) < share
    others = rng.integers(len(examples), size=len(examples))
    return [
        _misled(example, examples[other].labels, prompter)
        if wanted and not set(example.labels) & set(examples[other].labels)
        else example
        for example, wanted, other in zip(examples, chosen, others, strict=True)
    ]


def _misled(example: Example, labels: Sequence[int], prompter: Prompter) -> Example:
    rationale = json.loads(example.line)["rationale"]
    line = make_reply((GOEMOTIONS.labels[i] for i in labels), example.vad, rationale, GOEMOTIONS).line()
    reply = prompter.encode_reply(line)
    layout = lay_out(prompter.vocabulary, line, reply)
    if layout is None:
        return example
    numbers = range(layout.numbers[0].step, layout.numbers[-1].step + 1)
    targets = [token if step < layout.label or step in numbers else MASKED for step, token in enumerate(reply)]
    # What comes before the first label is the same for all labels.
    targets[layout.label] = example.reply[layout.label]
    return replace(example, line=line, reply=tuple(reply), targets=tuple(targets))
