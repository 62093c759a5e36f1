"""How far it is: a bar on a terminal, a line now and then anywhere else."""

import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Meter:
    """Shows one stretch of work: the share done, units a second, the time left, and a note.

    `total` and `done` are what the share is taken of (bytes, rows); the units are what people count. Until the
    first of it is done the bar only moves to and fro: one that stands at 0 % looks stuck.
    """

    def __init__(
        self,
        console: Console,
        doing: str,
        units: str,
        total: int,
        *,
        every: float = 5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._units = units
        self._every = every
        self._clock = clock
        self._next_line = clock() + every
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
            get_time=clock,
        )
        self._total = total
        self._id = self._bar.add_task(doing, total=None, rate="", note="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._bar.tasks[0].total is None:  # done before anything was shown
            self._bar.update(self._id, completed=self._total, total=self._total)
        self._bar.stop()

    def show(self, done: int, units: int) -> None:
        """What is done by now, in all."""
        rate = units / max(self._bar.tasks[0].elapsed or 0, 0.001)
        total = self._total if done else None
        shown = f"{rate:,.0f} {self._units}/s" if done else ""
        self._bar.update(self._id, completed=done, total=total, rate=shown, note="")
        self._print_now_and_then()

    def pause(self, reason: str, seconds: float) -> None:
        """The service wants nothing for so many seconds, and why."""
        self._bar.update(self._id, note=f"{reason}: waiting {seconds:.0f} s")
        self._print_now_and_then()

    def _print_now_and_then(self) -> None:
        if self._console.is_terminal or self._clock() < self._next_line:
            return
        self._next_line = self._clock() + self._every
        task = self._bar.tasks[0]
        left = "" if task.time_remaining is None else f"{timedelta(seconds=round(task.time_remaining))} left"
        shown = [f"{task.percentage:.0f}%", task.fields["rate"], left, task.fields["note"]]
        self._console.print(f"{task.description}: {', '.join(filter(None, shown))}")
