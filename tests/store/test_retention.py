"""Retention counts from a chat's last message, spares what still goes on, and tells those who listen."""

from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy import Connection, select, update

from api.views.live import live_messages_after
from database import Database
from models import COMPLETED, conversations
from services.live import Hub
from services.retention import DAY, FEW, Retention
from store.conversations import storage
from store.queue import summaries
from tests.support.chat_data import added, said, talk, turns
from tests.support.rows import stored

NOW = 400 * DAY
LONG = 250


def end_all(connection: Connection) -> None:
    """Every chat is analysed."""
    connection.execute(update(conversations).values(status=COMPLETED, run_at=None, quiet_at=None))


async def ids(db: Database) -> set[str]:
    return set(await db.read(lambda connection: connection.scalars(select(conversations.c.id)).all()))


def retention(
    db: Database,
    *,
    deleted: Callable[[str], None] = lambda _: None,
    sleep: Callable[[float], Awaitable[None]] | None = None,
) -> Retention:
    async def at_once(_: float) -> None:
        pass

    return Retention(db, 30, lambda: NOW, sleep or at_once, deleted)


async def test_a_chat_that_still_grows_is_kept(db: Database) -> None:
    def play(connection: Connection) -> None:
        for chat, last in (("growing", 1), ("kept", 29), ("over", 31)):
            talk(connection, chat, 2, now=NOW - 40 * DAY)
            talk(connection, chat, 2, now=NOW - last * DAY)
        talk(connection, "long", LONG, now=NOW - 40 * DAY)
        talk(connection, "long and growing", LONG, now=NOW - 40 * DAY)
        talk(connection, "long and growing", 1, now=NOW - DAY)
        talk(connection, "silent", 1, now=NOW - 40 * DAY)
        talk(connection, "being summarised", 1, now=NOW - 40 * DAY)
        end_all(connection)
        assert summaries.ask(connection, "being summarised", now=NOW)

    await db.write(play)

    assert await retention(db).sweep() == 3
    assert await ids(db) == {"growing", "kept", "long and growing", "being summarised"}
    assert len(await db.read(lambda connection: turns(connection, "long and growing"))) == LONG + 1


async def test_many_that_still_grow_hide_none_that_is_over(db: Database) -> None:
    def play(connection: Connection) -> None:
        for number in range(120):
            talk(connection, f"c{number}", 1, now=NOW - 40 * DAY)
        added(connection, *[said(f"c{number}") for number in range(119)], now=NOW - DAY)
        end_all(connection)

    await db.write(play)

    assert await retention(db).sweep() == 1
    assert len(await ids(db)) == 119


async def test_a_message_that_comes_just_before_the_deletion_saves_its_chat(db: Database) -> None:
    """Between the listing and the deletion, and in the middle of the deletion of a long chat."""
    before = NOW - 30 * DAY

    def play(connection: Connection) -> None:
        for chat, number in (("short", 1), ("long", LONG)):
            talk(connection, chat, number, now=NOW - 40 * DAY)
        end_all(connection)
        found = storage.expired(connection, before, after=0, limit=9)
        assert [each.may_go for each in found] == [True, True]
        assert storage.shorten_expired(connection, "long", before)
        added(connection, said("short", "wait"), said("long", "wait"), now=NOW)

        assert not storage.shorten_expired(connection, "long", before)
        assert storage.delete_expired(connection, ["short", "long"], before) == []
        end_all(connection)
        assert storage.delete_expired(connection, ["short", "long"], before) == []
        assert turns(connection, "long")[-1].text == "wait"
        assert stored(connection, "long").message_count == LONG - 100 + 1

    await db.write(play)


async def test_who_listens_to_a_chat_that_is_too_old_is_told_and_hears_the_next(db: Database) -> None:
    hub = Hub(partial(live_messages_after, db))
    for chat, number in (("short", 1), ("long", FEW + 1)):
        await db.write(partial(talk, chat=chat, number=number, now=NOW - 40 * DAY))
    await db.write(end_all)
    with hub.listening("short", 1) as one, hub.listening("long", FEW + 1) as other:
        assert await retention(db, deleted=hub.deleted).sweep() == 2

        assert [(await each.news()).deleted for each in (one, other)] == [True, True]
        with hub.listening("short", 0) as anew:
            await db.write(partial(talk, chat="short", number=1, now=NOW, text="again"))
            hub.messages_added("short")
            assert [message.position for message in (await anew.news()).messages] == [1]
