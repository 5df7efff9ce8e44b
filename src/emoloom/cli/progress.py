"""Progress on the terminal: what is done, how fast, how long it will take."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from emoloom.report.table import plain_console

# Lines in all where the output is no terminal.
_LINES = 10


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.2f}/s" if speed else "-/s")


class TerminalProgress:
    """Shows one bar for each kind of work; call it with (what, how many more, how many in all).

    Where the output is no terminal, a line is printed at every tenth of the work instead.
    """

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=plain_console(stderr=True),
            speed_estimate_period=120,
        )
        self._tasks: dict[tuple[str, int], TaskID] = {}
        self._done: dict[tuple[str, int], int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._tasks:
            self._bars.stop()

    def __call__(self, what: str, more: int, total: int) -> None:
        if not self._bars.console.is_terminal:
            self._log(what, more, total)
            return
        self._bars.start()
        # A candidate in a race is trained further and judged again at every rung.
        task = self._tasks.get((what, total))
        if task is None or self._bars.tasks[task].finished:
            task = self._tasks[what, total] = self._bars.add_task(what, total=total)
        self._bars.advance(task, more)

    def _log(self, what: str, more: int, total: int) -> None:
        before = self._done.get((what, total), 0) % total
        self._done[what, total] = before + more
        if (before + more) * _LINES // total > before * _LINES // total:
            self.say(f"{what} {before + more}/{total}")

    def say(self, line: str) -> None:
        """Prints a line above the bars."""
        self._bars.console.print(line, soft_wrap=True)
