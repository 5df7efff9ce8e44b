r"""``L_vad``, the VAD-preserving constraint: how far the VAD of what the model is about to write is expected to lie from the
record's.

.. math:: L_{vad} = \frac1B \sum_b w_b \left( n_b + t_b \right)

under teacher forcing, with :math:`n_b` the expected miss of the numbers, :math:`t_b` that of the words in ``labels`` and
``rationale``, and :math:`w_b` the record's ``vad_weight``. Both are expectations of a distance and not distances of an
expectation: the latter are content with digits, or words, on either side of the target, and what is written is one of them, not
their mean (docs/decisions/007-objective.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from emoloom.contract.affect import VAD
from emoloom.model.layout import Layout
from emoloom.model.vocabulary import Vocabulary
from emoloom.train.regress import distance


def expected_misses(
    logits: torch.Tensor, starts: Sequence[int], layouts: Sequence[Layout], target: torch.Tensor
) -> torch.Tensor:
    r"""How far the numbers that the model is about to write are expected to lie from the record's.

    A number is spelled by tokens :math:`c_1^*, \dots, c_T^*`. At token t, let :math:`p_t` be the model's distribution restricted
    to the tokens that a valid number allows, given the record's before, and :math:`m(c)` the mean of the numbers still open
    after token c. A token other than the record's misses by what lies between m and the target v, the record's own by what the
    tokens behind it miss:

    .. math:: E_t = \sum_{c \ne c_t^*} p_t(c)\,\lvert m(c) - v \rvert + p_t(c_t^*)\,E_{t+1}, \qquad
        E_{T+1} = \lvert m(c_T^*) - v \rvert

    and :math:`E_1` is the expected distance of the number from v, if those that are open behind a wrong token are alike likely
    (and lie to one side of v, as they do where no token is the beginning of another); however many tokens a number has, an axis
    counts once.

    Args:
        logits: (R, V), row r predicting reply token r.
        starts: the row of each example's first reply token.
        layouts: of the B examples.
        target: (B, 3).

    Returns:
        (B,) the sum over the axes, differentiable.
    """
    steps = [
        (b, start + step.step, step)
        for b, (start, layout) in enumerate(zip(starts, layouts, strict=True))
        for step in layout.numbers
    ]
    width = max(len(step.ids) for _, _, step in steps)
    device = logits.device
    ids = torch.tensor([[*s.ids, *[s.ids[0]] * (width - len(s.ids))] for _, _, s in steps], device=device)
    means = torch.tensor([[*s.values, *[0.0] * (width - len(s.values))] for _, _, s in steps], device=device)
    real = torch.tensor([[i < len(s.ids) for i in range(width)] for _, _, s in steps], device=device)
    own = torch.tensor([s.own for _, _, s in steps], device=device)[:, None]
    rows = torch.tensor([row for _, row, _ in steps], device=device)
    wanted = target[[b for b, _, _ in steps], [s.axis for _, _, s in steps]]
    shares = logits[rows[:, None], ids].masked_fill(~real, float("-inf")).softmax(dim=-1)
    distances = (means - wanted[:, None]).abs()
    right = shares.gather(1, own)[:, 0]
    wrong = (shares * distances.scatter(1, own, 0.0)).sum(dim=-1)
    # The sum that E_1 unfolds to: each token's part times the probability of the record's tokens before it.
    number = torch.tensor([3 * b + s.axis for b, _, s in steps], device=device)
    same = number[:, None] == number
    before = torch.where(same.tril(-1), right, 1.0).prod(dim=-1)
    last = ~same.triu(1).any(dim=-1)
    misses = before * (wrong + last * right * distances.gather(1, own)[:, 0])
    return _by_example([b for b, _, _ in steps], len(layouts), misses[:, None])[:, 0]


class Words:
    """The words that a vocabulary spells with one token, and the labels, with their values on the records' scale.

    Args:
        vocabulary: the tokens.
        values: word in lower case -> VAD.
        anchors: (L, 3), of the labels.
        device: where the logits will lie.
    """

    def __init__(
        self, vocabulary: Vocabulary, values: Mapping[str, VAD], anchors: Sequence[VAD], device: torch.device
    ) -> None:
        known = [(token, text.startswith(" "), text.removeprefix(" ").lower()) for token, text in vocabulary.words]
        self._ids: dict[bool, torch.Tensor] = {}
        self._values: dict[bool, torch.Tensor] = {}
        self._places: dict[bool, dict[int, int]] = {}
        for spaced in (False, True):
            mine = [(token, values[word]) for token, begins, word in known if begins is spaced and word in values]
            self._ids[spaced] = torch.tensor([token for token, _ in mine], dtype=torch.long, device=device)
            self._values[spaced] = torch.tensor([value for _, value in mine], device=device).reshape(-1, 3)
            self._places[spaced] = {token: place for place, (token, _) in enumerate(mine)}
        self._anchors = torch.tensor(anchors, device=device)

    def expected_misses(
        self,
        logits: torch.Tensor,
        starts: Sequence[int],
        layouts: Sequence[Layout],
        replies: Sequence[Sequence[int]],
        labels: torch.Tensor,
        target: torch.Tensor,
    ) -> torch.Tensor:
        r"""How far the VAD of the words is expected to lie from the right one: the mean over the places of a reply.

        The first label misses by :math:`\sum_l q_l\,\lVert \mathbf a_l - \mathbf v \rVert_2` with the anchors
        :math:`\mathbf a_l`. A step that spells a known word w of the rationale misses by
        :math:`\sum_c \frac{p(c)}{\sum_k p(k)}\,\lVert \mathbf e_c - \mathbf e_w \rVert_2` over the known words c and k: another
        word will do if it means as much. Among known words only, or writing what no lexicon knows would be a gain.

        Args:
            replies: the reply tokens of each.
            labels: (B, L), q.
            target: (B, 3), v.

        Returns:
            (B,), differentiable.
        """
        anchors = distance(self._anchors, target[:, None])
        where, misses = list(range(len(layouts))), [(labels * anchors).sum(dim=-1)]
        for spaced in (False, True):
            places = [
                (b, start + step, reply[step])
                for b, (start, layout, reply) in enumerate(zip(starts, layouts, replies, strict=True))
                for step, begins in layout.words
                if begins is spaced and reply[step] in self._places[spaced]
            ]
            if places:
                owners, rows, tokens = zip(*places, strict=True)
                own = self._values[spaced][[self._places[spaced][token] for token in tokens]]
                shares = logits[list(rows)][:, self._ids[spaced]].softmax(dim=-1)
                misses.append((shares * distance(self._values[spaced], own[:, None])).sum(dim=-1))
                where += owners
        counts = torch.tensor([where.count(b) for b in range(len(layouts))], device=logits.device)
        return _by_example(where, len(layouts), torch.cat(misses)[:, None])[:, 0] / counts


def preserving_loss(numbers: torch.Tensor, words: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Sum over examples of the weighted misses of ``numbers`` (B,) and ``words`` (B,); ``weight`` (B,) in [0, 1]. A scalar."""
    return (weight * (numbers + words)).sum()


def _by_example(where: Sequence[int], size: int, values: torch.Tensor) -> torch.Tensor:
    """Sums rows (P, k) by the example that each belongs to: (size, k). A product, because adding at indices is not
    deterministic on a GPU."""
    index = torch.tensor(where, device=values.device)
    belongs = (torch.arange(size, device=values.device)[:, None] == index).to(values.dtype)
    return belongs @ values
