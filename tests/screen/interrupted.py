"""Runs a screening whole, then once for each given point: killed there, and taken up again. Started by test_resume.py.

Every screening has a process of its own, forked from this one so that libraries are imported once. What a resumed one did
is written to ``POINT.json``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.screenings import plan, shorten_replies, small

import emoloom.store.files
import emoloom.train.loop
from emoloom.report.html import write_report
from emoloom.screen.cost import Progress
from emoloom.screen.readout import Written
from emoloom.screen.run import run_plan


class Setattr:
    """What pytest's monkeypatch does, without undoing it."""

    def setattr(self, target: object, name: str, value: object) -> None:
        setattr(target, name, value)


def countdown(n: int) -> Callable[[], None]:
    """Kills this process when it is called for the ``n``-th time."""
    left = [n]

    def call() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return call


def killer(kind: str, n: int) -> Progress:
    """A progress callback that ends the process at the ``n``-th record of a kind of work, or file that is made durable."""
    tick = countdown(n)
    if kind == "sync":
        sync = emoloom.store.files.sync

        def sync_or_die(path: Path) -> None:
            tick()
            sync(path)

        emoloom.store.files.sync = sync_or_die

    def progress(what: str, more: int, _total: int) -> None:
        if what.startswith(kind) and more:
            tick()

    return progress


def in_child(work: Callable[[], None]) -> int:
    """The exit status of a forked process that does ``work``; negative: the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def screening(model: str, data: str, out: Path, progress: Progress) -> None:
    recipe = {"batch_size": 2, "rank": 2, "learning_rate": 0.1, "l_cls": 0.3, "l_reg": 0.3, "mixture": "entropy"}
    changes: dict[str, Any] = {"readout": ("free", "scored"), "recipe": recipe} if model else {}
    config = small(Path(model) if model else None, Path(data), out, checkpoint_seconds=1e-9, **changes)
    write_report(run_plan(plan(config), progress, lambda _: None))


def resumed(model: str, data: str, out: Path, log: Path) -> None:
    """Runs again, counting what is decoded and trained."""
    done: dict[str, Any] = {"decoded": [], "steps": 0, "leftovers": sorted(map(str, out.rglob(".*.partial")))}
    answers, step = Written.answers, emoloom.train.loop._step

    def counted_answers(self: Written, requests: Any) -> Any:
        done["decoded"] += [request.id for request in requests]
        return answers(self, requests)

    def counted_step(*arguments: Any) -> Any:
        done["steps"] += 1
        return step(*arguments)

    patch = Setattr()
    patch.setattr(Written, "answers", counted_answers)
    patch.setattr(emoloom.train.loop, "_step", counted_step)
    screening(model, data, out, lambda _what, _more, _total: None)
    log.write_text(json.dumps(done))


def main(root: Path, model: str, data: str, points: list[str]) -> None:
    shorten_replies(Setattr())
    assert in_child(lambda: screening(model, data, root / "whole", lambda _what, _more, _total: None)) == 0
    for point in points:
        kind, n = point.split("-")
        out = root / point
        status = in_child(lambda kind=kind, n=n, out=out: screening(model, data, out, killer(kind, int(n))))  # type: ignore[misc]
        (root / f"{point}.status").write_text(str(status))
        assert in_child(lambda out=out, log=root / f"{point}.json": resumed(model, data, out, log)) == 0  # type: ignore[misc]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
