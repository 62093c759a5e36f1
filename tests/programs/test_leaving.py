"""A process that takes requests and is started again: nobody who posts meanwhile notices."""

import asyncio
import signal
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS, Process, address, client
from tests.support.service import rows

LATE = "My parcel is three days late and nobody answers"
LONGEST_END = 8


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_process_that_leaves_answers_until_others_have_taken_over(
    database_url: URL, tmp_path: Path
) -> None:
    answers: list[httpx.Response] = []
    with Process(tmp_path, ROLE="api", DATABASE_URL=address(database_url), INBOUND_RPS=0) as process:
        async with client(process.url) as http:
            before = await http.post(POSTS, json={"text": LATE})
            since = time.monotonic()
            process.process.send_signal(signal.SIGTERM)
            while (probed := await http.get("/healthz")).status_code == 200:
                await asyncio.sleep(0.01)
            while time.monotonic() < since + 1:
                answers.append(await http.post(POSTS, json={"text": f"{LATE} ({len(answers)})"}))
                await asyncio.sleep(0.02)
        code = await asyncio.to_thread(process.exit_code)
        took = time.monotonic() - since

    assert before.headers.get("connection") != "close"
    assert (probed.status_code, probed.headers["connection"]) == (503, "close")
    assert probed.headers["retry-after"]
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.headers["connection"] for answer in answers} == {"close"}
    assert code == 0
    assert took < LONGEST_END
    [stored] = await rows(database_url, "SELECT count(*) AS n FROM conversations")
    assert stored.n == len(answers) + 1
