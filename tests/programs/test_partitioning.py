"""`python -m database partition`: beside a service, killed and gone on with, and where it is not to be had."""

import asyncio
import os
import signal

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS, ROOT
from benchmarks.support.waiting import eventually
from tests.programs.test_sealing import command, ended, posted_to, texts
from tests.support.forks import Forks
from tests.support.partitioned import PARTITIONED
from tests.support.service import rows, running

MANY = 300
BEGUN = "SELECT 1 FROM pg_class WHERE relname = 'filled_ids'"
PARTITIONS = "SELECT 1 FROM pg_class WHERE relispartition AND relname = 'conversations_before'"


@pytest.mark.skipif(PARTITIONED, reason="makes partitions itself")
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_database_is_partitioned_beside_the_service(database_url: URL) -> None:
    async with running(database_url) as service:
        ids = await service.post_all(texts(0, MANY))
        repeated = {"text": texts(7, 1)[0], "external_id": "known"}
        first = await service.http.post(POSTS, json=repeated)
        async with posted_to(service):
            killed = command(database_url, "partition")

            async def has_begun() -> bool:
                return bool(await rows(database_url, BEGUN)) or killed.poll() is not None

            await eventually(has_begun, 60)
            killed.send_signal(signal.SIGKILL)
            await asyncio.to_thread(killed.communicate)
            said = await asyncio.to_thread(ended, command(database_url, "partition"), 0)
        assert "New conversations have the numbers from" in said
        assert await rows(database_url, PARTITIONS)
        assert not await rows(database_url, BEGUN)

        newest = await service.post("After all that it is late", author="zara")
        again = await service.http.post(POSTS, json=repeated)
        assert again.json()["conversation_id"] == first.json()["conversation_id"]
        await service.all_ended([*ids, newest])
        assert (await service.one(ids[3]))["text"] == texts(3, 1)[0]
        there = await service.get(POSTS, limit=1)
        assert there["conversations"][0]["conversation_id"] == newest
        before = (await rows(database_url, "SELECT count(*) FROM conversations_before"))[0][0]
        assert MANY < before < (await rows(database_url, "SELECT count(*) FROM conversations"))[0][0]


def test_an_sqlite_file_has_no_partitions(forks: Forks, tmp_path: object) -> None:
    environ = {"PATH": os.environ["PATH"], "DATABASE_URL": f"sqlite:///{tmp_path}/x.db"}

    done = forks.run(ROOT, environ, "-m", "database", "partition")

    assert done.returncode == 2
    assert done.stderr == "cannot partition: partitions need PostgreSQL; an SQLite file has none\n"
