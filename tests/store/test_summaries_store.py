"""Summaries as a queue: asked for, held, kept in parts, stored with the version they were made from."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from database import Database
from domain.jobs import Failed, Requeued
from domain.summaries import Message
from models import summaries, summary_parts
from store.conversations.intake import NewMessage
from store.conversations.records import delete_conversation
from store.queue import summaries as store
from store.queue.summaries import Stored, SummaryJob, Written
from tests.support.chat_data import added, said
from tests.support.insight_data import tried
from tests.support.rows import LEASE, NOW, new, take_in
from tests.support.summary_data import a_part, a_summary

SAID = [("customer", "Where is it?"), ("support_agent", "On its way."), ("customer", "Good.")]
VERSION = "grok/grok-4.3/1"


def taken_in(connection: Connection, *ids: str, said: Sequence[tuple[str | None, str]] = SAID) -> None:
    """Chats with these ids."""
    messages = [NewMessage(text, None, role) for role, text in said]
    take_in(connection, *(new(id_, messages=messages, is_chat=True) for id_ in ids))


def asked(connection: Connection, *ids: str, now: int = NOW) -> None:
    taken_in(connection, *ids)
    assert all(store.ask(connection, id_, now=now + at) for at, id_ in enumerate(ids))


def claimed(
    connection: Connection, *, now: int = NOW, token: str = "a", suspects: bool = True
) -> SummaryJob | None:
    return store.claim(connection, now=now, token=token, until=now + LEASE, suspects=suspects)


def claim(connection: Connection, *, now: int = NOW, token: str = "a") -> SummaryJob:
    job = claimed(connection, now=now, token=token)
    assert job is not None
    return job


def looked(connection: Connection, id_: str = "c") -> Stored:
    stored = store.get(connection, id_)
    assert stored is not None
    return stored


def written(job: SummaryJob, used: Sequence[tuple[int, int]] = ()) -> Written:
    return Written(job, a_part(1, job.last), used)


def kept(connection: Connection, job: SummaryJob, first: int, last: int, version: str = VERSION) -> bool:
    part = a_part(first, last)
    return store.keep(connection, job, part, version=version, until=NOW + LEASE)


def ranges(connection: Connection, job: SummaryJob, version: str = VERSION) -> set[tuple[int, int]]:
    return {(part.first, part.last) for part in store.parts(connection, job, version=version)}


# --- asking -------------------------------------------------------------------------------------------------


async def test_nobody_has_a_summary_who_is_not_there(db: Database) -> None:
    def play(connection: Connection) -> None:
        assert not store.ask(connection, "c", now=NOW)
        assert store.get(connection, "c") is None
        taken_in(connection, "c")
        assert looked(connection).row is None
        assert claimed(connection) is None

    await tried(db, play)


async def test_what_is_asked_for_is_due_at_once_and_only_once(db: Database) -> None:
    def play(connection: Connection) -> None:
        asked(connection, "c")
        assert store.ask(connection, "c", now=NOW + 5)
        stored = looked(connection)
        assert (stored.is_pending, stored.is_current) == (True, False)

        job = claim(connection)
        assert (job.id, job.revision, job.last, job.failures, job.error) == ("c", 1, 3, 0, None)
        assert claimed(connection) is None
        assert store.depth(connection) == 1

    await tried(db, play)


async def test_they_are_written_in_the_order_in_which_they_were_asked_for(db: Database) -> None:
    def play(connection: Connection) -> None:
        asked(connection, "c2", "c1", "c3")
        claims = [claimed(connection, now=NOW + 9, token=token) for token in "abcd"]
        assert [job and job.id for job in claims] == ["c2", "c1", "c3", None]

    await tried(db, play)


async def test_what_is_current_is_not_written_again(db: Database) -> None:
    def play(connection: Connection) -> None:
        asked(connection, "c")
        assert store.settle(connection, written(claim(connection)), now=NOW + 1)
        assert looked(connection).is_current

        assert store.ask(connection, "c", now=NOW + 2)
        assert claimed(connection, now=NOW + 9) is None
        assert not looked(connection).is_pending

    await tried(db, play)


async def test_a_chat_that_has_grown_is_written_again_and_keeps_its_first_date(db: Database) -> None:
    def play(connection: Connection) -> None:
        asked(connection, "c")
        store.settle(connection, written(claim(connection)), now=NOW + 1)
        added(connection, said("c", "And now?"))
        stored = looked(connection)
        assert (stored.is_current, stored.is_pending) == (False, False)

        store.ask(connection, "c", now=NOW + 2)
        assert looked(connection).is_pending
        assert looked(connection).row is not None
        again = claim(connection, now=NOW + 2)
        assert (again.revision, again.last) == (2, 4)
        store.settle(connection, written(again), now=NOW + 3)

        row = looked(connection).row
        assert row is not None
        assert (row.made_from, row.message_count) == (2, 4)
        assert (row.created_at, row.updated_at) == (NOW + 1, NOW + 3)

    await tried(db, play)


async def test_one_that_is_being_written_is_written_again_for_who_asks_for_the_newest(db: Database) -> None:
    def play(connection: Connection) -> None:
        asked(connection, "c")
        job = claim(connection)
        added(connection, said("c", "And now?"))
        store.ask(connection, "c", now=NOW + 1)
        assert store.settle(connection, written(job), now=NOW + 2)

        stored = looked(connection)
        assert stored.is_pending
        assert stored.row is not None
        assert (stored.row.made_from, stored.row.status) == (1, "queued")
        assert claim(connection, now=NOW + 2).revision == 2

    await tried(db, play)


async def test_a_chat_that_grows_while_it_is_written_is_outdated_and_rests(db: Database) -> None:
    def play(connection: Connection) -> None:
        asked(connection, "c")
        job = claim(connection)
        added(connection, said("c", "And now?"))
        store.settle(connection, written(job), now=NOW + 2)

        stored = looked(connection)
        assert (stored.is_pending, stored.is_current) == (False, False)

    await tried(db, play)


# --- settling -----------------------------------------------------------------------------------------------


async def test_what_failed_says_why_and_is_tried_again_when_it_is_asked_for(db: Database) -> None:
    def play(connection: Connection) -> None:
        asked(connection, "c")
        job = claim(connection)
        assert store.settle(connection, Failed(job, "malformed", "no JSON", 4), now=NOW + 1)
        row = looked(connection).row
        assert row is not None
        assert (row.status, row.error, row.failures, row.run_at) == ("failed", "no JSON", 4, None)
        assert store.depth(connection) == 0

        store.ask(connection, "c", now=NOW + 2)
        again = claim(connection, now=NOW + 2)
        assert (again.failures, again.error) == (0, None)

    await tried(db, play)


async def test_what_goes_back_is_due_later_and_remembers_what_went_wrong(db: Database) -> None:
    def play(connection: Connection) -> None:
        asked(connection, "c1", "c2")
        store.settle(connection, Requeued(claim(connection), NOW + 7, 2, "HTTP 500"), now=NOW)
        assert claimed(connection, now=NOW + 6, token="b") is not None
        assert claimed(connection, now=NOW + 6, token="c") is None
        assert claimed(connection, now=NOW + 7, suspects=False) is None

        job = claim(connection, now=NOW + 7)
        assert (job.id, job.failures, job.error) == ("c1", 2, "HTTP 500")

    await tried(db, play)


async def test_after_its_lease_it_is_another_ones_and_a_late_writer_changes_nothing(db: Database) -> None:
    def play(connection: Connection) -> None:
        asked(connection, "c")
        late = claim(connection)
        assert claimed(connection, now=NOW + LEASE - 1, token="b") is None
        other = claim(connection, now=NOW + LEASE, token="b")

        assert not store.renew(connection, late, until=NOW + 9 * LEASE)
        assert not kept(connection, late, 1, 3)
        for outcome in (written(late), Failed(late, "why", "why", 4), Requeued(late, NOW, 0)):
            assert not store.settle(connection, outcome, now=NOW)
        assert store.renew(connection, other, until=NOW + 9 * LEASE)
        assert claimed(connection, now=NOW + 8 * LEASE, token="c") is None

    await tried(db, play)


async def test_deleting_a_chat_leaves_nothing_of_a_summary_that_is_being_written(db: Database) -> None:
    def play(connection: Connection) -> None:
        asked(connection, "c", "other")
        job, other = claim(connection), claim(connection, now=NOW + 1)
        assert kept(connection, job, 1, 2)
        assert kept(connection, other, 1, 2)
        assert delete_conversation(connection, "c")

        assert not kept(connection, job, 3, 3)
        assert not store.settle(connection, written(job), now=NOW)
        taken_in(connection, "c")
        assert looked(connection).row is None
        assert connection.scalars(select(summaries.c.conversation)).all() == [other.conversation]
        assert connection.scalars(select(summary_parts.c.conversation)).all() == [other.conversation]

    await tried(db, play)


async def test_after_a_restart_what_was_held_is_due_at_once_and_keeps_its_parts(db: Database) -> None:
    def play(connection: Connection) -> None:
        asked(connection, "c1", "c2")
        job = claim(connection)
        kept(connection, job, 1, 2)
        store.settle(connection, written(claim(connection, now=NOW + 1, token="b")), now=NOW)

        store.recover(connection, now=NOW + 2)
        again = claim(connection, now=NOW + 2, token="c")
        assert again.id == "c1"
        assert ranges(connection, again) == {(1, 2)}
        assert claimed(connection, now=NOW + 2) is None

    await tried(db, play)


async def test_a_summary_cannot_be_stored_in_a_state_that_means_nothing(db: Database) -> None:
    for change in ({"run_at": None}, {"lease": "a"}, {"status": "skipped"}, {"made_from": 1}):

        def play(connection: Connection) -> None:
            asked(connection, "c")
            connection.execute(summaries.update().values(change))  # noqa: B023  played at once

        with pytest.raises(IntegrityError):
            await db.write(play)


# --- parts --------------------------------------------------------------------------------------------------


async def test_a_part_is_what_was_kept(db: Database) -> None:
    def play(connection: Connection) -> None:
        asked(connection, "c")
        job = claim(connection)
        part = replace(a_part(1, 2), summary=a_summary([1, 2]), raw='{"as": "written"}')
        assert store.keep(connection, job, part, version=VERSION, until=NOW + LEASE)
        assert store.parts(connection, job, version=VERSION) == [part]

    await tried(db, play)


async def test_parts_of_another_prompt_or_model_are_not_used_and_are_replaced(db: Database) -> None:
    def play(connection: Connection) -> None:
        asked(connection, "c")
        job = claim(connection)
        kept(connection, job, 1, 2, version="offline/luhn-1/1")
        assert ranges(connection, job) == set()
        kept(connection, job, 1, 2)
        assert ranges(connection, job) == {(1, 2)}
        assert ranges(connection, job, "offline/luhn-1/1") == set()

    await tried(db, play)


async def test_once_it_is_written_only_parts_are_kept_that_a_longer_chat_can_use(db: Database) -> None:
    def play(connection: Connection) -> None:
        asked(connection, "c")
        job = claim(connection)
        for first, last in ((1, 1), (2, 2), (1, 2), (3, 3), (1, 3)):
            kept(connection, job, first, last)
        used = [(1, 1), (2, 2), (3, 3), (1, 3)]
        store.settle(connection, written(job, used), now=NOW)
        assert ranges(connection, job) == {(1, 1), (2, 2)}

    await tried(db, play)


async def test_messages_are_read_page_by_page_up_to_the_version_that_was_claimed(db: Database) -> None:
    def play(connection: Connection) -> None:
        taken_in(connection, "c", said=[*SAID, (None, "Who am I?")])
        store.ask(connection, "c", now=NOW)
        job = claim(connection)
        added(connection, said("c", "Too late for this one"))

        pages = [
            store.conversation_messages(connection, job, after=after, limit=3, shown=str)
            for after in (0, 3, 4)
        ]
        assert pages == [
            [Message(at, role, text) for at, (role, text) in enumerate(SAID, 1)],
            [Message(4, "customer", "Who am I?")],
            [],
        ]
        assert store.texts(connection, job, {2, 4, 99}, str) == {2: "On its way.", 4: "Who am I?"}

    await tried(db, play)


# --- races --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_racing_claimers_never_write_a_summary_twice_and_leave_none(
    db: Database, server_url: URL
) -> None:
    """Without the row lock of `claim` PostgreSQL gives the same row to several, and this fails."""
    claimers, number = 4, 200
    await db.write(lambda connection: asked(connection, *(f"c{at}" for at in range(number))))
    engine = create_async_engine(server_url, pool_size=claimers)
    together = asyncio.Barrier(claimers)

    async def claims(token: str) -> list[str]:
        got: list[str] = []
        await together.wait()
        while True:
            async with engine.begin() as connection:
                job = await connection.run_sync(lambda c: claimed(c, now=NOW + number, token=token))
            if job is None:
                return got
            got.append(job.id)

    try:
        found = await asyncio.gather(*(claims(f"{token}") for token in range(claimers)))
    finally:
        await engine.dispose()

    assert Counter(id_ for some in found for id_ in some) == Counter(f"c{at}" for at in range(number))


async def test_whoever_asks_at_the_same_time_asks_once(db: Database) -> None:
    await db.write(lambda connection: taken_in(connection, "c"))

    asks = [db.write(lambda connection: store.ask(connection, "c", now=NOW)) for _ in range(8)]

    assert await asyncio.gather(*asks) == [True] * 8
    assert (
        await db.read(lambda connection: connection.scalar(select(func.count()).select_from(summaries))) == 1
    )
