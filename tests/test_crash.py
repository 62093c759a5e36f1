"""`kill -9` in the middle of posts and of their analysis: what was answered 202 is there, with one insight."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from tests.fake_grok import KEY
from tests.rapid import Answer, post_rapidly
from tests.service import POSTS as PATH
from tests.service import Grok, Json, Process, address, client, faked, let_leases_end, rows
from tests.support import eventually

POSTS = 1_000
MORE = 300
KILLS = 3


@pytest.fixture
def grok() -> Iterator[Grok]:
    with faked() as fake:
        yield fake


@pytest.fixture
def process(database_url: URL, grok: Grok, tmp_path: Path) -> Iterator[Process]:
    """A service that takes in as fast as it can and analyses slowly enough to be caught at it."""
    grok.latency = 0.3
    environ: Json = {
        "DATABASE_URL": address(database_url),
        "GROK_API_KEY": KEY,
        "GROK_BASE_URL": grok.url,
        "INBOUND_RPS": 0,
        "START_BATCH": 20,
        "MAX_BATCH": 20,
        "BATCH_FLUSH_SECONDS": 0.1,
    }
    with Process(tmp_path, **environ) as started:
        yield started


def conversations() -> list[Json]:
    """Half of them have an id of the sender's, so that posting them again stores no second one."""
    texts = [f"Parcel {number} is three days late and nobody answers" for number in range(POSTS)]
    return [
        {"text": text, **({"external_id": text} if number % 2 else {})} for number, text in enumerate(texts)
    ]


async def killed_amid_posts(process: Process) -> list[Answer]:
    """Post until the process is killed; every answer that came."""
    answers: list[Answer] = []
    posting = asyncio.create_task(post_rapidly(process.url, conversations(), 20, answers))
    await eventually(lambda: len(answers) > POSTS / 10)
    process.end(signal.SIGKILL)
    return await posting


async def killed_amid_analysis(process: Process, grok: Grok) -> set[str]:
    """Kill the process while calls are in flight; of some it has seen the answer. The ids of what was added."""
    # Of what was posted before, a slow machine may have been through by now.
    items = [{"text": f"Refund {number} has not come and nobody answers"} for number in range(MORE)]
    seen = len(grok.calls)
    async with client(process.url) as http:
        answer = (await http.post(f"{PATH}/bulk", json=items)).raise_for_status()
    await eventually(lambda: len(grok.calls) >= seen + 4)
    process.end(signal.SIGKILL)
    return {*answer.json()["conversation_ids"]}


async def restarted(process: Process, database: URL) -> None:
    # On PostgreSQL a lease outlives its holder by half a minute and more; on SQLite the start ends it.
    await let_leases_end(database)
    process.start()


async def drained(process: Process) -> bool:
    async with client(process.url) as http:
        return bool((await http.get("/health")).json()["queue_size"] == 0)


async def test_nothing_that_was_answered_202_is_lost_or_analysed_into_two_insights(
    database_url: URL, grok: Grok, process: Process
) -> None:
    first = await killed_amid_posts(process)
    await restarted(process, database_url)
    again = await killed_amid_posts(process)
    await restarted(process, database_url)
    more = await killed_amid_analysis(process, grok)
    await restarted(process, database_url)
    await eventually(lambda: drained(process), 60)

    assert {answer.status for answer in [*first, *again]} == {202}
    assert all(20 < len(answers) < POSTS for answers in (first, again)), "the kills missed the posts"
    accepted = {answer.body["conversation_id"] for answer in [*first, *again]} | more
    stored = await rows(
        database_url,
        "SELECT c.id, c.status, c.external_id, count(i.conversation) AS insights FROM conversations c"
        " LEFT JOIN insights i ON i.conversation = c.number GROUP BY c.id, c.status, c.external_id",
    )
    assert {row.id for row in stored} >= accepted
    assert {(row.status, row.insights) for row in stored} == {("completed", 1)}
    known = [row.external_id for row in stored if row.external_id]
    assert len(known) == len(set(known))
    # What was in flight at a kill is sent again, and nothing else is.
    assert max(grok.sent.values()) <= 1 + KILLS
