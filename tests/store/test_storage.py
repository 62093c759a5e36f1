"""Room for what is to come: old conversations go, and what is used is counted."""

from sqlalchemy import Connection, select
from sqlalchemy.engine import URL

from database import Database
from models import conversations as table
from services.retention import DAY, Retention
from store.conversations import intake, records, storage
from store.conversations.intake import NewConversation, NewMessage
from store.queue import analysis
from store.queue.analysis import Outcome, Skipped

LATE = "My parcel is three days late and nobody answers"
NOW = 400 * DAY


def taken_in(id_: str, at: int) -> NewConversation:
    return NewConversation(id_, [NewMessage(LATE)], is_chat=False, timestamp=at, received_at=at)


async def ids(db: Database) -> set[str]:
    return set(await db.read(lambda c: c.scalars(select(table.c.id)).all()))


async def test_retention_deletes_what_is_too_old_and_spares_what_is_not_finished(db: Database) -> None:
    old = [taken_in(f"old-{number}", NOW - 40 * DAY + number) for number in range(120)]
    await db.write(
        lambda c: intake.accept(c, [*old, taken_in("unfinished", NOW - 35 * DAY), taken_in("new", NOW)])
    )

    def end_all_but_one(connection: Connection) -> list[Outcome]:
        jobs = analysis.due(connection, limit=500, now=NOW)
        ended = [Skipped(job, "too_short") for job in jobs if job.id != "unfinished"]
        return analysis.settle(connection, ended, now=NOW)

    await db.write(end_all_but_one)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    deleted = await Retention(db, 30, lambda: NOW, sleep).sweep()

    assert deleted == 120
    assert await ids(db) == {"unfinished", "new"}
    assert len(waited) >= 3  # in steps, and the writer is others' for nine tenths of the time


async def test_retention_counts_from_intake_and_not_from_the_timestamp(db: Database) -> None:
    new = NewConversation("new", [NewMessage(LATE)], is_chat=False, timestamp=0, received_at=NOW)
    await db.write(lambda c: intake.accept(c, [new]))
    await db.write(
        lambda c: analysis.settle(c, [Skipped(analysis.due(c, limit=1, now=NOW)[0], "thanks")], now=NOW)
    )

    assert await Retention(db, 30, lambda: NOW).sweep() == 0


async def test_used_bytes_fall_when_conversations_go(db: Database, database_url: URL) -> None:
    before = await db.read(storage.used_bytes)
    big = [NewConversation(f"big-{n}", [NewMessage("x" * 20_000)], False, 0, NOW) for n in range(200)]
    await db.write(lambda c: intake.accept(c, big))
    full = await db.read(storage.used_bytes)
    await db.write(lambda c: records.delete_conversations(c, [each.id for each in big]))
    after = await db.read(storage.used_bytes)

    assert full > before
    # PostgreSQL gives room back to itself, not to us.
    assert after < full or database_url.get_backend_name() == "postgresql"
