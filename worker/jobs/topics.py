"""The long jobs of topics: merging some, taking a change back, and sweeping away counts that nobody reads any more."""

import asyncio
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from core.errors import JobFailed, Refusal
from domain.jobs import MERGE_TOPICS, SPLIT_TOPIC, SWEEP_TOPICS, UNDO_TOPICS
from domain.packed_numbers import unpacked
from store.discovery import proposals
from store.insights.listing import insights_of
from store.queue import long_jobs
from store.queue.long_jobs import Json, LongJob, Progress
from store.topics import changes, merging, splitting, sweeping
from store.topics.changes import By
from worker.jobs import deciding
from worker.jobs.deciding import Deciding
from worker.jobs.running import LongJobKind, RunningJob, Step

AT_ONCE: Mapping[str, int] = {"sqlite": 500, "postgresql": 3_000}
"""Insights of each topic that a step counts: 15 to 40 ms in which nobody else files any, on SQLite writes any."""
ASKED_AT_ONCE = deciding.AT_ONCE * deciding.CALLS_AT_ONCE
"""Conversations about which a step asks."""
SWEPT = 400
"""Rows of a roll-up that a step deletes."""
SHARE = 0.2
"""Of the writer's time that a job may take."""
Finish = Callable[[Connection, Mapping[int, int]], bool]
"""Makes the change, with the union of each topic that needs one; gives whether unions are to be swept away."""


@dataclass(frozen=True)
class TopicJobs:
    """The kinds of jobs of topics. `deciding` answers questions about conversations; `sleep` rests between steps."""

    deciding: Deciding
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    @property
    def kinds(self) -> Sequence[LongJobKind]:
        """All of them."""
        return (
            LongJobKind(MERGE_TOPICS, self.merge, _give_up),
            LongJobKind(SPLIT_TOPIC, self.split),
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

    async def split(self, job: RunningJob) -> None:
        """Move conversations that have some words, are of a group, or that a question is answered yes for."""
        if job.progress.state is None:
            await job.step(partial(_begin_split, job))
        while found := await job.database.read_in_background(partial(_next_to_move, job)):
            if "ask" in job.parameters:
                found = await self._decided(job, found)
            await self._timed(job, partial(_move, job, found))

    async def _decided(self, job: RunningJob, found: "_Found") -> "_Found":
        """Those of them for which the answer is yes."""
        read = partial(insights_of, numbers=found.numbers)
        entries = await job.database.read_in_background(read)
        answers, ticks = await self.deciding.answers(job.parameters["ask"], [each.text for each in entries])
        told = zip(entries, answers, strict=True)
        return found._replace(numbers=[each.row.conversation for each, is_it in told if is_it], ticks=ticks)

    async def undo(self, job: RunningJob) -> None:
        """Take back a split, or a merge of topics that need unions as before. Raises JobFailed."""
        if "split" in job.parameters:
            await self._undo_split(job)
        else:
            await self._undo_merge(job)

    async def _undo_split(self, job: RunningJob) -> None:
        change, is_done = job.parameters["split"], False

        def step(connection: Connection) -> Progress:
            nonlocal is_done
            moved = splitting.move_back(connection, change, splitting.AT_ONCE, now=job.clock())
            is_done = moved == 0
            done = job.progress.done + moved
            return replace(job.progress, done=done, conversations=done)

        while not is_done:
            await self._timed(job, step)
        await job.step(partial(_end_undo_split, job))

    async def _undo_merge(self, job: RunningJob) -> None:
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
            counted, is_complete = merging.build_some(connection, union, AT_ONCE[connection.dialect.name])
            done = job.progress.done + counted
            return replace(job.progress, done=done, conversations=done)

        while not is_complete:
            await self._timed(job, step)

    async def _timed(self, job: RunningJob, step: Step) -> None:
        started = time.perf_counter()
        await job.step(step)
        await self.sleep((time.perf_counter() - started) * (1 / SHARE - 1))


class _Found(NamedTuple):
    """What is to be moved next."""

    numbers: Sequence[int]
    looked_at: int
    after: Sequence[int]
    """The place, or the number, of the last conversation that was looked at."""
    ticks: int = 0
    """What it cost to tell which."""


def _begin_split(job: RunningJob, connection: Connection) -> Progress:
    asked = job.parameters
    how = next(each for each in ("words", "group", "ask") if each in asked)
    change, into = splitting.make(connection, asked["topic"], asked["slug"], how, _by(job))
    return replace(job.progress, state={"change": change, "into": into, "after": merging.BEGINNING})


def _next_to_move(job: RunningJob, connection: Connection) -> _Found | None:
    """None if everything was looked at."""
    state, asked = job.progress.state or {}, job.parameters
    if "group" in asked:
        return _next_of_group(connection, asked["group"], state["after"])
    at, number = state["after"]
    limit = ASKED_AT_ONCE if "ask" in asked else splitting.AT_ONCE
    places = splitting.next_of(connection, asked["topic"], (at, number), limit)
    if not places:
        return None
    numbers = [each for _, each in places]
    if "words" in asked:
        numbers = sorted(splitting.with_words(connection, asked["words"], numbers))
    return _Found(numbers, len(places), places[-1])


def _next_of_group(connection: Connection, group: str, after: Sequence[int]) -> _Found | None:
    proposal = proposals.get(connection, group)
    members = [] if proposal is None else unpacked(proposal.members)
    first = bisect_right(members, after[1])
    some = members[first : first + splitting.AT_ONCE]
    return _Found(some, len(some), (0, some[-1])) if some else None


def _move(job: RunningJob, found: _Found, connection: Connection) -> Progress:
    state: Json = job.progress.state or {}
    moved = splitting.move(
        connection, found.numbers, state["change"], job.parameters["topic"], state["into"], now=job.clock()
    )
    return replace(
        job.progress,
        state={**state, "after": list(found.after)},
        done=job.progress.done + found.looked_at,
        cost_ticks=job.progress.cost_ticks + found.ticks,
        conversations=job.progress.conversations + moved,
    )


def _end_undo_split(job: RunningJob, connection: Connection) -> Progress:
    proposals.reopen(connection, splitting.end_undo(connection, _by(job)))
    return job.progress


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
