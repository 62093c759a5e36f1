"""The same questions in plain SQL, as a service without roll-ups would ask them: count and page by index, group by."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from api.parameters.insights import SENTIMENT_OF
from benchmarks.questions import Filters, Window
from core.database_url import DRIVERS
from domain.buckets import DAY, HOUR, MICROSECONDS

Found = TypeVar("Found")
PAGE = 100
IN_HOURS = 7 * MICROSECONDS[DAY]

CONDITIONS = {
    "sentiment": "i.sentiment = :sentiment",
    "min_confidence": "i.confidence >= :min_confidence",
    "author": "i.author = :author",
    "cluster": "t.topic = (SELECT number FROM topics WHERE slug = :cluster)"
    " AND t.timestamp >= :start AND t.timestamp < :end",
}
WITHIN = "i.timestamp >= :start AND i.timestamp < :end"
FILED = " JOIN insight_topics t ON t.conversation = i.conversation AND t.timestamp = i.timestamp"
SHOWN = "i.*, c.id, c.external_id, c.metadata, m.text"
TOLD = (
    " JOIN conversations c ON c.number = i.conversation"
    " JOIN messages m ON m.conversation = i.conversation AND m.position = 1"
)
NEWEST = " ORDER BY i.timestamp DESC, i.conversation DESC LIMIT :limit"
PEOPLE = (
    "SELECT author, count(*), sum(CASE WHEN sentiment < 0 THEN 1 ELSE 0 END), avg(score), max(timestamp)"
    " FROM insights i WHERE {} AND author IS NOT NULL GROUP BY author ORDER BY 3 {} LIMIT :limit"
)
TOP = "SELECT topic, count(*) FROM insight_topics i WHERE {} GROUP BY topic ORDER BY 2 DESC LIMIT 10"


class Plain:
    """One connection to the database, beside the service."""

    def __init__(self, database_url: str) -> None:
        self.url = database_url
        url = make_url(database_url)
        self._engine = create_async_engine(url.set(drivername=DRIVERS.get(url.drivername, url.drivername)))
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._connection = self._runner.run(self._engine.connect().start())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._connection.close())
        self._runner.run(self._engine.dispose())
        self._runner.close()

    def window(self, window: Window, filters: Filters) -> tuple[int, float]:
        """How many match and, with a page of them, in how many milliseconds."""
        tables = f"insights i{FILED if 'cluster' in filters else ''}"
        where = " AND ".join((WITHIN, *(CONDITIONS[name] for name in filters)))
        given = {"start": window.start, "end": window.end} | _typed(filters)
        since = time.perf_counter()
        ((count,),) = self.ask(f"SELECT count(*) FROM {tables} WHERE {where}", given)  # noqa: S608  our own
        page = f"SELECT {SHOWN} FROM {tables}{TOLD} WHERE {where}{NEWEST}"  # noqa: S608  our own
        self.ask(page, given | {"limit": PAGE})
        return int(count), (time.perf_counter() - since) * 1_000

    def trends(self, window: Window) -> tuple[int, float]:
        """How many there are and, by hour or day and by topic, in how many milliseconds."""
        length = MICROSECONDS[HOUR if window.end - window.start <= IN_HOURS else DAY]
        given = {"start": window.start, "end": window.end}
        since = time.perf_counter()
        rows = self.ask(
            f"SELECT i.timestamp / {length}, i.sentiment, count(*), sum(i.score) FROM insights i"  # noqa: S608
            f" WHERE {WITHIN} GROUP BY 1, 2",
            given,
        )
        self.ask(TOP.format(WITHIN), given)
        return sum(row[2] for row in rows), (time.perf_counter() - since) * 1_000

    def people(self, window: Window, *, descending: bool) -> tuple[int, float]:
        """The negative insights of a page of people and, in order, in how many milliseconds."""
        since = time.perf_counter()
        rows = self.ask(
            PEOPLE.format(WITHIN, "DESC" if descending else ""), {**window._asdict(), "limit": PAGE}
        )
        return sum(row[2] for row in rows), (time.perf_counter() - since) * 1_000

    def run(self, fn: Callable[[Connection], Found]) -> Found:
        """What a function of the store finds."""
        return self._runner.run(self._run(fn))

    async def _run(self, fn: Callable[[Connection], Found]) -> Found:
        async with self._connection.begin():
            return await self._connection.run_sync(fn)

    def ask(self, statement: str, given: dict[str, Any]) -> list[Any]:
        """Rows, of a snapshot of their own."""
        return self._runner.run(self._ask(statement, given))

    async def _ask(self, statement: str, given: dict[str, Any]) -> list[Any]:
        async with self._connection.begin():
            return list(await self._connection.execute(text(statement), given))


def _typed(filters: Filters) -> dict[str, Any]:
    types: dict[str, Any] = {
        "sentiment": SENTIMENT_OF.__getitem__,
        "min_confidence": lambda confidence: round(float(confidence) * 100),
    }
    return {name: types.get(name, str)(value) for name, value in filters.items()}
