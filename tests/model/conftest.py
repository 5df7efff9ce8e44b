"""One tiny model of every architecture, with the packed attention and with transformers' own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from tests import tiny

from emoloom.model.load import Candidate


@dataclass(frozen=True)
class Pair:
    """The same weights twice: as a run loads them, and with eager attention."""

    candidate: Candidate
    eager: Any


@pytest.fixture(scope="session", params=[*tiny.ARCHITECTURES, *tiny.UNPACKABLE])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tiny.make_model(tmp_path_factory.mktemp(request.param), request.param)
    candidate = tiny.load_tiny(folder)
    return Pair(candidate, tiny.load_eager(folder, candidate.device))
