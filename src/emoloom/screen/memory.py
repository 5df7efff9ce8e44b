"""The most memory that this process has held."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_PROC = Path("/proc/self")


def peak_memory() -> int:
    """In bytes, since the process began or since :func:`reset_peak_memory`."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory() -> None:
    """Begins to measure anew, where the system allows it (Linux); elsewhere the peak stays that of the whole process."""
    if (_PROC / "clear_refs").exists():
        (_PROC / "clear_refs").write_text("5")
