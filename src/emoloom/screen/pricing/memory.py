"""How much memory this process holds at most, on a GPU where there is one, and how it gives it back."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import platform
import resource
import sys
from pathlib import Path

import torch

_PROC = Path("/proc/self")


def peak_memory() -> int:
    """In bytes, since the process began or since :func:`reset_peak_memory`: of the GPU where models lie on one, else of the
    process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    if (_PROC / "status").exists():
        # Not from getrusage, which a process inherits from the one that started it.
        status = dict(line.split(":", 1) for line in (_PROC / "status").read_text().splitlines())
        return int(status["VmHWM"].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory() -> None:
    """Gives back what earlier work has left and begins to measure anew, where the system allows it (Linux); elsewhere the peak
    stays that of the whole process."""
    _give_back()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        (_PROC / "clear_refs").write_text("5")


def _give_back() -> None:
    gc.collect()
    torch.cuda.empty_cache()
    if platform.libc_ver()[0] == "glibc":
        # The heap keeps freed blocks for the next forward; those of one model fit another badly, and it would grow with every
        # cell.
        ctypes.CDLL(None).malloc_trim(0)
