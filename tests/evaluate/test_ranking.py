"""The ranking score: half labels, half VAD, whichever corpora carry them."""

from __future__ import annotations

import numpy as np
import pytest

from emoloom.errors import EmoLoomError
from emoloom.evaluate.bootstrap import Estimate
from emoloom.evaluate.ranking import ranking_score


def estimate(value: float | None, *samples: float) -> Estimate:
    return Estimate(value, np.array(samples))


BOTH = {"strict_macro_f1": estimate(0.4, 0.3, 0.5), "vad_ccc_mean": estimate(0.2, 0.1, 0.3)}
LABELS = {"strict_macro_f1": estimate(0.6, 0.5, 0.7), "parse_ok": estimate(1.0, 1.0, 1.0)}
VAD = {"vad_ccc_mean": estimate(0.5, 0.4, 0.6)}


@pytest.mark.parametrize(
    ("corpora", "value", "samples"),
    [
        pytest.param([BOTH], 0.3, [0.2, 0.4], id="both"),
        pytest.param([BOTH, LABELS], 0.35, [0.25, 0.45], id="labels-are-averaged-first"),
        pytest.param([BOTH, LABELS, VAD], 0.425, [0.325, 0.525], id="three"),
        pytest.param([LABELS], 0.6, [0.5, 0.7], id="labels-take-all"),
        pytest.param([VAD], 0.5, [0.4, 0.6], id="vad-takes-all"),
    ],
)
def test_the_score_is_half_labels_half_vad(
    corpora: list[dict[str, Estimate]], value: float, samples: list[float]
) -> None:
    score = ranking_score(corpora)
    assert score.value == pytest.approx(value)
    np.testing.assert_allclose(score.samples, samples)


def test_an_undefined_figure_counts_as_zero() -> None:
    score = ranking_score([{**LABELS, "vad_ccc_mean": estimate(None, np.nan, 0.2)}])
    assert score.value == pytest.approx(0.3)
    np.testing.assert_allclose(score.samples, [0.25, 0.45])


@pytest.mark.parametrize(("by", "value"), [("strict_macro_f1", 0.5), ("vad_ccc_mean", 0.35), ("score", 0.425)])
def test_one_kind_may_rank_alone(by: str, value: float) -> None:
    assert ranking_score([BOTH, LABELS, VAD], by).value == pytest.approx(value)


@pytest.mark.parametrize(
    ("corpus", "by", "lacking"),
    [
        ({"parse_ok": estimate(1.0, 1.0)}, "score", "labels or VAD"),
        (VAD, "strict_macro_f1", "labels"),
        (LABELS, "vad_ccc_mean", "VAD"),
    ],
)
def test_corpora_that_lack_what_they_are_ranked_by_cannot_rank(
    corpus: dict[str, Estimate], by: str, lacking: str
) -> None:
    with pytest.raises(EmoLoomError, match=f"no evaluation record has {lacking}"):
        ranking_score([corpus], by)
