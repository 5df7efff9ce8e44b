from __future__ import annotations

import numpy as np
import pytest

from emoloom.contract.parse import Failure, Parsed, parse_reply
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import EmoLoomError
from emoloom.evaluate.bootstrap import resample_weights
from emoloom.evaluate.flip import flip_score
from emoloom.evaluate.paired import difference
from emoloom.evaluate.score import Outcome

MIDDLE = (0.5, 0.5, 0.5)


def reply(v: float) -> Parsed:
    found = parse_reply(f'{{"labels":["joy"],"vad":{{"v":{v:.2f},"a":0.50,"d":0.50}},"rationale":"x"}}', GOEMOTIONS)
    assert isinstance(found, Parsed)
    return found


def failure() -> Failure:
    found = parse_reply("nothing", GOEMOTIONS)
    assert isinstance(found, Failure)
    return found


def value(
    original: Outcome, mirror: Outcome, pleasant: bool, constant: tuple[float, float, float] = MIDDLE
) -> float | None:
    return flip_score([original], [mirror], [pleasant], constant=constant, resamples=1).value


@pytest.mark.parametrize(
    ("original", "mirror", "pleasant", "expected"),
    [
        (0.51, 0.49, True, 1.0),
        (0.51, 0.49, False, 0.0),
        (0.2, 0.9, False, 1.0),
        (0.9, 0.6, True, 0.0),
        (0.5, 0.1, True, 0.0),
        (0.9, 0.5, True, 0.0),
    ],
)
def test_one_pair(original: float, mirror: float, pleasant: bool, expected: float) -> None:
    assert value(reply(original), reply(mirror), pleasant) == expected


def test_a_failure_counts_as_the_constant() -> None:
    assert value(failure(), reply(0.1), True) == 0.0
    assert value(failure(), reply(0.1), True, (0.6, 0.5, 0.5)) == 1.0
    assert value(failure(), failure(), True, (0.6, 0.5, 0.5)) == 0.0


def test_resamples_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    v = rng.random((30, 2)).round(2)
    pleasant = rng.random(30) < 0.5
    found = flip_score(
        [reply(x) for x in v[:, 0]], [reply(x) for x in v[:, 1]], pleasant.tolist(), constant=MIDDLE, seed=3
    )
    up, down = np.where(pleasant, v[:, 0], v[:, 1]), np.where(pleasant, v[:, 1], v[:, 0])
    hits = (up > 0.5) & (down < 0.5)
    weights = np.concatenate(list(resample_weights(30, 1000, 3)))
    assert found.value == pytest.approx(hits.mean())
    np.testing.assert_allclose(found.samples, [np.average(hits, weights=w) for w in weights])


def test_candidates_are_compared_by_pair() -> None:
    good = flip_score([reply(0.9)] * 20, [reply(0.1)] * 20, [True] * 20, constant=MIDDLE)
    bad = flip_score([reply(0.9)] * 20, [failure()] * 20, [True] * 20, constant=MIDDLE)
    gap = difference(good, bad)
    assert gap is not None
    assert (gap.value, gap.separates) == (1.0, True)


def test_mistakes_are_said() -> None:
    with pytest.raises(EmoLoomError, match="no flip pairs"):
        flip_score([], [], [], constant=MIDDLE)
    with pytest.raises(ValueError, match="zip"):
        flip_score([reply(0.1)], [], [True], constant=MIDDLE)
