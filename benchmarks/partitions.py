"""What partitions cost and save on PostgreSQL: the same work with none, one and many, and months that are dropped.

    python -m benchmarks.partitions [--rows 200000] [--partitions 0 12 36] [--database-url URL]

Each database has so many conversations in partitions of equal size, all of them in the full-text index. Times are of
the store alone, by the clock of this process: the shortest and the median of some rounds. On a busy machine the
shortest tells more.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from statistics import median
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url

import database
from benchmarks.seed import Made, seed
from benchmarks.support import databases
from core import clock
from core.clock import SECOND
from database import Database
from domain.analysis import Analysis
from domain.buckets import DAY, MICROSECONDS
from services.indexing import Indexing
from store.conversations.intake import NewConversation, NewMessage, accept
from store.conversations.records import delete_conversations, get_conversation, list_conversations
from store.engine import partitions, turning_over
from store.engine.partitions import CONVERSATIONS, Partition
from store.insights.listing import list_with_totals
from store.insights.trends import trends
from store.insights.windows import Selection, Sort
from store.queue import analysis
from worker.claims import Claim
from worker.outcomes import Policy, Provenance, completed

DAYS = 400
ROUNDS = 25
GROUP = 50
POLICY = Policy(
    max_retries=3,
    max_in_flight=8,
    batch_tokens=180_000,
    call_timeout=60,
    flush_after=1,
    backoff=lambda _: 2.0,
    prefilter=True,
    shown=str,
)
ANSWER = Analysis(-3_000, 80, ("delay",), "Says that the order is late.", raw="{}", language="en")
HASH = b"h" * 32
Work = Callable[[Connection], object]
Times = tuple[float, float]
"""The shortest and the median, in milliseconds."""
KNOWN = 1
_numbers = count(KNOWN)


def main() -> int:
    """Measure and print a table; 0."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.partitions", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--partitions", type=int, nargs="+", default=(0, 12, 36), help="0: plain tables")
    parser.add_argument("--database-url", help="of a PostgreSQL server; default: one that is started here")
    given = parser.parse_args()
    with _server(given.database_url) as server:
        for number in given.partitions:
            with databases.created(server, f"partitions_{number}") as url:
                for what, (least, middle) in asyncio.run(_measured(url, given.rows, number)):
                    figures = f"{least:>9.2f} {middle:>9.2f} ms"
                    sys.stdout.write(f"{number:>4} partitions  {what:<40} {figures}\n")
                    sys.stdout.flush()
    return 0


@contextmanager
def _server(given: str | None) -> Iterator[URL]:
    if given is not None:
        yield make_url(given)
        return
    with databases.postgresql("shared_buffers = '512MB'") as url:
        yield url


async def _measured(url: URL, rows: int, number: int) -> Sequence[tuple[str, Times]]:
    now = clock.now()
    async with database.opened(url) as db:
        if number:
            splits = [rows * part // number + 1 for part in range(1, number)]
            await db.write(partial(turning_over.at_once, now=now, splits=splits))
    start = now - DAYS * MICROSECONDS[DAY]
    await seed(url.render_as_string(hide_password=False), Made(rows, DAYS, now, 1), start, now)
    async with database.opened(url) as db:
        while await Indexing(db).step():
            pass
        await _analysed(db)
        found = [(what, await _times(db, work)) for what, work in _works(now, rows)]
        if number:
            found += await _dropped(db, rows, number)
    return found


async def _analysed(db: Database) -> None:
    async with db.writers.engine.connect() as connection:  # type: ignore[attr-defined]
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE"))


async def _times(db: Database, work: Work) -> Times:
    took: list[float] = []

    def timed(connection: Connection) -> None:
        started = time.perf_counter()
        work(connection)
        took.append(time.perf_counter() - started)

    for _ in range(ROUNDS):
        await db.write(timed)
    return min(took) * 1_000, median(took) * 1_000


def _works(now: int, rows: int) -> Iterator[tuple[str, Work]]:
    month = partial(Selection, now - 30 * MICROSECONDS[DAY], now)
    middle = now - DAYS // 2 * MICROSECONDS[DAY]
    yield f"{GROUP} posts with an external_id, new", partial(_post, now=now)
    yield f"{GROUP} posts with an external_id, known", partial(_post, now=now, again=True)
    yield f"claim {GROUP} texts", partial(_claim_and_undo, now=now)
    yield f"claim and settle {GROUP} texts", partial(_settle, now=now)
    yield "a conversation by its id", partial(get_conversation, id_=f"conv_{rows // 2:012}")
    yield "the newest 100 conversations", partial(list_conversations, limit=100)
    yield "insights of 30 days, a page of 100", partial(list_with_totals, chosen=month(), limit=100)
    yield (
        "insights of a day of last year, 100",
        partial(list_with_totals, chosen=Selection(middle, middle + MICROSECONDS[DAY]), limit=100),
    )
    by_score = month(sort=Sort.LOWEST_SCORE, cluster="delay")
    yield "of a topic, by score", partial(list_with_totals, chosen=by_score, limit=100)
    yield "of an author", partial(list_with_totals, chosen=month(author="author_7"), limit=100)
    yield "with a word", partial(list_with_totals, chosen=month(keyword="nobody answers"), limit=100)
    yield "trends of 30 days", partial(_trends, now=now)
    yield f"delete {GROUP} conversations", partial(_delete, first=count(rows // 2))


def _post(connection: Connection, now: int, again: bool = False) -> None:
    names = [f"{KNOWN if again else next(_numbers)}_{at}" for at in range(GROUP)]
    accept(connection, [_new(name, now) for name in names])


def _new(name: str, now: int) -> NewConversation:
    said = [NewMessage(f"Order {name} is late again and nobody answers.", None, "customer")]
    known_by = NewConversation(f"p{name}", said, is_chat=False, timestamp=now, received_at=now)
    return known_by._replace(external_id=f"e{name}", content_hash=HASH)


def _claim(connection: Connection, now: int) -> Any:
    return Claim(now, f"t{next(_numbers)}", now + SECOND, "grok-4.3/1", POLICY).take(connection, GROUP).work


def _claim_and_undo(connection: Connection, now: int) -> None:
    with connection.begin_nested() as savepoint:
        _claim(connection, now)
        savepoint.rollback()


def _settle(connection: Connection, now: int) -> None:
    work = _claim(connection, now)
    outcomes = [completed(each, ANSWER, Provenance("grok", "grok-4.3", 7, now, "1")) for each in work]
    analysis.settle(connection, outcomes, now=now, asked={each.key for each in work})


def _trends(connection: Connection, now: int) -> None:
    trends(connection, now - 30 * MICROSECONDS[DAY], now, cluster=None, now=now)


def _delete(connection: Connection, first: Iterator[int]) -> None:
    delete_conversations(connection, [f"conv_{next(first):012}" for _ in range(GROUP)])


async def _dropped(db: Database, rows: int, number: int) -> Sequence[tuple[str, Times]]:
    """A partition that is full, as it is dropped: what is in it is not taken back first."""
    there = await db.read(partial(partitions.partitions, family=CONVERSATIONS))
    each: Partition = there[len(there) // 2]
    started = time.perf_counter()
    await db.write(partial(partitions.drop_partition, family=CONVERSATIONS, partition=each))
    took = (time.perf_counter() - started) * 1_000
    return [(f"drop a partition of {rows // number:,}", (took, took))]


if __name__ == "__main__":
    raise SystemExit(main())
