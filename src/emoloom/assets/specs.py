"""Candidates as the user names them."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from emoloom.assets.pypi import PYPI_MODELS
from emoloom.errors import EmoLoomError, unknown_name

Kind = Literal["hf", "path", "gguf", "pypi", "baseline"]

BASELINES = ("majority", "lexicon", "tfidf")

_HUB_NAME = re.compile(r"(?P<repo>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>\S+))?", re.ASCII)
_FORMS = "Write hf:ORG/NAME[@REV], path:DIR, gguf:FILE, pypi:NAME or baseline:NAME."


@dataclass(frozen=True)
class ModelSpec:
    """Where a candidate comes from.

    Args:
        kind: the scheme.
        location: repository, folder, file or name, by scheme.
        revision: branch, tag or commit of a hub repository, else None.
    """

    kind: Kind
    location: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.location}" + (f"@{self.revision}" if self.revision else "")


def parse_spec(text: str) -> ModelSpec:
    """Read `hf:ORG/NAME[@REV]`, `path:DIR`, `gguf:FILE`, `pypi:NAME` or `baseline:NAME`.

    Raises:
        EmoLoomError: the scheme is missing or unknown, or the rest is not a name of that scheme.
    """
    scheme, colon, location = text.partition(":")
    if not colon:
        raise _without_scheme(text)
    if scheme not in get_args(Kind):
        raise unknown_name("model source", scheme, get_args(Kind), where=text)
    if not location:
        raise EmoLoomError("nothing follows the colon", where=text, remedy=_FORMS)
    if scheme == "hf":
        return _hub_spec(text, location)
    known = {"pypi": PYPI_MODELS, "baseline": BASELINES}.get(scheme)
    if known is not None and location not in known:
        raise unknown_name(f"{scheme} model", location, known, where=text)
    kind: Kind = scheme  # type: ignore[assignment]
    return ModelSpec(kind, location)


def _hub_spec(text: str, location: str) -> ModelSpec:
    match = _HUB_NAME.fullmatch(location)
    if not match:
        raise EmoLoomError(
            f"{location!r} is not ORG/NAME[@REV]", where=text, remedy="Example: hf:Qwen/Qwen1.5-1.8B-Chat."
        )
    return ModelSpec("hf", match["repo"], match["revision"])


def _without_scheme(text: str) -> EmoLoomError:
    schemes = {name: f"pypi:{name}" for name in PYPI_MODELS} | {name: f"baseline:{name}" for name in BASELINES}
    if text.lower().endswith(".gguf"):
        meant = [f"gguf:{text}"]
    elif text and Path(text).is_dir():
        meant = [f"path:{text}"]
    elif _HUB_NAME.fullmatch(text):
        meant = [f"hf:{text}"]
    else:
        meant = [schemes[name] for name in difflib.get_close_matches(text.lower(), schemes, n=3, cutoff=0.5)]
    remedy = f"Did you mean {' or '.join(meant)}?" if meant else _FORMS
    return EmoLoomError(f"the model {text!r} does not say where it comes from", remedy=remedy)
