"""Lexicons by name, as they have been fetched."""

from __future__ import annotations

from emoloom.assets.lexicons import LEXICONS, lexicon_path
from emoloom.errors import EmoLoomError, unknown_name
from emoloom.lexicon.norms import Lexicon
from emoloom.lexicon.teacher import Teacher

DEFAULT_LEXICON = "warriner"


def load_teacher(lexicon: str | None) -> Teacher:
    """The teacher with the named lexicon, or with the default one where it has been fetched.

    Raises:
        EmoLoomError: the named lexicon is unknown or has not been fetched.
    """
    name = (lexicon or DEFAULT_LEXICON).removeprefix("lexicon:")
    if name not in LEXICONS:
        raise unknown_name("lexicon", name, LEXICONS)
    path = lexicon_path(name)
    if path is None and lexicon:
        raise EmoLoomError(
            "the lexicon is not on this machine", where=name, remedy=f"Run `emoloom fetch lexicon:{name}`."
        )
    return Teacher.of(Lexicon.read(path, name=name)) if path else Teacher()
