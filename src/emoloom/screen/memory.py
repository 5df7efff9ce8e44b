"""The most memory that this process has held."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

_PROC = Path("/proc/self")


def peak_memory() -> int:
    """In bytes, since the process began or since :func:`reset_peak_memory`."""
    if (_PROC / "status").exists():
        # Not from getrusage, which a process inherits from the one that started it.
        status = dict(line.split(":", 1) for line in (_PROC / "status").read_text().splitlines())
        return int(status["VmHWM"].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory() -> None:
    """Begins to measure anew, where the system allows it (Linux); elsewhere the peak stays that of the whole process."""
    with contextlib.suppress(OSError):
        (_PROC / "clear_refs").write_text("5")
