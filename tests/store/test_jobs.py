"""The job queue over a table of its own: a third kind, beside conversations and summaries."""

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select

from core.priority import Lane
from database import Database
from models import queue_columns
from store.queue.jobs import JobKind, JobQueue
from tests.support.rows import LEASE, NOW

ERRANDS = Table("errands", MetaData(), Column("number", Integer, primary_key=True), *queue_columns())
QUEUE = JobQueue(JobKind(ERRANDS, ERRANDS.c.number, Lane(30, "errands"), reads=(ERRANDS.c.number,)))


@pytest.fixture
async def errands(db: Database) -> Database:
    """A database with three errands, the last of which is due a little later."""
    await db.write(ERRANDS.create)
    rows = [{"number": at, "status": "queued", "run_at": NOW + at // 3} for at in (1, 2, 3)]
    await db.write(lambda connection: connection.execute(insert(ERRANDS), rows))
    return db


def claim(connection: Connection, token: str, *, now: int = NOW) -> list[int]:
    keys = [number for (number,) in QUEUE.due(connection, limit=9, now=now)]
    QUEUE.lease(connection, keys, token=token, until=now + LEASE)
    return keys


def state(connection: Connection, number: int) -> list[object]:
    """Status, when it is due, lease and failures."""
    found = connection.execute(select(ERRANDS).where(ERRANDS.c.number == number)).one()
    return [found.status, found.run_at, found.lease, found.failures]


async def test_a_third_kind_is_claimed_renewed_settled_given_back_and_recovered(errands: Database) -> None:
    def play(connection: Connection) -> None:
        assert claim(connection, "a") == [1, 2]
        assert claim(connection, "b") == []
        assert QUEUE.renew(connection, {1: "a", 2: "b", 9: "a"}, until=NOW + 2 * LEASE) == [1]
        QUEUE.end(connection, [(1, {"status": "completed", "failures": 0})])
        assert state(connection, 1) == ["completed", None, None, 0]
        assert claim(connection, "c", now=NOW + LEASE) == [3, 2], "the holder of one died"
        assert list(QUEUE.held(connection, {2: "a", 3: "c"})) == [3], "and comes too late"
        QUEUE.requeue(connection, [(3, {"run_at": NOW + 7, "failures": 1})])
        assert state(connection, 3) == ["queued", NOW + 7, None, 1]
        assert QUEUE.recover(connection, now=NOW + 8) == 1
        assert claim(connection, "d", now=NOW + 8) == [3, 2]

    await errands.write(play)


async def test_what_was_deleted_is_held_by_nobody(errands: Database) -> None:
    def play(connection: Connection) -> None:
        claim(connection, "a")
        connection.execute(ERRANDS.delete().where(ERRANDS.c.number == 1))

        assert QUEUE.renew(connection, {1: "a", 2: "a"}, until=NOW + 2 * LEASE) == [2]
        assert list(QUEUE.held(connection, {1: "a"})) == []

    await errands.write(play)


async def test_jobs_of_different_endings_end_together(errands: Database) -> None:
    def play(connection: Connection) -> None:
        claim(connection, "a", now=NOW + 1)
        QUEUE.end(connection, [(at, {"status": "failed", "failures": at % 2}) for at in (1, 2, 3)])

        states = [state(connection, at) for at in (1, 2, 3)]
        assert states == [["failed", None, None, at % 2] for at in (1, 2, 3)]

    await errands.write(play)


async def test_nothing_is_changed_where_there_is_nothing_to_change(errands: Database) -> None:
    def play(connection: Connection) -> None:
        QUEUE.lease(connection, [], token="a", until=NOW)
        assert QUEUE.renew(connection, {}, until=NOW) == []
        QUEUE.end(connection, [])
        QUEUE.requeue(connection, [])
        assert QUEUE.recover(connection, now=NOW) == 0

    await errands.write(play)
