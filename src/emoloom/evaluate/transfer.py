r"""How much of labels and VAD frozen features give away, in closed form: nothing is trained.

All three scores are read off one singular value decomposition of the n records' features, each column standardised:
:math:`X = U \operatorname{diag}(s) V^\top`. With r singular values, whatever is wanted of a target y (centred) lies in
:math:`z = U^\top y`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emoloom.evaluate.metrics import Floats

_EPSILON = float(np.finfo(np.float32).eps)
"""Features come in float32: what is smaller relative to the largest is rounding."""
# Ridge penalties relative to the largest squared singular value, from hardly any to all but infinite.
_PENALTIES = np.logspace(-6, 4, 101)


@dataclass(frozen=True)
class Factors:
    """Standardised features (n, d), taken apart.

    Attributes:
        left: (n, r) left singular vectors, each orthogonal to the constant.
        squares: (r,) squared singular values, all above zero.
        width: columns that vary.
    """

    left: Floats
    squares: Floats
    width: int

    @property
    def n(self) -> int:
        """Records."""
        return len(self.left)

    @property
    def shrinkage(self) -> float:
        """How far the covariance is to be drawn towards a multiple of the identity, in [0, 1] (Ledoit and Wolf 2004)."""
        if not self.width:
            return 1.0
        n, d = self.n, self.width
        lengths = (self.left**2 @ self.squares) ** 2
        squared_norm = float(self.squares @ self.squares) / n**2
        noise = (lengths.sum() / n - squared_norm) / n
        distance = squared_norm - (self.squares.sum() / n) ** 2 / d
        # Nothing to draw it to: it is a multiple of the identity already.
        return float(min(noise / distance, 1.0)) if distance > _EPSILON * squared_norm else 0.0


def factors(features: npt.NDArray[np.floating]) -> Factors:
    """Standardises ``features`` (n, d), n at least 2, leaving out the columns that are constant, and takes them apart."""
    wide = features.astype(np.float64)
    centred = wide - wide.mean(axis=0)
    deviation = centred.std(axis=0)
    varies = deviation > _EPSILON * np.abs(wide).max(axis=0, initial=0.0)
    standard = centred[:, varies] / deviation[varies]
    left, values, _ = np.linalg.svd(standard, full_matrices=False)
    kept = values > _EPSILON * values.max(initial=0.0)
    return Factors(left[:, kept], values[kept] ** 2, int(varies.sum()))


def h_scores(of: Factors, targets: Floats) -> Floats:
    r"""H-score of each target, (k,), in [0, 1]: the share of a target's variance that a linear reading of the features explains.

    For a binary target this is :math:`\operatorname{tr}(\Sigma_X^{-1} \Sigma_{E[X|y]})` (Bao et al. 2019, "An
    information-theoretic approach to transferability"), regularised as in Ibrahim et al. 2021 ("Newer is not always better"):
    :math:`(1 - \alpha) \operatorname{tr}(\Sigma_\alpha^{-1} \Sigma_{E[X|y]})` with the Ledoit-Wolf covariance
    :math:`\Sigma_\alpha = (1 - \alpha) \Sigma_X + \alpha \sigma I`.

    Args:
        targets: (n, k), of any mean and scale; 0 for one that is constant.
    """
    z, total = _project(of, targets)
    alpha = of.shrinkage
    mean_square = of.squares.sum() / of.n / max(of.width, 1)
    share = (1 - alpha) * of.squares / ((1 - alpha) * of.squares + alpha * mean_square * of.n)
    return _ratio(share @ z**2, total)


def evidence_gains(of: Factors, targets: Floats) -> Floats:
    r"""LogME of each target above that of a constant, (k,), in nats a record, at least 0.

    LogME (You et al. 2021) is the log evidence of :math:`y \sim N(Xw, \beta^{-1} I)`, :math:`w \sim N(0, \alpha^{-1} I)` at the
    best :math:`\alpha` and :math:`\beta`. With an intercept of its own, n - 1 directions are left; the best :math:`\beta` for a
    penalty :math:`\lambda = \alpha / \beta` is known, and what is gained over a constant is
    :math:`-\frac12 \log \frac{Q(\lambda)}{y^\top y} - \frac{1}{2 (n - 1)} \sum_i \log(1 + s_i^2 / \lambda)` with
    :math:`Q(\lambda) = y^\top y - \sum_i z_i^2 s_i^2 / (s_i^2 + \lambda)`. It is maximised over a grid of penalties.

    Args:
        targets: (n, k), of any mean and scale; 0 for one that is constant.
    """
    z, total = _project(of, targets)
    if not len(of.squares):
        return np.zeros(targets.shape[1])
    penalties = _PENALTIES[:, None] * of.squares.max()
    explained = _ratio((of.squares / (of.squares + penalties)) @ z**2, total)
    cost = np.log1p(of.squares / penalties).sum(axis=1) / (of.n - 1)
    gains = -0.5 * (np.log1p(-explained) + cost[:, None])
    best: Floats = gains.max(axis=0, initial=0.0)
    return best


def ridge_loo(of: Factors, targets: Floats) -> Floats:
    r"""What ridge regression with an intercept predicts for each record from all the others, (n, k).

    With the hat matrix H, the residual of a left-out record is :math:`(y_i - \hat y_i) / (1 - H_{ii})`. Each target takes the
    penalty with the smallest squared error over these residuals.

    Args:
        targets: (n, k).
    """
    z, _ = _project(of, targets)
    centred = targets - targets.mean(axis=0)
    best = np.full(targets.shape[1], np.inf)
    predicted = np.empty_like(targets)
    for penalty in _PENALTIES * of.squares.max(initial=0.0):
        share = of.squares / (of.squares + penalty)
        leverage = 1 / of.n + (of.left**2) @ share
        residual = (centred - of.left @ (share[:, None] * z)) / (1 - leverage)[:, None]
        error = (residual**2).sum(axis=0)
        better = error < best
        best[better] = error[better]
        predicted[:, better] = (targets - residual)[:, better]
    return predicted


def _project(of: Factors, targets: Floats) -> tuple[Floats, Floats]:
    """The centred targets' part in each left singular vector (r, k), and their sums of squares (k,)."""
    centred = targets - targets.mean(axis=0)
    return of.left.T @ centred, (centred**2).sum(axis=0)


def _ratio(part: Floats, total: Floats) -> Floats:
    return np.divide(part, total, out=np.zeros_like(part), where=total > 0)
