"""Conversations are split off a topic by their words or as a group, and come back when that is undone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

import pytest
from sqlalchemy import Connection

from benchmarks.support.waiting import eventually
from core.errors import BadTopicChange, TopicConflict
from core.metrics import Metrics
from core.priority import PrioritySemaphore
from database import Database
from domain.packed_numbers import packed
from llm.gateway import OfflineGateway
from llm.hold import Hold
from llm.offline.analyzer import OfflineAnalyzer
from services.curation import Curation
from services.indexing import Indexing
from store.discovery import proposals
from store.discovery.proposals import GroupRow, Run
from store.insights import writing
from store.insights.windows import Selection
from store.queue import long_jobs
from store.queue.clock import ProcessClock
from store.topics import changes, splitting
from tests.support.insight_data import (
    A_DAY,
    NOON,
    an_analysis,
    an_insight,
    store_conversation,
    total_of,
)
from tests.support.recount import assert_counted
from worker.accounting import Accounting
from worker.jobs.deciding import Deciding
from worker.jobs.paid_calls import PaidCalls
from worker.jobs.processor import JobProcessor
from worker.jobs.topics import TopicJobs

ALWAYS = Selection(NOON - 100 * A_DAY, NOON + A_DAY)
TEXTS = (
    ("My luggage is lost", ("lost",)),
    ("My parcel is lost", ("lost", "delay")),
    ("The luggage came without its wheels", ("broken",)),
    ("Where is my luggage?", ("delay",)),
)
INSIGHTS = [
    an_insight(number, NOON - number, an_analysis(clusters=clusters))
    for number, (_, clusters) in enumerate(TEXTS, 1)
]


async def no_rest(_seconds: float) -> None:
    """Nobody else needs the database."""


@asynccontextmanager
async def curated(db: Database) -> AsyncIterator[Curation]:
    """Insights of the texts, and somebody who does the jobs."""

    def fill(connection: Connection) -> None:
        for number, (said, _) in enumerate(TEXTS, 1):
            store_conversation(connection, number, NOON - number, said)
        writing.store_insights(connection, INSIGHTS)

    await db.write(fill)
    while await Indexing(db).step():
        pass
    tokens, clock = count(), ProcessClock(lambda: NOON)
    analyzer = OfflineAnalyzer({})  # its child starts with the first question
    kinds = {kind.name: kind for kind in TopicJobs(deciding(db, analyzer), no_rest).kinds}
    processor = JobProcessor(db, clock, kinds, lambda: f"token_{next(tokens)}")
    running = asyncio.create_task(processor.run())
    try:
        yield Curation(db, clock)
    finally:
        running.cancel()
        await asyncio.wait([running])
        await processor.finish(0)
        await analyzer.__aexit__()


def deciding(db: Database, analyzer: OfflineAnalyzer) -> Deciding:
    """Answers offline."""
    accounting = Accounting(Metrics(), ended=lambda _: None, summarised=lambda _: None)
    gateway = OfflineGateway(analyzer, Hold(lambda: NOON))
    calls = PaidCalls(db, gateway, accounting, PrioritySemaphore(1))
    return Deciding(calls, str, lambda _: 0, no_rest)


def a_group(*members: int) -> GroupRow:
    """A proposed group of these conversations."""
    return GroupRow(
        id="prop_1",
        is_shown=True,
        language="en",
        name="wheels",
        description="",
        named_by=None,
        words=["wheels"],
        centroid="",
        members=packed(members),
        examples=[],
        size=len(members),
        people=len(members),
        now=len(members),
        before=0,
        p=0.01,
        grew=True,
        part_of=None,
        came_from=[],
    )


async def check_counted(db: Database, *clusters: tuple[str, ...]) -> None:
    """Every count equals a recount of these topics of the conversations, in their order."""
    now = [
        an_insight(number, NOON - number, an_analysis(clusters=each))
        for number, each in enumerate(clusters, 1)
    ]
    await db.read(lambda connection: assert_counted(connection, now, ()))


async def ended(db: Database, job: str | None) -> None:
    """Wait until a job is completed."""
    assert job is not None

    async def is_completed() -> bool:
        row = await db.read(lambda connection: long_jobs.get(connection, job))
        assert row is not None
        assert row.status in ("queued", "processing", "completed"), row.error
        return bool(row.status == "completed")

    await eventually(is_completed)


async def totals(db: Database, *names: str) -> list[int]:
    """How many insights each topic has."""

    def read(connection: Connection) -> list[int]:
        return [total_of(connection, replace(ALWAYS, cluster=name)) for name in names]

    return await db.read(read)


async def test_conversations_with_the_words_move_and_come_back(db: Database) -> None:
    async with curated(db) as curation:
        await ended(db, await curation.split("lost", "luggage", {"words": "luggage"}, "key:1"))
        assert await totals(db, "lost", "luggage", "broken", "delay") == [1, 1, 1, 2]
        assert await db.read(lambda c: changes.topic_named(c, "luggage").origin) == "human"
        undone = await curation.undo("key:2")
        await ended(db, undone.job)
        assert await totals(db, "lost", "luggage") == [2, 0]
        topic = await db.read(lambda c: changes.topic_named(c, "luggage"))
        assert topic.state == "hidden"
        await db.read(lambda c: assert_counted(c, INSIGHTS, ()))
        with pytest.raises(TopicConflict, match="no change"):
            await curation.undo("key:2")
        # The name that is left over may be used for another split.
        await ended(db, await curation.split("delay", "luggage", {"words": "luggage"}, "key:1"))
        assert await totals(db, "delay", "luggage") == [1, 1]


async def test_the_conversations_of_a_group_move_and_come_back(db: Database) -> None:
    run = Run("all", NOON - A_DAY, NOON, len(TEXTS))
    async with curated(db) as curation:
        # The third is of the group, but not of the topic; the fifth is gone.
        await db.write(lambda c: proposals.store_run(c, run, [a_group(2, 3, 5)], {}, now=NOON))
        await ended(db, await curation.split("lost", "wheels", {"group": "prop_1"}, "key:1"))
        assert await totals(db, "lost", "wheels", "broken", "delay") == [1, 1, 1, 2]
        await check_counted(db, ("lost",), ("wheels", "delay"), ("broken",), ("delay",))
        await ended(db, (await curation.undo("key:2")).job)
        assert await totals(db, "lost", "wheels", "broken", "delay") == [2, 0, 1, 2]
        await check_counted(db, *(clusters for _, clusters in TEXTS))


async def test_conversations_for_which_the_answer_is_yes_move_and_come_back(db: Database) -> None:
    async with curated(db) as curation:
        await ended(db, await curation.split("lost", "parcels", {"ask": "Is it about parcels?"}, "key:1"))
        assert await totals(db, "lost", "parcels", "delay") == [1, 1, 2]
        await check_counted(db, ("lost",), ("parcels", "delay"), ("broken",), ("delay",))
        await ended(db, (await curation.undo("key:2")).job)
        await check_counted(db, *(clusters for _, clusters in TEXTS))


async def test_a_topic_that_others_were_merged_into_is_split_as_a_whole(db: Database) -> None:
    async with curated(db) as curation:
        await ended(db, await curation.merge(["broken", "delay"], "lost", "key:1"))
        assert await totals(db, "lost") == [4]
        await ended(db, await curation.split("lost", "luggage", {"words": "luggage"}, "key:1"))
        assert await totals(db, "lost", "luggage") == [1, 3]
        await ended(db, (await curation.undo("key:1")).job)
        undone = await curation.undo("key:1")
        assert undone.job is None
        assert await totals(db, "lost", "broken", "delay") == [2, 1, 2]


async def test_what_was_analysed_anew_since_the_split_stays_where_it_is(db: Database) -> None:
    async with curated(db) as curation:
        await ended(db, await curation.split("lost", "luggage", {"words": "luggage"}, "key:1"))
        anew = an_insight(1, NOON - 1, an_analysis(clusters=("luggage", "praise")))
        await db.write(lambda connection: writing.store_insights(connection, [anew]))
        await ended(db, (await curation.undo("key:1")).job)
        assert await totals(db, "lost", "luggage", "praise") == [1, 1, 1]
        assert await db.read(lambda c: changes.topic_named(c, "luggage").state) == "active"
        await db.read(lambda c: assert_counted(c, [anew, *INSIGHTS[1:]], ()))


async def test_what_cannot_be_split_is_refused(db: Database) -> None:
    async with curated(db) as curation:
        for error, how in (
            (TopicConflict, ("lost", "delay", {"words": "luggage"})),
            (BadTopicChange, ("lost", "luggage", {"words": "?!"})),
            (BadTopicChange, ("lost", "luggage", {"group": "nobody"})),
        ):
            with pytest.raises(error):
                await curation.split(*how, "key:1")


async def test_a_step_that_is_made_again_moves_nothing_twice(db: Database) -> None:
    """As after a process that died between two steps."""

    def play(connection: Connection) -> tuple[int, int]:
        by = changes.By("key:1", NOON)
        topic = changes.topic_named(connection, "lost").number
        change, into = splitting.make(connection, topic, "luggage", "words", by)
        return (
            splitting.move(connection, [1, 2], change, topic, into, now=NOON),
            splitting.move(connection, [1, 2], change, topic, into, now=NOON),
        )

    async with curated(db):
        assert await db.write(play) == (2, 0)
        assert await totals(db, "lost", "luggage") == [0, 2]
