"""Lexicons by name, as they have been fetched, or from a file."""

from __future__ import annotations

from pathlib import Path

from emoloom.assets.lexicons import LEXICONS, lexicon_path
from emoloom.errors import EmoLoomError, unknown_name
from emoloom.lexicon.norms import Lexicon
from emoloom.lexicon.teacher import Teacher

DEFAULT_LEXICON = "warriner"
NO_LEXICON = "none"


def load_teacher(lexicon: str | None) -> Teacher:
    """The teacher with the lexicon of this name or in this file, without one (``none``), or, where nothing is named, with the
    default one where it has been fetched.

    Raises:
        EmoLoomError: the named lexicon is unknown or has not been fetched, or the file cannot be read (:meth:`Lexicon.read`).
    """
    name = (lexicon or DEFAULT_LEXICON).removeprefix("lexicon:")
    if name == NO_LEXICON:
        return Teacher()
    if name not in LEXICONS:
        if not _is_file(name):
            raise unknown_name("lexicon", name, [*LEXICONS, NO_LEXICON, "FILE"])
        return Teacher.of(Lexicon.read(name))
    path = lexicon_path(name)
    if path is None and lexicon:
        raise EmoLoomError(
            "the lexicon is not on this machine", where=name, remedy=f"Run `emoloom fetch lexicon:{name}`."
        )
    return Teacher.of(Lexicon.read(path, name=name)) if path else Teacher()


def _is_file(name: str) -> bool:
    """Whether a file is meant: it is there, or is spelled as none of the names is."""
    path = Path(name)
    return path.exists() or bool(path.suffix) or len(path.parts) > 1
