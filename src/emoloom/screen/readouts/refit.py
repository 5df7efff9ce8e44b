r"""The heads of the ``scored`` readout, fitted in closed form to what the finished model makes of its training records.

The heads that were trained with the model followed it from step to step and lag behind it: a ridge regression on its last states,
which is the best linear reading at once, finds more in them (decision 011). Nor need they be the last layer's (decision 015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch.nn.functional import layer_norm

from emoloom.evaluate.metrics import Floats
from emoloom.model.heads import LinearHeads

_PENALTY = 100.0
"""Of the ridge, in units of the features' mean variance: as if so many records with pure noise were among the others."""
_LEAST = 1e-7
"""Penalty on features that do not vary."""
_EDGE = 0.01
"""VAD at the ends of its range has no finite log-odds."""
_SLACK = 0.02
"""How much more error, of the least, a lower layer may have: the layers above it need not be computed (decision 015)."""


@dataclass(frozen=True)
class _LabelFit:
    """The ridge regression of labels on one layer's features: what it says of ``left_out`` records (n, L), and the mean square of
    its ``error`` there."""

    ridge: Ridge
    left_out: Floats
    error: float


def fit_heads(states: npt.NDArray[np.floating], labels: Floats, vad: Floats, weight: Floats) -> tuple[int, LinearHeads]:
    r"""Heads that read labels and VAD off the hidden states of one layer, and which of the layers that is.

    Labels: ridge regression of :math:`y_l \in \{0, 1\}`, which balances no label and needs no steps; its prediction p becomes
    log-odds :math:`a p + b`, with one a and b for all labels from a logistic regression on the predictions for left-out records
    (Platt 1999), :math:`y - (y - p) / (1 - H_{ii})` with the hat matrix H. VAD: ridge regression of its log-odds. The layer: the
    lowest whose error on left-out records is within :data:`_SLACK` of the least.

    Args:
        states: (n, A, H) where the first label is about to be written, of A layers, the lowest first.
        labels: (n, L) multi-hot, 0 or 1.
        vad: (n, 3) in [0, 1].
        weight: (n,) how far each VAD is to be trusted, in [0, 1]; where all are 0, VAD stays at its middle.
    """
    fits = [_fit_labels(_normal(states[:, layer]), labels) for layer in range(states.shape[1])]
    least = min(fit.error for fit in fits)
    chosen = next(layer for layer, fit in enumerate(fits) if fit.error <= (1 + _SLACK) * least)
    fit = fits[chosen]
    slope, shift = _platt(fit.left_out, labels)
    heads = LinearHeads(states.shape[2], labels.shape[1])
    with torch.no_grad():
        heads.label.weight.copy_(torch.from_numpy(slope * fit.ridge.coef_))
        heads.label.bias.copy_(torch.from_numpy(slope * fit.ridge.intercept_ + shift))
        if weight.any():
            inside = vad.clip(_EDGE, 1 - _EDGE)
            features = _normal(states[:, chosen])
            of_vad = Ridge(alpha=_penalty(features)).fit(features, np.log(inside / (1 - inside)), sample_weight=weight)
            heads.vad.weight.copy_(torch.from_numpy(of_vad.coef_))
            heads.vad.bias.copy_(torch.from_numpy(of_vad.intercept_))
    return chosen, heads.eval()


def _normal(states: npt.NDArray[np.floating]) -> Floats:
    """States (n, H) as :class:`~emoloom.model.heads.LinearHeads` take them."""
    return layer_norm(torch.from_numpy(states.astype(np.float32)), states.shape[-1:]).double().numpy()


def _penalty(features: Floats) -> float:
    return max(_PENALTY * float(features.var(axis=0).mean()), _LEAST)


def _fit_labels(features: Floats, labels: Floats) -> _LabelFit:
    """The regression on one layer's features (n, H)."""
    ridge = Ridge(alpha=_penalty(features)).fit(features, labels)
    left_out = _left_out(features, _penalty(features), labels, ridge.predict(features))
    return _LabelFit(ridge, left_out, float(((labels - left_out) ** 2).mean()))


def _left_out(features: Floats, penalty: float, targets: Floats, fitted: Floats) -> Floats:
    """What the ridge says of each record when all the others fit it, (n, L)."""
    centred = features - features.mean(axis=0)
    precision = np.linalg.inv(centred.T @ centred + penalty * np.eye(centred.shape[1]))
    leverage = 1 / len(centred) + ((centred @ precision) * centred).sum(axis=1)
    residual: Floats = (targets - fitted) / (1 - leverage.clip(max=1 - 1e-9))[:, None]
    return targets - residual


def _platt(predicted: Floats, gold: Floats) -> tuple[float, float]:
    """Slope and shift that turn predictions (n, L) into log-odds."""
    if gold.min() == gold.max():
        return 1.0, 0.0
    fitted = LogisticRegression().fit(predicted.reshape(-1, 1), gold.ravel())
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
