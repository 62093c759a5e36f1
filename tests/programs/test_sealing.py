"""`python -m database encrypt` and `rotate-key`: beside a service, killed and gone on with, and what they refuse."""

import asyncio
import os
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS, ROOT, address
from benchmarks.support.waiting import eventually
from core.crypto import MARK, KeyRing
from models import encryption_keys, messages
from tests.support.forks import Forks
from tests.support.service import Service, rows, running

ONE, OTHER = bytes([1]) * 32, bytes([2]) * 32
OLD, NEW = (b64encode(key).decode() for key in (ONE, OTHER))
BOTH = f"{NEW},{OLD}"
SECRET = "zeppelin"
MANY = 1_500


def command(url: URL, verb: str, **environ: str) -> "subprocess.Popen[str]":
    given = {"PATH": os.environ["PATH"], "DATABASE_URL": address(url), **environ}
    line = [sys.executable, "-m", "database", verb]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, cwd=ROOT, env=given, stdout=pipe, stderr=pipe, text=True)


def ended(program: "subprocess.Popen[str]", code: int) -> str:
    """What a program said that ended with this code."""
    with program:
        try:
            said, complaints = program.communicate(timeout=300)
        finally:
            program.kill()
    assert program.returncode == code, complaints
    return said if code == 0 else complaints


async def run(forks: Forks, url: URL, verb: str, key: str, code: int = 0) -> str:
    """What the program says, which ends with this code."""
    environ = {"DATABASE_URL": address(url), "DATA_ENCRYPTION_KEY": key}
    done = await asyncio.to_thread(forks.run, ROOT, environ, "-m", "database", verb)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


async def sealed(url: URL, key: bytes = ONE) -> tuple[int, int]:
    """How many messages there are, and how many are sealed with the key."""
    begins = f"{MARK}{KeyRing([key]).ids[0]}|%"
    counts = select(func.count(), func.count().filter(messages.c.text.like(begins))).select_from(messages)
    found: Sequence[Any] = (await rows(url, str(counts.compile(compile_kwargs={"literal_binds": True}))))[0]
    return int(found[0]), int(found[1])


def in_files(url: URL) -> int:
    """How often the secret word stands in an SQLite file, its journals and what else lies beside it."""
    file = Path(url.database or "")
    return sum(
        path.read_bytes().lower().count(SECRET.encode()) for path in file.parent.iterdir() if path.is_file()
    )


def texts(first: int, count: int) -> list[str]:
    return [
        f"The {SECRET} number{at} never arrived, said {SECRET.upper()}" for at in range(first, first + count)
    ]


async def posting(service: Service, stop: asyncio.Event) -> int:
    """Post chats and texts until told to stop; every one of them has to be taken in."""
    count = 0
    while not stop.is_set():
        [said] = texts(100_000 + count, 1)
        await service.post(said, author=f"writer{count % 7}")
        chat = {"conversation_id": f"chat{count % 50}", "user_type": "customer", "message_content": said}
        response = await service.http.post("/chats", json=[{**chat, "user_id": f"writer{count % 7}"}])
        assert response.status_code == 201, response.text
        count += 1
        await asyncio.sleep(0.02)  # the program needs the CPU as well
    return count


@asynccontextmanager
async def posted_to(service: Service) -> AsyncIterator[None]:
    """Posts come in during the block, and all succeed."""
    stop = asyncio.Event()
    task = asyncio.create_task(posting(service, stop))
    try:
        yield
    finally:
        stop.set()
        count = await task
    assert count > 0


async def killed_and_gone_on_with(url: URL, verb: str, key: str, made_with: bytes) -> None:
    """Kill the program once it has done a part, and run it again."""
    sealer = command(url, verb, DATA_ENCRYPTION_KEY=key)

    async def has_begun() -> bool:
        return (await sealed(url, made_with))[1] > 100 or sealer.poll() is not None

    await eventually(has_begun, 60)
    sealer.send_signal(signal.SIGKILL)
    await asyncio.to_thread(sealer.communicate)
    await asyncio.to_thread(ended, command(url, verb, DATA_ENCRYPTION_KEY=key), 0)


async def found(service: Service, keyword: str) -> Sequence[str]:
    answer = await service.get("/chats", user_id="writer1", keyword=keyword, limit=100)
    return [each["conversation_id"] for each in answer["chats"]]


async def test_a_plain_database_is_turned_over_beside_the_service(database_url: URL) -> None:
    async with running(database_url) as service:
        ids = await service.post_all(texts(0, MANY))
        repeated = {"text": texts(7, 1)[0], "external_id": "known", "author": "zara"}
        first = await service.http.post(POSTS, json=repeated)
        await service.all_ended(ids[:500])

    async with running(database_url, data_encryption_key=OLD, while_plain=True) as service:
        async with posted_to(service):
            await killed_and_gone_on_with(database_url, "encrypt", OLD, ONE)
        again = await service.http.post(POSTS, json=repeated)
        assert again.json()["conversation_id"] == first.json()["conversation_id"]
        assert again.status_code == 202
        assert (await service.one(ids[3]))["text"] == texts(3, 1)[0]

        async def all_found() -> bool:
            return len(await found(service, f'"{SECRET} number100001 never"')) == 2

        await eventually(all_found, 60)

    all_, done = await sealed(database_url)
    assert done == all_ > MANY
    if database_url.get_backend_name() == "sqlite":
        assert in_files(database_url) == 0


async def test_keys_are_rotated_beside_the_service(database_url: URL) -> None:
    async with running(database_url, data_encryption_key=OLD) as service:
        ids = await service.post_all(texts(0, MANY))

    async with running(database_url, data_encryption_key=BOTH) as service:
        async with posted_to(service):
            await killed_and_gone_on_with(database_url, "rotate-key", BOTH, OTHER)
        assert (await service.one(ids[3]))["text"] == texts(3, 1)[0]

    all_, done = await sealed(database_url, OTHER)
    assert done == all_ > MANY
    async with running(database_url, data_encryption_key=NEW) as service:
        assert (await service.one(ids[5]))["text"] == texts(5, 1)[0]
        assert (await service.get(POSTS, author="writer1", limit=1))["conversations"]


async def test_an_erasure_that_is_under_way_is_encrypted_rotated_and_goes_on(
    forks: Forks, database_url: URL
) -> None:
    async with running(database_url) as service:
        id_ = await service.post("Where is my parcel?", author="zara")
        await service.ended(id_)
    await rows(
        database_url,
        "INSERT INTO erasures (person, through, actor, client, request_id, stepped_at)"
        " VALUES ('zara', 1000, 'key:one', '', '', 0)",
    )

    await run(forks, database_url, "encrypt", OLD)
    assert "zara" not in str(await rows(database_url, "SELECT * FROM erasures"))
    await run(forks, database_url, "rotate-key", BOTH)

    async with running(database_url, data_encryption_key=NEW) as service:

        async def gone() -> bool:
            return (await service.http.get(f"{POSTS}/{id_}")).status_code == 404

        await eventually(gone)


async def test_nothing_readable_is_left_after_a_service_that_stood_still(
    forks: Forks, tmp_path: Path
) -> None:
    url = URL.create("sqlite+aiosqlite", database=str(tmp_path / "insights.db"))
    async with running(url) as service:
        await service.all_ended(await service.post_all(texts(0, 300)))
    assert in_files(url) > 300

    said = await run(forks, url, "encrypt", OLD)

    assert "rewritten" in said
    assert in_files(url) == 0


async def test_what_does_not_fit_is_one_line(forks: Forks, database_url: URL) -> None:
    plain = await run(forks, database_url, "rotate-key", OLD, code=2)
    async with running(database_url) as service:
        await service.post(texts(0, 1)[0])
        served = await run(forks, database_url, "encrypt", OLD, code=2)
    nothing = await run(forks, database_url, "encrypt", "", code=2)
    bad = await run(forks, database_url, "encrypt", "hunter2", code=2)
    assert await rows(database_url, str(select(encryption_keys))) == []
    await run(forks, database_url, "encrypt", OLD)
    lost = await run(forks, database_url, "rotate-key", NEW, code=2)
    async with running(database_url, data_encryption_key=f"{OLD},{NEW}"):
        unknown = await run(forks, database_url, "rotate-key", BOTH, code=2)

    assert "the database is plain" in plain
    assert "the service runs without this key" in served
    assert "set DATA_ENCRYPTION_KEY" in nothing
    assert "is not base64" in bad
    assert "hunter2" not in bad
    assert "lacks the key" in lost
    assert "the service runs without this key" in unknown
    assert [len(each.splitlines()) for each in (plain, served, nothing, bad, lost, unknown)] == [1] * 6


@pytest.mark.parametrize(
    ("stored_with", "key", "said"),
    [(OLD, "", "is encrypted"), (OLD, NEW, "lacks the key"), ("", OLD, "still plain")],
    ids=["none", "lost", "plain"],
)
async def test_a_service_with_keys_that_do_not_fit_does_not_start(
    forks: Forks, database_url: URL, stored_with: str, key: str, said: str, tmp_path: Path
) -> None:
    async with running(database_url, data_encryption_key=stored_with or None) as service:
        await service.post(texts(0, 1)[0])

    given = {"DATABASE_URL": address(database_url), "GROK_MODE": "offline", "DATA_ENCRYPTION_KEY": key}
    line = await asyncio.to_thread(forks.refused, tmp_path, LOG_LEVEL="ERROR", **given)

    assert line.startswith("cannot start: DATA_ENCRYPTION_KEY: ")
    assert said in line
    assert len(line.splitlines()) == 1
