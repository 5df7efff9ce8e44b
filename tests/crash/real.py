"""Kills a screening of a real model and takes it up again until it is through; compares what it leaves with an undisturbed one's.

    python -m tests.crash.real FOLDER --kills 4

SmolLM2-135M-Instruct on the starter corpus, by the command line: probed, raced over one rung, trained with a checkpoint a step,
written out and scored. The kills fall at random times of the first run's duration, in one run after the other. The figures are
printed as JSON; the exit code is 1 if a file differs or `verify` finds anything.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.screenings import lasting

from emoloom.store.check import check
from emoloom.store.run import JOURNAL

SETTINGS = (
    *("--model", "pypi:smollm2-135m-instruct", "--train-limit", "32", "--limit", "12", "--zero-shot-limit", "2"),
    *("--rungs", "2", "--dev-limit", "8", "--readout", "free", "--readout", "scored", "--seed", "0"),
)


def command(out: Path) -> list[str]:
    """The screening into ``out``."""
    config = out.with_name("screen.yaml")
    config.write_text("checkpoint_seconds: 0.001\nprobe_limit: 32\n", encoding="utf-8")
    return [sys.executable, "-m", "emoloom", "screen", "--config", str(config), *SETTINGS, "--out", str(out)]


def screen(out: Path, log: Path, kill_after: float | None = None) -> int:
    """Runs it, for so many seconds at most; the exit code, or the negative number of the signal that ended it."""
    with log.open("ab") as printed, subprocess.Popen(command(out), stdout=printed, stderr=printed) as child:
        try:
            return child.wait(kill_after)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def disturbed(root: Path, seconds: float, kills: int, seed: int) -> list[dict[str, Any]]:
    """Kills one screening so often; when, and how far its journal and replies had come by then."""
    out, rng, ends = root / "killed", random.Random(seed), list[dict[str, Any]]()
    # Each run begins with loading libraries and planning, which nothing can save.
    for _ in range(kills):
        after = rng.uniform(0.15, 0.6) * seconds
        status = screen(out, root / "killed.log", after)
        journal = out / JOURNAL
        ends.append({
            "allowed_seconds": round(after, 1),
            "exit": status,
            "journal_lines": len(journal.read_bytes().splitlines()) if journal.exists() else 0,
            "replies": sum(len(p.read_bytes().splitlines()) for p in out.rglob("replies.jsonl")),
        })  # fmt: skip
        if status != -signal.SIGKILL:
            break
    return ends


def main() -> None:
    """Reads the command line and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    root: Path = options.folder
    root.mkdir(parents=True)
    start = time.monotonic()
    whole = screen(root / "whole", root / "whole.log")
    seconds = time.monotonic() - start
    ends = disturbed(root, seconds, options.kills, options.seed)
    last = screen(root / "killed", root / "killed.log")
    one, other = lasting(root / "whole"), lasting(root / "killed")
    figures = {
        "undisturbed": {"exit": whole, "seconds": round(seconds, 1), "files": len(one)},
        "ends": ends,
        "last_exit": last,
        "differing": sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)),
        "findings": [str(finding) for out in ("whole", "killed") for finding in check(root / out).findings],
    }
    print(json.dumps(figures, indent=2))
    sys.exit(bool(whole or last or figures["differing"] or figures["findings"] or not ends))


if __name__ == "__main__":
    main()
