"""Which label the model is about to write: its distribution at the first label of a reply."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from emoloom.contract.taxonomy import Taxonomy
from emoloom.errors import CandidateError
from emoloom.model.layout import lay_out
from emoloom.model.prompts import Prompter


class FirstLabel:
    """Reads a label distribution off the logits at the token that begins the first label.

    Attributes:
        opening: the reply's tokens before that place, the same for every label.
        siblings: for each label the indices of those that begin with the same token, its own among them: what is written there
            does not tell them apart.

    Args:
        prompter: encodes a reply line and knows its vocabulary.
        space: the L labels.

    Raises:
        EmoLoomError: the tokenizer spells a reply in a way that cannot be followed.
    """

    def __init__(self, prompter: Prompter, space: Taxonomy, device: torch.device) -> None:
        firsts = []
        openings = set()
        for label in space.labels:
            line = f'{{"labels":["{label}"],"vad":{{"v":0.50,"a":0.50,"d":0.50}},"rationale":"x"}}'
            ids = prompter.encode_reply(line)
            layout = lay_out(prompter.vocabulary, line, ids)
            if layout is None:
                raise cannot_follow(prompter)
            firsts.append(ids[layout.label])
            openings.add(tuple(ids[: layout.label]))
        if len(openings) > 1:
            raise cannot_follow(prompter)
        (self.opening,) = openings
        self.siblings = [[other for other, mine in enumerate(firsts) if mine == token] for token in firsts]
        self._ids = torch.tensor(firsts, device=device)

    def log_probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Log probability of the token that begins each label (B, L) from logits (B, V); differentiable."""
        return logits.float().log_softmax(dim=-1)[:, self._ids]

    def log_shares(self, counts: Sequence[int]) -> list[float]:
        """For each label the log of its share among its siblings: as common as its ``counts`` examples say, and one more."""
        return [
            math.log((counts[label] + 1) / sum(counts[other] + 1 for other in siblings))
            for label, siblings in enumerate(self.siblings)
        ]


def among_labels(log_probabilities: torch.Tensor, log_shares: torch.Tensor) -> torch.Tensor:
    """Log probability of each label, given that one is written: (B, L) from the log probabilities (B, L) of the tokens that begin
    the labels and :meth:`FirstLabel.log_shares` (L,)."""
    return (log_probabilities + log_shares).log_softmax(dim=-1)


def entropy(probabilities: torch.Tensor) -> torch.Tensor:
    r""":math:`-\sum_l q_{bl} \log q_{bl}` in nats, (B,), of distributions (B, L)."""
    return -(probabilities * probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()).sum(dim=-1)


def cannot_follow(prompter: Prompter) -> CandidateError:
    """The error for a tokenizer whose tokens cannot be laid beside the reply's text."""
    return CandidateError(
        "the tokenizer spells a reply with tokens that do not add up to its text",
        where=str(prompter.tokenizer.name_or_path),
        remedy="Leave it out, or screen without the scored readout, with l_cls, l_write, l_reg, l_vad and l_app 0 and mixture "
        "natural.",
    )
