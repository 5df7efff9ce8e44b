r"""The heads of the ``scored`` readout, fitted in closed form to what the finished model makes of its training records.

The heads that were trained with the model followed it from step to step and lag behind it: a ridge regression on its last states,
which is the best linear reading at once, finds more in them (decision 011).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch.nn.functional import layer_norm

from emoloom.evaluate.metrics import Floats
from emoloom.model.heads import Heads

_PENALTY = 100.0
"""Of the ridge, in units of the features' mean variance: as if so many records with pure noise were among the others."""
_LEAST = 1e-7
"""Penalty on features that do not vary."""
_EDGE = 0.01
"""VAD at the ends of its range has no finite log-odds."""


def fit_heads(states: npt.NDArray[np.floating], labels: Floats, vad: Floats, weight: Floats) -> Heads:
    r"""Heads that read labels and VAD off hidden states alone.

    Labels: ridge regression of :math:`y_l \in \{0, 1\}`, which balances no label and needs no steps; its prediction p becomes
    log-odds :math:`a p + b`, with one a and b for all labels from a logistic regression on the predictions for left-out records
    (Platt 1999), :math:`y - (y - p) / (1 - H_{ii})` with the hat matrix H. VAD: ridge regression of its log-odds.

    Args:
        states: (n, H) where the first label is about to be written.
        labels: (n, L) multi-hot, 0 or 1.
        vad: (n, 3) in [0, 1].
        weight: (n,) how far each VAD is to be trusted, in [0, 1]; where all are 0, VAD stays at its middle.
    """
    features = layer_norm(torch.from_numpy(states.astype(np.float32)), states.shape[-1:]).double().numpy()
    penalty = max(_PENALTY * float(features.var(axis=0).mean()), _LEAST)
    of_labels = Ridge(alpha=penalty).fit(features, labels)
    slope, shift = _platt(_left_out(features, penalty, labels, of_labels.predict(features)), labels)
    heads = Heads(states.shape[1], [0.0] * labels.shape[1])
    with torch.no_grad():
        heads.scale.zero_()
        heads.label.weight.copy_(torch.from_numpy(slope * of_labels.coef_))
        heads.label.bias.copy_(torch.from_numpy(slope * of_labels.intercept_ + shift))
        if weight.any():
            inside = vad.clip(_EDGE, 1 - _EDGE)
            of_vad = Ridge(alpha=penalty).fit(features, np.log(inside / (1 - inside)), sample_weight=weight)
            heads.vad.weight.copy_(torch.from_numpy(of_vad.coef_))
            heads.vad.bias.copy_(torch.from_numpy(of_vad.intercept_))
    return heads.eval()


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
