"""Messages to put into chats, straight into the store."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, create_engine, event, select

from core.clock import SECOND
from models import messages
from store.conversations import chats
from store.conversations.chats import PlacedMessage, PostedMessage, PostOutcome
from store.conversations.intake import NewMessage
from store.engine import migration
from store.engine.vault import vault_of
from tests.support.rows import LATE, NOW, stored

QUIET = 30 * SECOND


def said(chat: str, text: str = LATE, **fields: Any) -> PostedMessage:
    """A customer's message for a chat."""
    return PostedMessage(chat, NewMessage(text, **{"author": "someone", "role": "customer", **fields}))


def post(connection: Connection, *some: PostedMessage, now: int = NOW) -> PostOutcome:
    """Add messages to chats, as one post."""
    [answer] = chats.add_messages(connection, [some], now=now, quiet=QUIET)
    return answer


def added(connection: Connection, *some: PostedMessage, now: int = NOW) -> Sequence[PlacedMessage]:
    """Add messages that are all taken; where they are."""
    answer = post(connection, *some, now=now)
    assert isinstance(answer, list), answer
    return answer


def talk(connection: Connection, chat: str, number: int, *, now: int = NOW, text: str = LATE) -> None:
    """Add so many messages to a chat, as many a post as a post may have."""
    for first in range(0, number, 500):
        added(connection, *[said(chat, text) for _ in range(min(500, number - first))], now=now)


def turns(connection: Connection, chat: str) -> Sequence[Row[Any]]:
    """The messages of a chat, in order; nothing of one that there is not."""
    number = stored(connection, chat).number
    m = messages.c
    rows = connection.execute(select(messages).where(m.conversation == number).order_by(m.position)).all()
    return vault_of(connection).all_opened(messages, rows)


@contextmanager
def tries_in_memory() -> Iterator[Callable[[Callable[[Connection], object]], None]]:
    """Runs functions in transactions that leave nothing behind, on SQLite and a tenth of a file's time."""
    engine = create_engine("sqlite://")

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None

    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    with engine.connect() as connection:
        migration.migrate(connection)
        connection.commit()

        def tried(fn: Callable[[Connection], object]) -> None:
            with connection.begin() as transaction:
                fn(connection)
                transaction.rollback()

        yield tried
    engine.dispose()
