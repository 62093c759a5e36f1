"""People who write in conversations of every kind, and are erased."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, insert, select, text, update
from structlog.testing import capture_logs

import models
from core.secret_ring import PurposeKey, SecretRing
from database import Database
from domain.analysis import Analysis
from models import conversations, summaries
from services.access.audit_log import AuditLog
from services.people import People
from store.conversations import erasures
from store.conversations.erasures import Asker
from store.conversations.intake import NewMessage
from store.search import index
from tests.support.rows import NOW, answered, claim, settle

Result = TypeVar("Result")
ASKER = Asker("key:1", "10.0.0.1", "r1")


class OneTransaction:
    """A database whose reads and writes all run in the transaction of a test, at once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def write(self, fn: Callable[[Connection], Result], *, urgent: bool = False) -> Result:
        return fn(self.connection)

    async def read(self, fn: Callable[[Connection], Result]) -> Result:
        return fn(self.connection)


async def no_time(_: float) -> None:
    """Wait for nothing."""


def people(db: Database, **given: Any) -> People:
    """The service, without waits and without a secret."""
    audit = AuditLog(db, lambda: NOW, PurposeKey("", b"tests"))
    return People(db, lambda: NOW, audit, SecretRing([]), **{"sleep": no_time, **given})


def erase(connection: Connection, person: str) -> dict[str, int]:
    """Erase a person in the transaction of the connection; the counts of the receipt."""
    service = people(cast(Database, OneTransaction(connection)))
    erasures.note_asked(connection, person, who=ASKER, now=NOW)
    with capture_logs() as logged:
        _at_once(service.round(NOW + 1))
    [receipt] = [each["receipt"] for each in logged if each["event"] == "person_erased"]
    counts: dict[str, int] = receipt["counts"]
    return counts


def _at_once(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits for something")


def index_all(connection: Connection, limit: int = 100) -> None:
    """Index all that is not in the full-text index yet, so many messages at a time."""
    for _ in range(1_000):
        rows = index.list_unindexed(connection, limit=limit)
        if not rows:
            return
        index.index_unindexed(
            connection, [index.entry(row.conversation, row.position, row.text, row.author) for row in rows]
        )
    raise AssertionError("it goes round in circles")


def analyse_all(connection: Connection) -> None:
    """Analyse all that is due; each reasoning quotes everything that was said."""
    works = claim(connection, limit=1_000).work
    said = [" ".join(turn for _, turn in work.job.turns) for work in works]
    quoting = (Analysis(-6_500, 90, ("delay",), words, raw=f'{{"a": "{words}"}}') for words in said)
    settle(connection, works, [answered(*each) for each in zip(works, quoting, strict=True)])


def summarise(connection: Connection, number: int, words: str) -> None:
    """Store a summary that quotes these words, made of a part that does too."""
    written = {"content": f'{{"summary": "{words}"}}', "analyzer": "grok", "model": "grok-4.3", "raw": words}
    row = {"conversation": number, "status": "completed", "made_from": 1, "message_count": 1}
    connection.execute(insert(summaries), [{**row, **written, "created_at": NOW, "updated_at": NOW}])
    part = {"conversation": number, "first": 1, "last": 1, "version": "1", **written}
    connection.execute(insert(models.summary_parts), [part])


def quote_in_call(connection: Connection, words: str) -> None:
    """A call since everything was received whose answer could not be read, and is kept."""
    call = {"provider": "grok", "model": "m", "conversations": 1, "started_at": NOW + 1, "body": words}
    connection.execute(insert(models.grok_calls), [call])


def everything(connection: Connection) -> str:
    """All that stands in any table, in lower case."""
    return "\n".join(_rows(connection)).lower()


def _rows(connection: Connection) -> Iterator[str]:
    for table in models.metadata.sorted_tables:
        for row in connection.execute(select(table)):
            yield f"{table.name} {tuple(row)}"
    if connection.dialect.name == "postgresql":
        for row in connection.execute(text("SELECT conversation, position, words::text FROM search")):
            yield f"search {tuple(row)}"
    else:
        for row in connection.execute(text("SELECT id, block FROM search_data")):
            yield f"search {tuple(row)}"


def with_raw(connection: Connection, number: int, words: str) -> None:
    """Give a conversation raw data and metadata with these words."""
    given = {"raw_data": f'{{"original": "{words}"}}', "metadata": f'{{"subject": "{words}"}}'}
    connection.execute(update(conversations).where(conversations.c.number == number).values(given))


def turn(words: str, author: str | None, role: str | None = "customer") -> NewMessage:
    """A message of a chat."""
    return NewMessage(words, author, role)
