"""What is removed goes with all that belongs to it, and leaves everything else as it was."""

from typing import Any

from sqlalchemy import Connection, Table, select

import models
from database import Database
from models import participants
from store.conversations import records
from store.search import index as search
from tests.support.chat_data import added, said
from tests.support.insight_data import tried
from tests.support.rows import LATE, claim, complete, new, statuses, take_in

OF_CONVERSATIONS: tuple[Table, ...] = (
    models.conversations,
    models.messages,
    participants,
    models.insights,
    models.insight_topics,
    models.counts,
    models.totals,
    models.topic_months,
)


def some(connection: Connection, name: str) -> list[str]:
    """Take in a conversation of each kind, so and so far on its way; their ids."""
    kinds = [f"{name}-{kind}" for kind in ("answered", "thanked", "indexed", "waiting", "chat")]
    answered, thanked, indexed, waiting, chat = kinds
    take_in(connection, new(answered, f"{LATE} Says {name}."), new(thanked, "Thanks!"))
    complete(connection, claim(connection).work)
    take_in(connection, new(indexed, f"{LATE} Says {name} again."))
    index(connection)
    take_in(connection, new(waiting, f"{LATE} Says {name} once more."))
    added(connection, said(chat), said(chat, "And where is it?", author="somebody else"))
    return kinds


def index(connection: Connection) -> None:
    """Index all that is not in the full-text index yet."""
    rows = search.list_unindexed(connection, limit=100)
    entries = [search.entry(row.conversation, row.position, row.text, row.author) for row in rows]
    search.index_unindexed(connection, entries)


def kept(connection: Connection) -> dict[str, Any]:
    """Take in some that stay, and on which nobody has anything left to do; all rows."""
    some(connection, "kept")
    complete(connection, claim(connection).work)
    index(connection)
    return everything(connection)


def everything(connection: Connection) -> dict[str, Any]:
    """All rows that a conversation may have, and who is found by a word."""
    rows = {each.name: sorted(map(repr, connection.execute(select(each)))) for each in OF_CONVERSATIONS}
    return {**rows, "found": list(search.matching_chats(connection, [("parcel",)]))}


async def test_many_go_at_once_as_if_they_had_never_been_there(db: Database) -> None:
    def scenario(connection: Connection) -> None:
        before = kept(connection)
        gone = some(connection, "gone")
        between = everything(connection)

        assert all(len(between[name]) > len(before[name]) for name in ("messages", "participants", "found"))
        assert between["counts"] != before["counts"]
        assert {statuses(connection)[id_] for id_ in gone} == {"completed", "skipped", "queued"}
        assert records.delete_conversations(connection, [*gone, "unknown"]) == len(gone)
        assert everything(connection) == before
        assert records.delete_conversations(connection, gone) == 0

    await tried(db, scenario)


async def test_one_goes_alone(db: Database) -> None:
    def scenario(connection: Connection) -> None:
        before = kept(connection)
        first, *rest = some(connection, "gone")

        assert [records.delete_conversation(connection, first) for _ in range(2)] == [True, False]
        assert first not in statuses(connection)
        assert {*rest} <= {*statuses(connection)}
        assert all(records.delete_conversation(connection, id_) for id_ in rest)
        assert everything(connection) == before

    await tried(db, scenario)
