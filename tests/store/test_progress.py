"""How far many conversations are, by one statement for all of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import Connection, event, update

from database import Database
from models import COMPLETED, FAILED, QUEUED, SKIPPED, conversations
from store.conversations import progress
from store.queue import summaries
from tests.support.chat_data import added, said
from tests.support.rows import NOW

Find = Callable[[Connection, Sequence[str]], object]
STATUSES = (QUEUED, COMPLETED, FAILED, SKIPPED)


def chats(connection: Connection) -> None:
    """One chat for each status, named after it, with two messages."""
    for status in STATUSES:
        added(connection, said(status), said(status))
        of_it = update(conversations).where(conversations.c.id == status)
        due = NOW if status == QUEUED else None
        connection.execute(of_it.values(status=status, run_at=due))


@contextmanager
def statements(connection: Connection) -> Iterator[Sequence[str]]:
    found: list[str] = []

    def note(_: object, __: object, statement: str, *more: object) -> None:
        if statement.startswith("SELECT"):
            found.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    yield found
    event.remove(connection, "before_cursor_execute", note)


async def test_those_that_ended_or_are_gone(db: Database) -> None:
    await db.write(chats)
    found = await db.read(partial(progress.ended_among, ids=(*STATUSES, "gone")))

    assert found == {COMPLETED, FAILED, SKIPPED, "gone"}


async def test_those_whose_summary_is_not_pending(db: Database) -> None:
    await db.write(chats)
    await db.write(partial(summaries.ask, id_=QUEUED, now=NOW))

    assert await db.read(partial(progress.summarised_among, ids=(QUEUED, FAILED, "gone"))) == {FAILED, "gone"}


async def test_the_number_and_the_last_position_of_those_that_exist(db: Database) -> None:
    await db.write(chats)
    found = await db.read(partial(progress.chat_states, ids=(QUEUED, FAILED, "gone")))

    assert {id_: state and state.last_position for id_, state in found.items()} == {
        QUEUED: 2,
        FAILED: 2,
        "gone": None,
    }
    assert len({state.number for state in found.values() if state is not None}) == 2


@pytest.mark.parametrize("find", [progress.ended_among, progress.summarised_among, progress.chat_states])
async def test_however_many_it_is_one_statement(
    db: Database, find: Callable[[Connection, Sequence[str]], object]
) -> None:
    def look(connection: Connection) -> int:
        with statements(connection) as made:
            find(connection, [f"c{number}" for number in range(progress.MOST_IDS)])
        return len(made)

    assert await db.read(look) == 1
