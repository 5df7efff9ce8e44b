"""Errors that a user can mend.

Everything that goes wrong because of an input, a file, a flag or the machine is an :class:`EmoLoomError`. The command line
prints its one line and exits with code 2; a traceback therefore always means a defect in EmoLoom itself.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

# What torch's CPU allocator and CUDA's libraries say in a plain RuntimeError.
_NO_MEMORY = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "STATUS_ALLOC_FAILED",
)


class EmoLoomError(Exception):
    """A mistake outside the program: what is wrong, where it is, and how to mend it.

    Args:
        problem: the bad value and what is wrong with it, in one sentence.
        where: the file (with line), flag or name in which it was met.
        remedy: what the user can do about it.
    """

    def __init__(self, problem: str, *, where: str = "", remedy: str = "") -> None:
        self.problem = problem
        self.where = where
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        line = f"{self.where}: {self.problem}" if self.where else self.problem
        if self.remedy:
            line = f"{line.rstrip('.')}. {self.remedy}"
        return " ".join(line.split())


class CandidateError(EmoLoomError):
    """One candidate cannot be used; others may be."""


class DivergedError(CandidateError):
    """A candidate's training has come to a loss or gradient that is not finite."""


def unknown_name(kind: str, name: str, known: Iterable[str], *, where: str = "") -> EmoLoomError:
    """The error for a name that does not exist, with its closest matches (or all names when none is close)."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = "Did you mean " + " or ".join(close) + "?" if close else f"Known: {', '.join(names)}."
    return EmoLoomError(f"unknown {kind} {name!r}", where=where, remedy=hint)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, says that the machine or its accelerator has no memory left.

    Torch's own classes are known by name and message: nothing here imports torch.
    """
    while error is not None:
        by_class = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
        by_errno = isinstance(error, OSError) and error.errno == errno.ENOMEM
        if by_class or by_errno or any(sign in str(error) for sign in _NO_MEMORY):
            return True
        error = error.__cause__
    return False
