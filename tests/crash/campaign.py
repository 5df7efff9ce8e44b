"""Ends a screening of two tiny models at many points, takes it up again, and compares what it leaves behind.

    nice python -m tests.crash.campaign FOLDER      # full size; --injected, --random, ... change it

Every screening is a process of its own, forked from this one, so that libraries are imported and the plan is made once. It runs
the real command line. The figures are printed as JSON; the exit code is 1 if anything was not as it should be.
"""

from __future__ import annotations

import argparse
import errno
import gc
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from tests.crash.faults import Act, Points, die, interrupt, refuse
from tests.crash.work import Reply, Work, watch
from tests.damage import change_a_byte, unnoticed_cuts
from tests.screenings import lasting, plan, shorten_replies, small, write_jsonl
from tests.tiny import quick_model

import emoloom.screen.plan
from emoloom.cli.app import run
from emoloom.screen.plan import Plan
from emoloom.store.check import check
from emoloom.store.run import JOURNAL

REFUSALS = (errno.ENOSPC, errno.EIO, errno.EACCES)
# Kills of one run before it is left alone, at most.
_IN_A_ROW = 4


class Setattr:
    """What pytest's monkeypatch does, without undoing it."""

    def setattr(self, target: object, name: str, value: object) -> None:
        setattr(target, name, value)


@dataclass
class Ended:
    """How a screening ended: exit code, or the negative number of the signal; what it printed; what it did; how many steps and
    points it came to."""

    status: int
    printed: str
    work: Work
    heard: int


@dataclass
class Screenings:
    """Runs the same screening again and again, each in a folder of its own below ``root``.

    Attributes:
        failures: what was not as it should be.
        figures: how often what was done.
    """

    root: Path
    plan: Plan
    failures: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)

    def start(self, out: Path, at: int = 0, act: Act = die, *, reads: bool = False, kill_after: int = 0) -> Ended:
        """One screening in a child process.

        Args:
            at, act, reads: what befalls it (:class:`Points`).
            kill_after: the parent kills the child once it has heard of so many steps and points; 0 for never.
        """
        log, output = out.with_suffix(".work"), out.with_suffix(".printed")
        log.unlink(missing_ok=True)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)

            def tell() -> None:
                os.write(write, b".")

            self._be_child(out, log, output, tell, Points(out, at, act, reads, tell))
        os.close(write)
        heard = 0
        while more := os.read(read, 1):
            heard += len(more)
            if heard == kill_after:
                os.kill(child, signal.SIGKILL)
        os.close(read)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return Ended(status, output.read_text("utf-8"), Work.read(log), heard)

    def _be_child(self, out: Path, log: Path, output: Path, tell: Callable[[], None], points: Points) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        made = replace(self.plan, config=self.plan.config.model_copy(update={"out": out}))
        Setattr().setattr(emoloom.screen.plan, "make_plan", lambda _config, _say: made)
        watch(log, tell)
        points.install()
        status = run(["screen", "--config", str(self.root / "screen.yaml"), "--out", str(out)])
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    def first(self) -> Ended:
        """The uninterrupted screening; what it leaves is what all others must leave."""
        out = self.root / "whole"
        ended = self.start(out)
        self.require(ended.status == 0 and not check(out).findings, "whole", ended.printed)
        self.whole, self.trained = lasting(out), ended.work.trained
        return ended

    def require(self, holds: bool, what: str, detail: object = "") -> None:
        """Notes a failure."""
        if not holds:
            self.failures.append(f"{what}: {detail}")

    def count(self, name: str) -> None:
        """Adds to the figures."""
        self.figures[name] = self.figures.get(name, 0) + 1

    def finish(self, name: str, out: Path, before: Sequence[Ended]) -> None:
        """Takes an ended screening up again and holds what it leaves against the uninterrupted one."""
        last = self.start(out)
        self.require(last.status == 0, name, f"exit {last.status}: {last.printed[-500:]}")
        left = lasting(out)
        differing = sorted(key for key in self.whole.keys() | left.keys() if self.whole.get(key) != left.get(key))
        self.require(not differing, name, f"differing files {differing}")
        self.require(not check(out).findings, name, "findings of verify")
        beside = [path.name for path in out.parent.glob(f".{out.name}*")]
        self.require(not beside, name, f"left beside the folder: {beside}")
        kept: frozenset[Reply] = frozenset()
        for ended in (*before, last):
            self.require(not kept & ended.work.asked, name, f"decoded twice: {sorted(kept & ended.work.asked)}")
            kept |= ended.work.kept
        trained = sum(ended.work.trained for ended in (*before, last))
        # A checkpoint after every step: an end costs one step at most.
        most = self.trained + len(before)
        self.require(trained <= most, name, f"{trained} training steps, at most {most} are needed")
        shutil.rmtree(out)


def settings(root: Path) -> Plan:
    """A screening of two tiny models, its corpus and its settings in ``root``: they race, are watched on dev records, draw what
    they learn from by what they are unsure of, write replies and are scored."""
    models = [quick_model(root / "models" / name, seed=seed) for seed, name in enumerate(("one", "two"))]
    few: dict[str, Any] = {"train_limit": 4, "limit": 2, "zero_shot_limit": 1, "checkpoint_seconds": 1e-9}
    race: dict[str, Any] = {"rungs": 2, "dev_limit": 2, "readout": ("free", "scored")}
    watched = {"batch_size": 2, "rank": 2, "learning_rate": 0.1, "epochs": 2, "early_stop": True}
    terms = {"l_cls": 0.3, "l_write": 0.3, "l_reg": 0.3, "mixture": "entropy"}
    config = small(None, write_jsonl(root / "mine.jsonl"), **few, **race, recipe=watched | terms)
    config = config.model_copy(update={"model": tuple(f"path:{model}" for model in models)})
    content = config.model_dump(mode="json", exclude={"out", "data_dir", "lexicon"})
    (root / "screen.yaml").write_text(yaml.safe_dump(content))
    return plan(config)


def injected(runs: Screenings, n: int, rng: random.Random, points: int) -> None:
    """Kills at ``n`` distinct points; after every second one the recovery is killed, too."""
    for number, at in enumerate(sorted(rng.sample(range(1, points + 1), min(n, points)))):
        name = f"injected-{at}"
        out = runs.root / name
        ended = [runs.start(out, at)]
        runs.require(ended[0].status == -signal.SIGKILL, name, f"exit {ended[0].status}")
        runs.count("killed at a point")
        if number % 2:
            ended.append(runs.start(out, rng.randint(1, 25)))
            runs.count("killed in recovery" if ended[1].status else "recovered too soon")
        runs.finish(name, out, ended)


def at_random(runs: Screenings, n: int, rng: random.Random, heard: int) -> None:
    """The parent kills ``n`` times, whenever it has heard of a random number of steps and points; up to four times in a row."""
    kills = 0
    while kills < n:
        name = f"random-{kills}"
        out, ended = runs.root / name, list[Ended]()
        for _ in range(min(n - kills, 1 + rng.randrange(_IN_A_ROW))):
            ended.append(runs.start(out, kill_after=rng.randint(1, heard)))
            if ended[-1].status == 0:
                break
            runs.require(ended[-1].status == -signal.SIGKILL, name, f"exit {ended[-1].status}: {ended[-1].printed}")
            runs.count("killed at random")
            kills += 1
        runs.finish(name, out, ended)


def refused(runs: Screenings, n: int, rng: random.Random, points: int) -> None:
    """Has the system refuse a call, reading ones included, at ``n`` points: one line, exit code 2, and the run goes on
    afterwards."""
    for at in sorted(rng.sample(range(1, points + 1), n)):
        number = rng.choice(REFUSALS)
        name = f"refused-{at}-{errno.errorcode[number]}"
        out = runs.root / name
        ended = runs.start(out, at, refuse(number), reads=True)
        errors = [line for line in ended.printed.splitlines() if line.startswith("error: ")]
        runs.require("Traceback" not in ended.printed, name, ended.printed[-3000:])
        # A few calls the standard library makes again by itself.
        told = (ended.status, len(errors)) in ((2, 1), (0, 0))
        runs.require(told, name, f"exit {ended.status}: {ended.printed[-500:]}")
        runs.count("refused: stopped with one line" if ended.status else "refused: went on")
        runs.finish(name, out, [ended])


def interrupted(runs: Screenings, n: int, rng: random.Random, points: int) -> None:
    """Ctrl-C at ``n`` points: exit code 130, and the run goes on afterwards."""
    for at in sorted(rng.sample(range(1, points + 1), n)):
        name = f"interrupted-{at}"
        out = runs.root / name
        ended = runs.start(out, at, interrupt)
        told = "run the same command again" in ended.printed and "Traceback" not in ended.printed
        runs.require(ended.status == 130 and told, name, f"exit {ended.status}: {ended.printed[-500:]}")
        runs.count("interrupted")
        runs.finish(name, out, [ended])


def changed(runs: Screenings, n: int, rng: random.Random) -> None:
    """Changes ``n`` single bytes of the uninterrupted run's files: all are found."""
    out = runs.root / "whole"
    for _ in range(n):
        problem = change_a_byte(out, rng)
        runs.require(not problem, "changed", problem)
        runs.count("bytes changed")


def cut_off(runs: Screenings, n: int, rng: random.Random) -> None:
    """Cuts the uninterrupted run's journal off at ``n`` lengths, at every one if there are no more: all is found."""
    journal = runs.root / "whole" / JOURNAL
    size = journal.stat().st_size
    lengths = rng.sample(range(size), min(n, size))
    cuts = unnoticed_cuts(journal, lengths)
    runs.require(not cuts, "journal cut off", f"unnoticed at {cuts}")
    runs.figures["journal cut off"] = len(lengths)


def campaign(root: Path, counts: Mapping[str, int], seed: int) -> dict[str, Any]:
    """Carries out the campaign; returns its figures."""
    # The same screening on every machine: no lexicon, no network.
    os.environ |= {"EMOLOOM_CACHE": str(root / "cache"), "HF_HUB_OFFLINE": "1"}
    torch.set_num_threads(1)
    shorten_replies(Setattr())
    root.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    runs = Screenings(root, settings(root))
    # Children share this process's memory until they write to it, which the garbage collector would do at once.
    gc.collect()
    gc.freeze()
    first = runs.first()
    points = first.heard - first.work.steps
    injected(runs, counts["injected"], rng, points)
    at_random(runs, counts["random"], rng, first.heard)
    refused(runs, counts["refused"], rng, points)
    interrupted(runs, counts["interrupted"], rng, points)
    changed(runs, counts["changed"], rng)
    cut_off(runs, counts["cut"], rng)
    measures = {"points": points, "files": len(runs.whole), "replies": len(first.work.kept), "steps": runs.trained}
    return {**measures, **runs.figures, "failures": runs.failures}


def main() -> None:
    """Reads the command line and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    sizes = {"injected": 100, "random": 100, "refused": 60, "interrupted": 20, "changed": 1000, "cut": 100_000}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seed", type=int, default=0)
    chosen = vars(parser.parse_args())
    figures = campaign(chosen.pop("folder"), chosen, chosen.pop("seed"))
    print(json.dumps(figures, indent=2))
    sys.exit(1 if figures["failures"] else 0)


if __name__ == "__main__":
    main()
