"""The long job that has conversations analysed again: it writes down which, and waits until they are done.

Asking about them is the work of a batch processor of its own, in every process that analyses (`worker/reanalysis`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection

from core.errors import JobCapped
from domain.reanalysis import Change, Rating, SampleComparison, compare
from llm.prices import TICKS_PER_USD
from store.insights.shown import slugs_shown
from store.queue.long_jobs import Json, Progress
from store.reanalysis import choice as choices
from store.reanalysis import queue, runs
from store.reanalysis.choice import Drawn, choice_of
from store.reanalysis.runs import KIND, Reanalysis
from worker.jobs.running import LongJobKind, RunningJob

LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ReanalysisJobs:
    """The kind of job."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    @property
    def kind(self) -> LongJobKind:
        """For the processor of long jobs."""
        return LongJobKind(KIND, self.run)

    async def run(self, job: RunningJob) -> None:
        """Choose, wait, and compare if it is a sample. Raises JobCapped where its money does not suffice."""
        while not _has(job, "is_swept"):
            await job.step(partial(_sweep, job))
        if not _has(job, "is_chosen"):
            await self._choose(job)
        await self._wait(job)
        if job.parameters["sample"] is not None and not _has(job, "comparison"):
            await job.step(partial(_compare, job))

    async def _choose(self, job: RunningJob) -> None:
        size = job.parameters["sample"]
        if size is not None:
            draw = partial(choices.draw_at_random, choice=choice_of(job.parameters), size=size)
            drawn = await job.database.read_in_background(draw)
            await job.step(partial(_choose_drawn, job, drawn))
            return
        while not _has(job, "is_chosen"):
            await job.step(partial(_choose_some, job))

    async def _wait(self, job: RunningJob) -> None:
        """Until all are done with; tells how many are."""
        while True:
            seen = await job.database.read(partial(_look, job))
            if seen.come != job.progress:
                await job.step(lambda connection: _look(job, connection).come)
            if not seen.is_open:
                return
            if seen.run.is_spent and not seen.is_held:
                raise JobCapped(_spent(seen.run))
            await self.sleep(LOOK_SECONDS)


class _Seen(NamedTuple):
    run: Reanalysis
    come: Progress
    is_open: bool
    is_held: bool


def _look(job: RunningJob, connection: Connection) -> _Seen:
    number, before = job.job.number, job.progress
    run = _run(job, connection)
    changed = 0 if run.sample is not None else run.changed
    come = Progress(before.state, run.done, before.total, run.cost_ticks, changed)
    is_held = queue.has_held(connection, number, now=job.clock())
    return _Seen(run, come, queue.has_open(connection, number), is_held)


def _run(job: RunningJob, connection: Connection) -> Reanalysis:
    found = runs.get(connection, job.job.number)
    assert found is not None  # noqa: S101  for the type checker: it is made with the job
    return found


def _spent(run: Reanalysis) -> str:
    answers, lost = run.cost_ticks / TICKS_PER_USD, run.reserved_ticks / TICKS_PER_USD
    calls = f", and up to ${lost:.4f} on calls whose answers never came" if run.reserved_ticks else ""
    return (
        f"what is left of max_usd is too little for another call: ${answers:.4f} was spent on answers{calls}"
    )


def _has(job: RunningJob, name: str) -> bool:
    return name in (job.progress.state or {})


def _noted(job: RunningJob, total: int | None, **more: Any) -> Progress:
    """How far it has come, with something more in its state."""
    before = job.progress
    state: Json = {**(before.state or {}), **more}
    return Progress(state, before.done, total, before.cost_ticks, before.conversations)


def _sweep(job: RunningJob, connection: Connection) -> Progress:
    """Some of what earlier jobs have left over."""
    gone = choices.forget_left_over(connection, job=job.job.number)
    return _noted(job, job.progress.total, **({} if gone else {"is_swept": True}))


def _choose_some(job: RunningJob, connection: Connection) -> Progress:
    state = job.progress.state or {}
    chosen = choices.choose_some(
        connection,
        choice_of(job.parameters),
        job=job.job.number,
        after=state.get("after"),
        now=job.clock.now(connection),
        freshness=job.parameters.get("freshness"),
    )
    number = int(state.get("chosen", 0)) + chosen.number
    if chosen.next is None:
        return _noted(job, number, chosen=number, is_chosen=True)
    return _noted(job, max(number, job.progress.total or 0), chosen=number, after=chosen.next)


def _choose_drawn(job: RunningJob, drawn: list[Drawn], connection: Connection) -> Progress:
    now = job.clock.now(connection)
    freshness = job.parameters.get("freshness")
    number = choices.choose_drawn(connection, drawn, job=job.job.number, now=now, freshness=freshness)
    return _noted(job, number, chosen=number, is_chosen=True)


def _compare(job: RunningJob, connection: Connection) -> Progress:
    changes = queue.sample_changes(connection, job.job.number)
    names = {name for change in changes for name in _names(change)}
    shown = slugs_shown(connection, names) if names else {}
    compared = compare([_shown(change, shown) for change in changes], int(job.parameters["population"]))
    choices.forget_left_over(connection, job=job.job.number + 1)
    return _noted(job, job.progress.total, comparison=_stored(compared))


def _names(change: Change) -> list[str]:
    return [*(change.before.topics if change.before else ()), *change.after.topics]


def _shown(change: Change, shown: Any) -> Change:
    """The same with the slugs that its topics are shown with."""

    def of_today(judged: Rating) -> Rating:
        return judged._replace(topics=[shown.get(name, name) for name in judged.topics])

    return Change(change.before and of_today(change.before), of_today(change.after))


def _stored(compared: SampleComparison) -> Json:
    table = [[before, after, number] for (before, after), number in sorted(compared.table.items())]
    topics = [each._asdict() for each in compared.topics]
    shift = None if compared.shift is None else compared.shift._asdict()
    return {"compared": compared.compared, "table": table, "topics": topics, "shift": shift}
