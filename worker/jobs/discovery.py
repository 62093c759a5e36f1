"""The long job that groups conversations: reads them, has them grouped in a child process, and stores the groups.

It changes nothing before its last step, so a job that is resumed begins anew.
"""

import asyncio
import hashlib
import time
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from core.errors import JobFailed
from domain.analysis import ProviderFault
from domain.naming import GroupName, Nameless
from domain.text import Show
from domain.topics import CATCH_ALL
from llm.discovery.grouper import CHILD, FoundGroup, Grouper, Remembered, Row, grouper
from store.discovery import asking, proposals, texts
from store.discovery.asking import DISCOVERY, scope_of
from store.discovery.proposals import GroupRow, Run, Shares
from store.discovery.texts import GroupedBy, Spoken
from store.insights.listing import insights_of
from store.queue.long_jobs import Progress
from worker.jobs.naming import Naming
from worker.jobs.running import LongJobKind, RunningJob

DRAWN = 20_000
"""Conversations that are grouped; every other one joins the group that is nearest."""
BLOCK = 200
"""Conversations that are read and sent at a time: 1 ms of the event loop."""
SHARE = 0.25
"""The part of the time in which the service's own process works on it, so that posts need not wait."""
TOLD_EVERY = 50
"""Blocks after which the job's progress is stored."""
SEED = 1
OFFLINE = "offline"
GOLDEN = 0x9E3779B97F4A7C15
SHOWN_OF_EACH, SHOWN_OF_ONE = 5, 300
"""Texts of a group that a model is shown to name it, and characters of each."""
NAMED_BY = 3
"""Words that a group's name is made of."""


class Chosen(NamedTuple):
    """The conversations of a run, and from which place on they are of the window; those before are compared with."""

    numbers: "array[int]"
    window_from: int


@dataclass(frozen=True)
class Discovery:
    """Runs jobs of discovery. Groups of fewer than `min_people` people are not proposed.

    `shown` is what a model is shown of a text.
    """

    min_people: int
    shown: Show
    naming: Naming
    command: Sequence[str] = CHILD

    @property
    def kind(self) -> LongJobKind:
        """For the processor of long jobs."""
        return LongJobKind(DISCOVERY, self.run)

    async def run(self, job: RunningJob) -> None:
        """Find groups, have them named, and store them. Raises JobFailed if the child process dies."""
        start, end, chosen = _asked(job)
        scope = scope_of(chosen)
        given = await _chosen(job, chosen, start, end)
        known = await job.database.read_in_background(partial(proposals.known_groups, scope=scope))
        try:
            async with grouper(self.command) as child:
                former = [Remembered(each.id, each.language, each.members, each.centroid) for each in known]
                await child.begin(former, seed=SEED, min_people=self.min_people)
                await _send(job, child, given)
                groups, ended = await child.told()
        except ProviderFault as fault:
            raise JobFailed(fault.detail) from fault
        ids = [each.former or proposals.new_id() for each in groups]
        rows = [self._row(id_, each) for id_, each in zip(ids, groups, strict=True)]
        gone = {id_: [(ids[place], share) for place, share in now_in] for id_, now_in in ended.lost}
        named = {each.id for each in known if each.named_by is not None}
        rows, ticks = await self._named(job, rows, named)
        run = Run(scope, start, end, len(given.numbers))
        await job.step(partial(_store, job, run, rows, gone, ticks))

    async def _named(
        self, job: RunningJob, rows: Sequence[GroupRow], named: Collection[str]
    ) -> tuple[list[GroupRow], int]:
        """The groups with the names that a model has given, for those shown that had none, and the cost in ticks."""
        nameless = [each for each in rows if each.is_shown and each.id not in named]
        if not nameless or (analyzer := self.naming.analyzer) is None:
            return [*rows], 0
        numbers = [number for each in nameless for number in each.examples[:SHOWN_OF_EACH]]
        entries = await job.database.read_in_background(partial(insights_of, numbers=numbers))
        said = {each.row.conversation: self.shown(each.text)[:SHOWN_OF_ONE] for each in entries}
        asked = [
            Nameless(each.words, [said[number] for number in each.examples if number in said])
            for each in nameless
        ]
        names, ticks = await self.naming.names(asked)
        given = {each.id: name for each, name in zip(nameless, names, strict=True) if name is not None}
        return [_renamed(each, given.get(each.id), analyzer) for each in rows], ticks

    def _row(self, id_: str, group: FoundGroup) -> GroupRow:
        is_shown = not group.explained and group.people >= self.min_people and bool(group.words)
        return GroupRow(
            id=id_,
            is_shown=is_shown,
            language=group.language,
            name=", ".join(group.words[:NAMED_BY]),
            description="",
            named_by=None,
            words=group.words,
            centroid=group.centroid,
            members=group.members,
            examples=group.examples,
            size=group.size,
            people=group.people,
            now=group.now,
            before=group.before,
            p=group.p,
            grew=group.grew,
            part_of=group.topic,
            came_from=group.came_from,
        )


def _renamed(row: GroupRow, name: GroupName | None, analyzer: str) -> GroupRow:
    if name is None:
        return row
    return replace(row, name=name.label, description=name.description, named_by=analyzer)


def _store(
    job: RunningJob,
    run: Run,
    rows: Sequence[GroupRow],
    gone: Mapping[str, Shares],
    ticks: int,
    connection: Connection,
) -> Progress:
    now = job.clock.now(connection)
    for id_ in proposals.store_run(connection, run, rows, gone, now=now):
        # Grok is told of the topic. The offline analyzer knows no rule for it, so nearness has to do.
        asking.file_conversations(connection, id_, by=asking.BY_ITSELF, now=now, analyzer=OFFLINE)
    return Progress(done=run.conversations, total=run.conversations, cost_ticks=ticks)


def _asked(job: RunningJob) -> tuple[int, int, GroupedBy]:
    given = job.parameters
    return given["start"], given["end"], GroupedBy(**given["filter"])


async def _chosen(job: RunningJob, chosen: GroupedBy, start: int, end: int) -> Chosen:
    before = await _numbers(job, chosen, 2 * start - end, start)
    window = await _numbers(job, chosen, start, end)
    return Chosen(before + window, len(before))


async def _numbers(job: RunningJob, chosen: GroupedBy, start: int, end: int) -> "array[int]":
    numbers: array[int] = array("q")
    after: tuple[int, int] | None = None
    while True:
        read = partial(texts.numbers_between, chosen=chosen, start=start, end=end, after=after)
        some, after = await job.database.read_in_background(read)
        numbers += some
        if after is None:
            return numbers


async def _send(job: RunningJob, child: Grouper, given: Chosen) -> None:
    """Send the drawn conversations, have them grouped, and send the others."""
    known = await job.database.read_in_background(texts.topics_by_name)
    names = {name: number for name, number in known.items() if name not in CATCH_ALL}
    # A million numbers would keep the event loop for half a second.
    drawn, others = await asyncio.to_thread(draw, given.numbers, DRAWN)
    await _send_part(job, child, given, drawn, names, 0)
    await child.fit()
    await _send_part(job, child, given, others, names, len(drawn))


async def _send_part(
    job: RunningJob, child: Grouper, given: Chosen, places: Sequence[int], names: Mapping[str, int], sent: int
) -> None:
    total = len(given.numbers)
    for block, first in enumerate(range(0, len(places), BLOCK), 1):
        started = time.perf_counter()
        rows = await _rows(job, given, places[first : first + BLOCK], names)
        await asyncio.sleep((time.perf_counter() - started) * (1 / SHARE - 1))
        await child.add(rows)
        if block % TOLD_EVERY == 0:
            done = Progress(done=sent + first + BLOCK, total=total)
            await job.step(partial(_come, done))


def _come(done: Progress, _connection: Connection) -> Progress:
    return done


def draw(numbers: Sequence[int], count: int) -> tuple["array[int]", "array[int]"]:
    """The places of about `count` numbers, or of all, and those of the others.

    The same numbers are drawn in every run over nearly the same ones, so that runs can be compared.
    """
    limit = 2**64 * count // max(count, len(numbers))
    drawn, others = array("q"), array("q")
    for place, number in enumerate(numbers):
        (drawn if number * GOLDEN % 2**64 < limit else others).append(place)
    return drawn, others


async def _rows(job: RunningJob, given: Chosen, places: Sequence[int], names: Mapping[str, int]) -> list[Row]:
    block = {given.numbers[place]: place >= given.window_from for place in places}
    said = await job.database.read_in_background(partial(texts.spoken, numbers=[*block], names=names))
    return [
        (each.number, person_of(each), block[each.number], each.language, each.text, each.topics)
        for each in said
    ]


def person_of(said: Spoken) -> int:
    """A number for who said it. A conversation without an author counts as a person of its own."""
    if said.author is None:
        return -said.number
    digest = hashlib.blake2b(said.author.encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1
