"""Notifications among the processes on one PostgreSQL database: LISTEN and NOTIFY.

Transactions that notify commit one after another: with a NOTIFY in each commit, eight writers made 0.22 to 0.30 of the
commits. So `notify` is for what people change now and then. What intake and settlement bring about is told afterwards,
for many transactions at once, with `ListeningConnection.send`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select
from sqlalchemy.engine import URL

from core.database_url import driver_address

if TYPE_CHECKING:
    import asyncpg

SEPARATOR = "\n"
MOST_BYTES = 7_999
"""Of a payload; PostgreSQL refuses 8,000."""
CONNECT_SECONDS = 10.0
SECONDS = 5.0
"""How long the server may take to answer the listening connection."""
# Nothing in it has to last, so the lock that all notifying transactions share is not held until the disk has it. LOCAL:
# a pooler would hand a setting of the session on to the next client, whose commits would not be durable.
SEND = (
    "SELECT set_config('synchronous_commit', 'off', true), pg_notify(channel, payload)"
    " FROM unnest($1::text[], $2::text[]) AS told (channel, payload)"
)


class Channel(StrEnum):
    """What is told of. In lower case, because NOTIFY folds a name that is not quoted, and `pg_notify` does not."""

    CONVERSATIONS = "insights_conversations"
    """These have grown, ended or gone, have lost messages, or got a summary."""
    LISTENERS = "insights_listeners"
    """These chats have listeners, who hear drafts of summaries."""
    ANALYSIS = "insights_analysis"
    """Conversations have fallen due."""
    SUMMARIES = "insights_summaries"
    """Summaries have fallen due."""
    JOBS = "insights_jobs"
    """Long jobs have fallen due."""
    ACCESS = "insights_access"
    """A key, an account or a session has changed."""
    SWITCHES = "insights_switches"
    """An operator has turned a switch."""
    TOPICS = "insights_topics"
    """What analyzers are told of topics has changed."""
    TRIAL = "insights_trial"
    """A process tries whether it hears anything."""


Ids = Collection[str] | None
"""What has changed of a channel; None where that may be anything."""
Heard = Callable[[Channel, Ids], None]
"""Called with what another session told."""
Connect = Callable[[], Awaitable[Any]]


def notify(connection: Connection, channel: Channel, payload: str = "") -> None:
    """Tell every process, once the transaction is committed. On SQLite there is no other process."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(channel.value, payload)))


def payloads(ids: Iterable[str]) -> Iterator[str]:
    """The ids, in order, in as few payloads as hold them. None of them may be longer than a payload or empty."""
    part: list[str] = []
    size = 0
    for id_ in ids:
        more = len(id_.encode()) + len(SEPARATOR)
        if part and size + more > MOST_BYTES + len(SEPARATOR):
            yield SEPARATOR.join(part)
            part, size = [], 0
        part.append(id_)
        size += more
    if part:
        yield SEPARATOR.join(part)


def ids_of(payload: str) -> list[str] | None:
    """The ids in a payload; None if it is empty."""
    return payload.split(SEPARATOR) if payload else None


class ListeningConnection:
    """A connection that listens and does nothing else but tell: in a transaction it would hear nothing."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def send(self, told: Sequence[tuple[Channel, str]]) -> None:
        """Send payloads to all other sessions, in one transaction. Raises ConnectionError."""
        channels, texts = [channel.value for channel, _ in told], [payload for _, payload in told]
        with _connection_errors():
            await self._connection.execute(SEND, channels, texts, timeout=SECONDS)

    async def check(self) -> None:
        """Raises ConnectionError if the server does not answer: nothing tells of a cable that was cut."""
        with _connection_errors():
            await self._connection.execute("SELECT 1", timeout=SECONDS)

    async def close(self) -> None:
        """Stop listening, for whoever gets the session from a pooler, and close it."""
        try:
            with suppress(Exception):
                await self._connection.execute("UNLISTEN *", timeout=1)
            with suppress(Exception):
                await self._connection.close(timeout=1)
        finally:
            self._connection.terminate()


def listening_connector(url: URL) -> Connect:
    """Opens connections to listen on. They have no settings: a pooler would hand those on with the session."""
    dsn = driver_address(url)

    async def connect() -> "asyncpg.Connection[Any]":
        import asyncpg

        # Without prepared statements, whose names are known to one of a pooler's sessions only.
        named = {"application_name": "insights-platform-listening"}
        return await asyncpg.connect(
            dsn, timeout=CONNECT_SECONDS, statement_cache_size=0, server_settings=named
        )

    return connect


@asynccontextmanager
async def listening(
    connect: Connect, channels: Collection[Channel], heard: Heard, lost: Callable[[], None]
) -> AsyncIterator[ListeningConnection]:
    """Listen inside the block, on a connection of its own. `lost` is called if that is closed, by whoever.

    Not one of a pool: there a listener would stay on the connection when it goes back. Raises ConnectionError.
    """
    with _connection_errors():
        connection = await connect()
    listener = ListeningConnection(connection)
    own = connection.get_server_pid()

    def on_notification(_: object, pid: int, channel: str, payload: str) -> None:
        if pid != own:
            heard(Channel(channel), ids_of(payload))

    try:
        connection.add_termination_listener(lambda _: lost())
        with _connection_errors():
            for channel in channels:
                await connection.add_listener(channel.value, on_notification)
        yield listener
    finally:
        await listener.close()


@contextmanager
def _connection_errors() -> Iterator[None]:
    import asyncpg

    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error
