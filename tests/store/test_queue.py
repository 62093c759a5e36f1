"""The queue: what is due and in which order, who holds it, how it ends."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from core.clock import SECOND
from database import Database
from domain.jobs import Failed, Requeued
from models import SKIPPED_CONVERSATIONS, conversations, totals
from store.conversations.intake import NewMessage
from store.conversations.records import delete_conversation
from store.queue import analysis
from store.queue.analysis import AnalysisJob, Completed, Outcome, Parked, Skipped
from store.queue.depth import depth
from tests.support.insight_data import thorough, tried
from tests.support.rows import (
    LATE,
    LEASE,
    NOW,
    answered,
    assert_rolled_up,
    distinct,
    filed,
    new,
    statuses,
    stored,
    take_in,
)
from worker.outcomes import work_of

Play = Callable[[Connection], None]


def held(connection: Connection, token: str = "a", *, now: int = NOW, limit: int = 50) -> list[AnalysisJob]:
    """Claim what is due and hold it, without looking at it."""
    jobs = analysis.due(connection, limit=limit, now=now)
    analysis.lease(connection, [job.number for job in jobs], token=token, until=now + LEASE)
    return [job._replace(lease=token) for job in jobs]


def done(job: AnalysisJob) -> Completed:
    return answered(work_of(job, "v", str))


def due_ids(connection: Connection, now: int = NOW, limit: int = 50) -> list[str]:
    return [job.id for job in analysis.due(connection, limit=limit, now=now)]


# --- due ----------------------------------------------------------------------------------------------------


async def test_a_job_is_what_was_taken_in(db: Database) -> None:
    def play(connection: Connection) -> None:
        turns = [
            NewMessage("Hi", "someone", "customer"),
            NewMessage("Hello", None, "support_agent"),
            NewMessage("?"),
        ]
        take_in(connection, new("c", messages=turns, is_chat=True, timestamp=NOW - 9, author="someone"))

        [job] = analysis.due(connection, limit=5, now=NOW)

        assert (job.id, job.number, job.revision, job.is_chat) == (
            "c",
            stored(connection, "c").number,
            1,
            True,
        )
        assert job.turns == [("customer", "Hi"), ("support_agent", "Hello"), (None, "?")]
        assert (job.timestamp, job.author, job.due_at) == (NOW - 9, "someone", NOW)
        assert (job.failures, job.pack_limit, job.lease) == (0, None, None)
        assert (job.pass_prefilter, job.pass_cache) == (False, False)

    await tried(db, play)


async def test_the_longest_due_comes_first_then_the_first_taken_in(db: Database) -> None:
    def play(connection: Connection) -> None:
        moments = {"a": NOW, "b": NOW - 5, "c": NOW, "d": NOW - 5, "future": NOW + 1}
        take_in(connection, *(new(id_, received_at=at) for id_, at in moments.items()))

        assert due_ids(connection) == ["b", "d", "a", "c"]
        assert due_ids(connection, limit=3) == ["b", "d", "a"]
        assert due_ids(connection, NOW + 1) == ["b", "d", "a", "c", "future"]

    await tried(db, play)


async def test_nothing_is_due_in_an_empty_queue(db: Database) -> None:
    await tried(db, lambda connection: analysis.lease(connection, [], token="a", until=NOW))
    assert await db.write(lambda connection: analysis.due(connection, limit=5, now=NOW)) == []


async def test_what_is_held_is_not_due_until_its_lease_ends(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *distinct(2))
        held(connection)

        assert {*statuses(connection).values()} == {"processing"}
        assert due_ids(connection, NOW + LEASE - 1) == []
        assert due_ids(connection, NOW + LEASE) == ["c0", "c1"]

    await tried(db, play)


async def test_the_work_of_the_dead_is_taken_over_and_they_answer_too_late(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *distinct(3))
        before = held(connection, "dead")
        after = held(connection, "alive", now=NOW + LEASE)
        rows = [stored(connection, f"c{at}") for at in range(3)]

        late: list[Outcome] = [
            done(before[0]),
            Failed(before[1], "refused", "why", 4),
            Requeued(before[2], NOW, 1),
        ]
        assert analysis.settle(connection, late, now=NOW) == []
        assert analysis.renew(connection, before, until=NOW + 9 * LEASE) == []
        assert [stored(connection, f"c{at}") for at in range(3)] == rows
        assert filed(connection) == []

        assert len(analysis.settle(connection, [done(job) for job in after], now=NOW)) == 3
        assert analysis.settle(connection, late, now=NOW) == []
        assert {*statuses(connection).values()} == {"completed"}
        assert_rolled_up(connection)

    await tried(db, play)


async def test_a_call_that_leaves_holds_on_for_longer_and_is_counted(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *distinct(2))
        jobs = held(connection)

        assert analysis.renew(connection, jobs[:1], until=NOW + 5 * LEASE) == jobs[:1]

        assert [stored(connection, f"c{at}").attempts for at in range(2)] == [1, 0]
        assert due_ids(connection, NOW + LEASE) == ["c1"]

    await tried(db, play)


# --- settle -------------------------------------------------------------------------------------------------


async def test_a_completed_conversation_has_its_insight_and_is_nobodys(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *distinct(1))
        [job] = held(connection)
        analysis.settle(connection, [Requeued(job._replace(pack_limit=1), NOW, 1, "malformed")], now=NOW)
        [job] = held(connection)
        outcome = done(job)

        assert analysis.settle(connection, [outcome], now=NOW + 3) == [outcome]

        row = stored(connection, "c0")
        assert (row.status, row.run_at, row.lease, row.waits_for) == ("completed", None, None, None)
        assert (row.finished_at, row.error) == (NOW + 3, None)
        assert filed(connection) == [outcome.insight]
        assert_rolled_up(connection)

    await tried(db, play)


async def test_a_skipped_conversation_says_why_and_is_counted(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *distinct(2))
        first, second = analysis.due(connection, limit=5, now=NOW)

        analysis.settle(connection, [Skipped(first, "thanks"), Skipped(second, "too_short")], now=NOW + 3)

        row = stored(connection, "c0")
        assert (row.status, row.error, row.run_at, row.finished_at) == ("skipped", "thanks", None, NOW + 3)
        counted = connection.execute(totals.select().where(totals.c.topic == SKIPPED_CONVERSATIONS)).all()
        assert [row.n for row in counted] == [2, 2, 2]
        assert_rolled_up(connection)

    await tried(db, play)


async def test_a_failed_conversation_says_why(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *distinct(2))
        one, two = held(connection)

        analysis.settle(
            connection,
            [Failed(one, "refused", "filtered", 4), Failed(two, "invalid_row", "no score", 2)],
            now=NOW + 3,
        )

        rows = [stored(connection, "c0"), stored(connection, "c1")]
        assert [(row.status, row.error, row.failures) for row in rows] == [
            ("failed", "filtered", 4),
            ("failed", "no score", 2),
        ]
        assert [(row.run_at, row.lease, row.finished_at) for row in rows] == [(None, None, NOW + 3)] * 2
        assert filed(connection) == []

    await tried(db, play)


async def test_a_requeued_conversation_is_due_when_it_was_said(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *distinct(2))
        one, two = held(connection)

        analysis.settle(
            connection,
            [
                Requeued(one._replace(pack_limit=10), NOW + 5, 2, "malformed"),
                Parked(two, NOW + 9, 0, waits_for=b"k" * 32),
            ],
            now=NOW,
        )

        row = stored(connection, "c0")
        assert (row.status, row.run_at, row.lease, row.error) == ("queued", NOW + 5, None, "malformed")
        assert stored(connection, "c1").waits_for == b"k" * 32
        assert due_ids(connection, NOW + 4) == []
        [again] = analysis.due(connection, limit=5, now=NOW + 5)
        assert (again.failures, again.pack_limit) == (2, 10)

    await tried(db, play)


KINDS: Sequence[Callable[[AnalysisJob], Outcome]] = (
    done,
    lambda job: Skipped(job, "thanks"),
    lambda job: Failed(job, "refused", "why", 4),
    lambda job: Requeued(job, NOW + 1, 1),
)
ENDS = ("completed", "skipped", "failed", "queued")


@thorough
@given(
    chosen=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    deleted=st.sets(st.integers(0, 7)),
    stolen=st.sets(st.integers(0, 7)),
)
async def test_outcomes_of_all_kinds_are_carried_out_together_but_for_what_is_gone_or_held_by_another(
    db: Database, chosen: list[int], deleted: set[int], stolen: set[int]
) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *distinct(len(chosen)))
        outcomes = [KINDS[kind](job) for kind, job in zip(chosen, held(connection), strict=True)]
        others = [outcome.job.number for at, outcome in enumerate(outcomes) if at in stolen]
        analysis.lease(connection, others, token="b", until=NOW + LEASE)
        for at in deleted & {*range(len(chosen))}:
            delete_conversation(connection, f"c{at}")

        counted = analysis.settle(connection, outcomes, now=NOW)

        assert counted == [each for at, each in enumerate(outcomes) if at not in deleted | stolen]
        assert statuses(connection) == {
            f"c{at}": "processing" if at in stolen else ENDS[kind]
            for at, kind in enumerate(chosen)
            if at not in deleted
        }
        assert_rolled_up(connection)

    await tried(db, play)


async def test_an_ended_conversation_does_not_wait_for_a_text_any_more(db: Database) -> None:
    """Or the answer to that text would make it due again, which the table forbids, and be lost itself."""

    def play(connection: Connection) -> None:
        take_in(connection, *distinct(3))
        key = b"k" * 32
        connection.execute(update(conversations).values(waits_for=key))
        outcomes = [
            kind(job) for kind, job in zip(KINDS, analysis.due(connection, limit=3, now=NOW), strict=False)
        ]
        analysis.settle(connection, outcomes, now=NOW)

        assert [stored(connection, f"c{at}").waits_for for at in range(3)] == [None] * 3

    await tried(db, play)


async def test_a_result_for_a_deleted_conversation_does_not_find_its_successor(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, new("c"))
        [job] = held(connection)
        delete_conversation(connection, "c")
        take_in(connection, new("c"))

        assert analysis.settle(connection, [done(job)], now=NOW) == []
        assert statuses(connection) == {"c": "queued"}
        assert filed(connection) == []

    await tried(db, play)


# --- what the tables refuse ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"status": "asleep"},
        {"status": "queued", "run_at": None},
        {"status": "processing", "run_at": None, "lease": "a"},
        {"status": "completed", "run_at": NOW},
        {"status": "failed", "run_at": NOW},
        {"status": "skipped", "run_at": NOW},
        {"status": "processing", "run_at": NOW, "lease": None},
        {"status": "queued", "run_at": NOW, "lease": "a"},
        {"status": "completed", "run_at": None, "lease": "a"},
    ],
    ids=lambda values: ",".join(f"{name}={value}" for name, value in values.items()),
)
async def test_no_row_is_in_two_states_at_once(db: Database, values: dict[str, object]) -> None:
    row = {"id": "c", "timestamp": NOW, "received_at": NOW, "is_chat": False, **values}

    with pytest.raises(IntegrityError):
        await db.write(lambda connection: connection.execute(insert(conversations).values(row)))


# --- recovery and depth -------------------------------------------------------------------------------------


async def test_after_a_restart_what_was_held_or_waited_is_due_at_once(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *distinct(4), new("later", f"{LATE} Later.", received_at=NOW + 60 * SECOND))
        one, two, three, _ = held(connection, "dead")
        outcomes: list[Outcome] = [
            done(one),
            Parked(two, NOW + LEASE, 0, waits_for=b"k" * 32),
            Requeued(three, NOW + 7, 1),
        ]
        analysis.settle(connection, outcomes, now=NOW)

        assert analysis.recover(connection, now=NOW + 1) == 1

        assert statuses(connection) == {
            "c0": "completed",
            "c1": "queued",
            "c2": "queued",
            "c3": "queued",
            "later": "queued",
        }
        assert due_ids(connection, NOW + 1) == ["c1", "c3"]
        assert [stored(connection, f"c{at}").waits_for for at in range(4)] == [None] * 4
        assert analysis.recover(connection, now=NOW + 2) == 0

    await tried(db, play)


async def test_depth_counts_what_has_not_ended_and_tells_since_when_the_oldest_waits(db: Database) -> None:
    def play(connection: Connection) -> None:
        assert depth(connection, now=NOW) == (0, None)
        take_in(connection, *(each._replace(received_at=NOW + at) for at, each in enumerate(distinct(4))))
        jobs = held(connection, limit=2, now=NOW + 9)
        assert depth(connection, now=NOW) == (4, NOW)

        analysis.settle(connection, [done(jobs[0])], now=NOW)
        assert depth(connection, now=NOW) == (3, NOW + 1)

        analysis.settle(connection, [Failed(jobs[1], "refused", "why", 4)], now=NOW)
        assert depth(connection, now=NOW) == (2, NOW + 2)

        analysis.settle(connection, [done(job) for job in held(connection, now=NOW + 9)], now=NOW)
        assert depth(connection, now=NOW) == (0, None)

    await tried(db, play)


# --- races --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_racing_claimers_never_claim_a_row_twice_and_leave_none(db: Database, server_url: URL) -> None:
    """Without the row lock of `due` PostgreSQL gives the same rows to several, and this fails."""
    claimers, rows = 4, 400
    await db.write(lambda connection: take_in(connection, *distinct(rows)))
    engine = create_async_engine(server_url, pool_size=claimers)
    together = asyncio.Barrier(claimers)

    async def claim(token: str) -> list[str]:
        got: list[str] = []
        await together.wait()
        while True:
            async with engine.begin() as connection:
                jobs = await connection.run_sync(held, token, limit=7)
            if not jobs:
                return got
            got += [job.id for job in jobs]

    try:
        claims = await asyncio.gather(*(claim(f"{token}") for token in range(claimers)))
    finally:
        await engine.dispose()

    claimed = Counter(id_ for some in claims for id_ in some)
    assert claimed == Counter(f"c{at}" for at in range(rows))
