"""The ``emoloom`` command."""

from __future__ import annotations

import ctypes
import os
import platform
import sys

# Constants of glibc's <malloc.h>.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Has glibc keep large freed blocks: every forward asks for the same ones, and page faults cost a fifth of its time."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_TOP_PAD, 2**28)


def main() -> None:
    """Runs the command line."""
    keep_freed_memory()
    for library in ("TRANSFORMERS", "HF_HUB"):
        os.environ.setdefault(f"{library}_VERBOSITY", "error")
    from emoloom.cli.app import run

    sys.exit(run())


if __name__ == "__main__":
    main()
