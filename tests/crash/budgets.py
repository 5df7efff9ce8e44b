"""Screens two tiny models under random budgets, each screening a process of its own, and says how far it overran.

    python -m tests.crash.budgets FOLDER --screenings 20

Half of the screenings are killed once, at a random time, and taken up again. The figures are printed as JSON; the exit code is 1
if one spent more than 2% or 5 s too much, or left no leaderboard that says what was cut.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.tiny import quick_model

from emoloom.errors import EmoLoomError
from emoloom.store.check import check
from emoloom.store.run import RunFolder
from emoloom.store.standing import CLOSING

_TOLERANCE, _SECONDS = 0.02, 5.0
# Of what a screening takes of which nothing is cut.
_LEAST, _MOST = 0.4, 1.1


def main() -> None:
    """Reads the command line and runs the campaign."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--screenings", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    models = [quick_model(options.folder / f"tiny-{seed}", seed=seed) for seed in range(2)]
    whole = take_whole(options.folder / "whole", models)
    print(json.dumps(whole), file=sys.stderr, flush=True)
    found = []
    for number in range(options.screenings):
        unit = ("s", "s", "examples", "tokens")[number % 4]
        share = rng.uniform(_LEAST, _MOST)
        limit = int(whole[unit] * share)
        killed = rng.uniform(0.3, 0.9) * min(share, 1.0) * whole["s"] if number % 2 else None
        found.append(screen(options.folder / f"run-{number}", models, unit, limit, killed))
        print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    bad = [one for one in found if not one["within"] or not one["valid"]]
    print(json.dumps({"screenings": len(found), "overran_or_invalid": len(bad), "largest_overrun": overrun(found)}))
    sys.exit(bool(bad))


def command_of(out: Path, models: list[Path], *flags: str) -> list[str]:
    """The screening that is put under budgets."""
    command = [sys.executable, "-m", "emoloom", "screen", "--train-limit", "300", "--limit", "120"]
    command += ["--zero-shot-limit", "40", "--eval", "starter:test", "--out", str(out), *flags]
    return command + [part for model in models for part in ("--model", f"path:{model}")]


def take_whole(out: Path, models: list[Path]) -> dict[str, float]:
    """What the screening takes without a budget: seconds, examples and tokens."""
    began = time.monotonic()
    subprocess.run(command_of(out, models), capture_output=True, check=True)
    seconds = time.monotonic() - began
    return {"s": seconds, **spent_of(RunFolder(out))}


def spent_of(run: RunFolder) -> dict[str, float]:
    """The examples and tokens that a run's cells took."""
    cells = run.timings()["spent"]["cells"].values()
    return {kind: sum(cell[kind] for cell in cells) for kind in ("examples", "tokens")}


def screen(out: Path, models: list[Path], unit: str, limit: int, killed: float | None) -> dict[str, Any]:
    """One screening under a budget: what it spent and what it left."""
    command = command_of(out, models, "--budget", f"{limit}{unit}")
    began, died = time.monotonic(), False
    if killed is not None:
        try:
            subprocess.run(command, capture_output=True, timeout=killed, check=False)
        except subprocess.TimeoutExpired:
            died = True
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    figures: dict[str, Any] = {"unit": unit, "limit": limit, "killed": died, "code": done.returncode}
    run = RunFolder(out)
    if done.returncode == 2 and "does not pay for one trained candidate" in done.stderr:
        return figures | {"refused": True, "within": not out.exists(), "valid": True, "spent": 0.0}
    try:
        used = {"s": seconds, **spent_of(run)}[unit]
        board = run.read_json("leaderboard.json")
        valid = done.returncode == 0 and not check(out).findings and tells_all(run)
        cut = [f"{row['candidate'].rpartition('/')[2]} {row['stage']}" for row in board["cut"]]
    except (EmoLoomError, KeyError) as error:
        return figures | {
            "within": False,
            "valid": False,
            "spent": seconds,
            "problem": str(error),
            "said": done.stderr[-400:],
        }
    room = max(_TOLERANCE * limit, _SECONDS if unit == "s" else 0)
    return figures | {"spent": round(used, 1), "within": used <= limit + room, "valid": valid, "cut": cut}


def tells_all(run: RunFolder) -> bool:
    """Whether each planned cell has a result, or is named in the leaderboard with the reason why not."""
    events = {event["key"]: event["event"] for event in run.events() if event["event"] in CLOSING}
    board = run.read_json("leaderboard.json")
    named = {
        (row["candidate"], row["stage"], row["readout"]) for row in [*board["cut"], *board["failed"]] if row["reason"]
    }
    return all(
        events.get(cell["key"]) in ("cell", "trained") or (cell["candidate"], cell["stage"], cell["readout"]) in named
        for cell in run.read_json("manifest.json")["cells"]
    )


def overrun(found: list[dict[str, Any]]) -> dict[str, float]:
    """By unit, the most that was spent beyond a limit; negative: the least that was left."""
    most: dict[str, float] = {}
    for one in found:
        over = one["spent"] - one["limit"]
        most[one["unit"]] = round(max(most.get(one["unit"], over), over), 1)
    return most


if __name__ == "__main__":
    main()
