"""The long jobs of topics: merging some, taking a change back, and sweeping away counts that nobody reads any more."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection

from core.errors import JobFailed, Refusal
from domain.jobs import MERGE_TOPICS, SWEEP_TOPICS, UNDO_TOPICS
from store.queue import long_jobs
from store.queue.long_jobs import Json, LongJob, Progress
from store.topics import changes, merging, sweeping
from store.topics.changes import By
from worker.jobs.running import LongJobKind, RunningJob, Step

AT_ONCE = 400
"""Insights of each topic that a step counts: about 10 ms in which nobody else files any."""
SWEPT = 400
"""Rows of a roll-up that a step deletes."""
SHARE = 0.2
"""Of the writer's time that a job may take."""
Finish = Callable[[Connection, Mapping[int, int]], bool]
"""Makes the change, with the union of each topic that needs one; gives whether unions are to be swept away."""


@dataclass(frozen=True)
class TopicJobs:
    """The kinds of jobs of topics. `sleep` is what a job rests with between its steps."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    @property
    def kinds(self) -> Sequence[LongJobKind]:
        """All of them."""
        return (
            LongJobKind(MERGE_TOPICS, self.merge, _give_up),
            LongJobKind(UNDO_TOPICS, self.undo, _give_up),
            LongJobKind(SWEEP_TOPICS, self.sweep),
        )

    async def merge(self, job: RunningJob) -> None:
        """Count the union of some topics, then let one of them be it. Raises JobFailed."""
        into, sources = job.parameters["into"], job.parameters["from"]

        def plan(connection: Connection) -> Mapping[int, Sequence[int]]:
            return {
                into: sorted(each for one in (into, *sources) for each in merging.members(connection, one))
            }

        def finish(connection: Connection, unions: Mapping[int, int]) -> bool:
            return merging.switch(connection, unions[into], sources, into, _by(job))

        await self._with_unions(job, plan, finish)

    async def undo(self, job: RunningJob) -> None:
        """Count the unions of before a merge, then take it back. Raises JobFailed."""
        groups = {group["number"]: group["members"] for group in job.parameters["groups"]}

        def finish(connection: Connection, unions: Mapping[int, int]) -> bool:
            return merging.undo(connection, changes.last(connection), unions, _by(job))

        await self._with_unions(job, lambda _: groups, finish)

    async def sweep(self, job: RunningJob) -> None:
        """Delete the counts of unions that are read no longer."""
        is_done = False

        def step(connection: Connection) -> Progress:
            nonlocal is_done
            rows = sweeping.sweep_some(connection, SWEPT)
            is_done = rows == 0
            return replace(job.progress, done=job.progress.done + rows)

        while not is_done:
            await self._timed(job, step)

    async def _with_unions(
        self, job: RunningJob, plan: Callable[[Connection], Mapping[int, Sequence[int]]], finish: Finish
    ) -> None:
        if job.progress.state is None:
            await job.step(partial(_begin, job, plan))
        unions = _unions(job)
        for union in unions.values():
            await self._build(job, union)
        try:
            await job.step(partial(_finish, job, lambda connection: finish(connection, unions)))
        except Refusal as refusal:
            await job.step(partial(_abandon, job))
            raise JobFailed(refusal.reason) from refusal

    async def _build(self, job: RunningJob, union: int) -> None:
        is_complete = False

        def step(connection: Connection) -> Progress:
            nonlocal is_complete
            counted, is_complete = merging.build_some(connection, union, AT_ONCE)
            done = job.progress.done + counted
            return replace(job.progress, done=done, conversations=done)

        while not is_complete:
            await self._timed(job, step)

    async def _timed(self, job: RunningJob, step: Step) -> None:
        started = time.perf_counter()
        await job.step(step)
        await self.sleep((time.perf_counter() - started) * (1 / SHARE - 1))


def _by(job: RunningJob) -> By:
    return By(job.job.created_by, job.clock())


def _unions(job: RunningJob) -> Mapping[int, int]:
    """The union of each topic that one is counted for."""
    state: Json = job.progress.state or {"unions": []}
    return dict(state["unions"])


def _begin(
    job: RunningJob, plan: Callable[[Connection], Mapping[int, Sequence[int]]], connection: Connection
) -> Progress:
    unions = [
        [topic, merging.begin_union(connection, members)] for topic, members in plan(connection).items()
    ]
    return replace(job.progress, state={"unions": unions})


def _finish(job: RunningJob, finish: Callable[[Connection], bool], connection: Connection) -> Progress:
    if finish(connection):
        _queue_sweep(connection, job.job.created_by, job.clock())
    return replace(job.progress, total=job.progress.done)


def _abandon(job: RunningJob, connection: Connection) -> Progress:
    _give_up(connection, job.job._replace(progress=job.progress), job.clock())
    return job.progress


def _give_up(connection: Connection, job: LongJob, now: int) -> None:
    """Drop the unions that were being counted."""
    state: Json = job.progress.state or {"unions": []}
    if merging.drop(connection, [union for _, union in state["unions"]]):
        _queue_sweep(connection, job.created_by, now)


def _queue_sweep(connection: Connection, by: str, now: int) -> None:
    long_jobs.create(connection, SWEEP_TOPICS, {}, by=by, now=now)
