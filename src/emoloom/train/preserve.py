r"""``L_vad``, the VAD-preserving constraint: the VAD that the model's own text implies against the record's.

.. math:: L_{vad} = \frac1B \sum_b w_b \left( \lVert \mathbf n_b - \mathbf v_b \rVert_2
                                       + [\text{words}_b]\,\lVert \mathbf s_b - \mathbf v_b \rVert_2 \right)

under teacher forcing, with :math:`\mathbf n_b` the expectation over the number tokens, :math:`\mathbf s_b` the soft lexicon
reading of the words in ``labels`` and ``rationale``, and :math:`w_b` the record's ``vad_weight``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from emoloom.contract.affect import VAD
from emoloom.model.layout import Layout, middle
from emoloom.model.vocabulary import Vocabulary
from emoloom.train.regress import distance


def implied_numbers(logits: torch.Tensor, starts: Sequence[int], layouts: Sequence[Layout]) -> torch.Tensor:
    r"""The VAD that the distribution over number tokens implies.

    A number is spelled by one or more tokens. At token t, let :math:`p_t` be the model's distribution restricted to the
    tokens that a valid number allows and :math:`m(c)` the mean of the numbers still open after token c. The implied value is

    .. math:: m(\varnothing) + \sum_t \Big( \sum_c p_t(c)\,m(c) - m(r_{<t}) \Big)

    with :math:`r` the record's spelling. Where one token spells the number this is its expectation; where several do, it is
    the expectation of each digit given the record's digits before it, and differs from the full expectation only by how the
    later digits depend on the earlier ones (at most 0.045, half the width that a second digit can move a value).

    Args:
        logits: (R, V), row r predicting reply token r.
        starts: the row of each example's first reply token.
        layouts: of the B examples.

    Returns:
        (B, 3), differentiable.
    """
    steps = [(row, start + s.step, s) for row, (start, layout) in enumerate(zip(starts, layouts, strict=True))
             for s in layout.numbers]  # fmt: skip
    width = max(len(s.ids) for _, _, s in steps)
    device = logits.device
    ids = torch.tensor([[*s.ids, *[s.ids[0]] * (width - len(s.ids))] for _, _, s in steps], device=device)
    means = torch.tensor([[*s.values, *[0.0] * (width - len(s.values))] for _, _, s in steps], device=device)
    real = torch.tensor([[i < len(s.ids) for i in range(width)] for _, _, s in steps], device=device)
    rows = torch.tensor([row for _, row, _ in steps], device=device)
    before = torch.tensor([s.before for _, _, s in steps], device=device)
    where = torch.tensor([3 * b + s.axis for b, _, s in steps], device=device)
    weights = logits[rows[:, None], ids].masked_fill(~real, float("-inf")).softmax(dim=-1)
    moves = (weights * means).sum(dim=-1) - before
    implied = torch.full((3 * len(layouts),), middle(""), device=device).index_add(0, where, moves)
    return implied.reshape(-1, 3)


class WordTable:
    """The lexicon's words that are one token of a vocabulary.

    Args:
        vocabulary: the tokens.
        values: word in lower case -> VAD on the records' scale.
    """

    def __init__(self, vocabulary: Vocabulary, values: Mapping[str, VAD], device: torch.device) -> None:
        known = [(token, text.startswith(" "), text.removeprefix(" ").lower()) for token, text in vocabulary.words]
        self._ids: dict[bool, torch.Tensor] = {}
        self._values: dict[bool, torch.Tensor] = {}
        self._known: dict[bool, frozenset[int]] = {}
        for spaced in (False, True):
            mine = [(token, values[word]) for token, begins, word in known if begins is spaced and word in values]
            self._ids[spaced] = torch.tensor([token for token, _ in mine], dtype=torch.long, device=device)
            self._values[spaced] = torch.tensor([value for _, value in mine], device=device).reshape(-1, 3)
            self._known[spaced] = frozenset(token for token, _ in mine)

    def implied(
        self, logits: torch.Tensor, starts: Sequence[int], layouts: Sequence[Layout], replies: Sequence[Sequence[int]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        r"""The soft lexicon VAD of each reply: at every step that spells a known word, the mean value of all known words under
        the model's distribution restricted to them, averaged over the steps.

        Returns:
            (B, 3), differentiable, and (B,) how many known words each reply has; 0.5 on every axis where it has none.
        """
        totals = torch.zeros(len(layouts), 3, device=logits.device)
        counts = torch.zeros(len(layouts), device=logits.device)
        for spaced in (False, True):
            places = [
                (b, start + step)
                for b, (start, layout, reply) in enumerate(zip(starts, layouts, replies, strict=True))
                for step, begins in layout.words
                if begins is spaced and reply[step] in self._known[spaced]
            ]
            if places:
                which = torch.tensor([b for b, _ in places], device=logits.device)
                rows = torch.tensor([row for _, row in places], device=logits.device)
                soft = logits[rows][:, self._ids[spaced]].softmax(dim=-1) @ self._values[spaced]
                totals = totals.index_add(0, which, soft)
                counts = counts.index_add(0, which, torch.ones(len(places), device=logits.device))
        means = totals / counts.clamp_min(1)[:, None]
        return torch.where(counts[:, None] > 0, means, torch.full_like(means, 0.5)), counts


def preserving_loss(
    numbers: torch.Tensor, words: torch.Tensor, counts: torch.Tensor, target: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Sum over examples of the weighted distances of ``numbers`` (B, 3) and, where ``counts`` (B,) is above 0, of ``words``
    (B, 3) from ``target`` (B, 3); ``weight`` (B,) in [0, 1]. A scalar."""
    spoken = (counts > 0).float()
    return (weight * (distance(numbers, target) + spoken * distance(words, target))).sum()
