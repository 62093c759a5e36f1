"""A process that is killed while it erases a person: the next one goes on to the end."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS, Process, address, client
from benchmarks.support.waiting import eventually
from tests.support.service import rows

ANN = "ann"
SAID = "My parcel is late and nobody answers me"


async def messages_of(url: URL) -> int:
    """How many messages Ann has."""
    (row,) = await rows(url, "SELECT count(*) AS n FROM messages WHERE author = 'ann'")
    return int(row.n)


async def fill(http: httpx.AsyncClient) -> None:
    """Many texts of Ann's, and a long chat of hers and Bob's."""
    for _ in range(3):
        texts = [{"text": f"{SAID}. It has number {at}.", "author": ANN} for at in range(500)]
        assert (await http.post(f"{POSTS}/bulk", json=texts)).status_code == 202
    turn = {"conversation_id": "both", "user_type": "customer", "message_content": SAID}
    chat = [{**turn, "user_id": ANN if at % 2 else "bob"} for at in range(500)]
    for _ in range(2):
        assert (await http.post("/chats", json=chat)).status_code == 201


async def test_what_a_killed_process_had_begun_to_erase_is_erased_by_the_next(
    database_url: URL, tmp_path: Path
) -> None:
    environ: dict[str, Any] = {
        "DATABASE_URL": address(database_url),
        "GROK_MODE": "offline",
        "INBOUND_RPS": 0,
    }
    with Process(tmp_path, **environ) as process:
        async with client(process.url) as http:
            await fill(http)
            await http.post("/api/v1/analysis/pause")
            before = await messages_of(database_url)
            erasing = asyncio.create_task(http.delete("/api/v1/people/ann"))

            async def has_begun() -> bool:
                return await messages_of(database_url) < before

            await eventually(has_begun)
            process.end(signal.SIGKILL)
            with suppress(httpx.HTTPError):
                await erasing
        left = await messages_of(database_url)
        # As if a minute had passed, after which another process on PostgreSQL takes it over.
        await rows(database_url, "UPDATE erasures SET stepped_at = 0")
        process.start()

        async def is_over() -> bool:
            (row,) = await rows(database_url, "SELECT count(*) AS n FROM erasures")
            return bool(row.n == 0)

        async def is_told() -> bool:
            return '"deleted": 1500' in process.said

        await eventually(is_over, 60)
        await eventually(is_told)

    (chat,) = await rows(database_url, "SELECT id, message_count, erased FROM conversations")
    assert 0 < left < before == 2_000
    assert await messages_of(database_url) == 0
    assert tuple(chat) == ("both", 1_000, 500)
