"""Room: intake stops before the disk is full, old conversations go, and a copy can be made and put back."""

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, select
from sqlalchemy.engine import URL, make_url

from database import Database
from models import conversations as table
from services.retention import DAY, Retention
from store.conversations import intake, records, storage
from store.conversations.intake import NewConversation, NewMessage
from store.queue import analysis
from store.queue.analysis import Outcome, Skipped
from tests.support.service import POSTS, ROOT, running
from tests.support.serving import eventually

LATE = "My parcel is three days late and nobody answers"
NOW = 400 * DAY


def taken_in(id_: str, at: int) -> NewConversation:
    return NewConversation(id_, [NewMessage(LATE)], is_chat=False, timestamp=at, received_at=at)


async def ids(db: Database) -> set[str]:
    return set(await db.read(lambda c: c.scalars(select(table.c.id)).all()))


async def test_retention_deletes_what_is_too_old_and_spares_what_is_not_finished(db: Database) -> None:
    old = [taken_in(f"old-{number}", NOW - 40 * DAY + number) for number in range(120)]
    await db.write(
        lambda c: intake.accept(c, [*old, taken_in("unfinished", NOW - 35 * DAY), taken_in("new", NOW)])
    )

    def end_all_but_one(connection: Connection) -> list[Outcome]:
        jobs = analysis.due(connection, limit=500, now=NOW)
        ended = [Skipped(job, "too_short") for job in jobs if job.id != "unfinished"]
        return analysis.settle(connection, ended, now=NOW)

    await db.write(end_all_but_one)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    deleted = await Retention(db, 30, lambda: NOW, sleep).sweep()

    assert deleted == 120
    assert await ids(db) == {"unfinished", "new"}
    assert len(waited) >= 3  # in steps, and the writer is others' for nine tenths of the time


async def test_retention_counts_from_intake_and_not_from_the_timestamp(db: Database) -> None:
    new = NewConversation("new", [NewMessage(LATE)], is_chat=False, timestamp=0, received_at=NOW)
    await db.write(lambda c: intake.accept(c, [new]))
    await db.write(
        lambda c: analysis.settle(c, [Skipped(analysis.due(c, limit=1, now=NOW)[0], "thanks")], now=NOW)
    )

    assert await Retention(db, 30, lambda: NOW).sweep() == 0


async def test_used_bytes_fall_when_conversations_go(db: Database, database_url: URL) -> None:
    before = await db.read(storage.used_bytes)
    big = [NewConversation(f"big-{n}", [NewMessage("x" * 20_000)], False, 0, NOW) for n in range(200)]
    await db.write(lambda c: intake.accept(c, big))
    full = await db.read(storage.used_bytes)
    await db.write(lambda c: records.delete_conversations(c, [each.id for each in big]))
    after = await db.read(storage.used_bytes)

    assert full > before
    # PostgreSQL gives room back to itself, not to us.
    assert after < full or database_url.get_backend_name() == "postgresql"


async def test_at_the_limit_intake_stops_and_reading_goes_on(database_url: URL) -> None:
    async with running(database_url, max_storage_gb=0.000001) as service:
        refused = await eventually(lambda: answer_to_a_post(service.http))

        assert refused.status_code == 503
        assert refused.json()["error"] == "storage_full"
        assert refused.headers["retry-after"]
        assert (await service.get("/api/v1/conversations"))["conversations"] == []


async def answer_to_a_post(http: httpx.AsyncClient) -> httpx.Response | None:
    answer = await http.post("/api/v1/conversations", json={"text": LATE})
    return answer if answer.status_code != 202 else None


def copy(database: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "database", *arguments]
    environ = {"PATH": "", "DB_PATH": str(database)}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


async def test_a_backup_of_a_running_service_can_be_restored(tmp_path: Path) -> None:
    database, file = tmp_path / "live.db", tmp_path / "copy.db"
    url = make_url(f"sqlite+aiosqlite:///{database}")
    async with running(url) as service:
        await service.post(LATE, conversation_id="first")
        made = await asyncio.to_thread(copy, database, "backup", str(file))
        await service.post(LATE, conversation_id="second")
        running_still = await asyncio.to_thread(copy, database, "restore", str(file))
    restored = await asyncio.to_thread(copy, database, "restore", str(file))
    async with running(url) as service:
        listed = (await service.get(POSTS))["conversations"]

    assert (made.returncode, made.stderr) == (0, "")
    assert (running_still.returncode, running_still.stderr) == (
        1,
        "cannot restore: the service is running; stop it first\n",
    )
    assert (restored.returncode, restored.stderr) == (0, "")
    assert [each["conversation_id"] for each in listed] == ["first"]
    assert database.with_name("live.db.before-restore").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "usage"),
        (("copy", "x"), 2, "usage"),
        (("backup", "/nowhere/copy.db"), 1, "there is no database"),
        (("restore", "/nowhere/copy.db"), 1, "there is no /nowhere/copy.db"),
    ],
)
def test_what_cannot_be_copied_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = copy(tmp_path / "absent.db", *arguments)

    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_no_backup_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("these are no pages of a database at all " * 100)

    done = copy(tmp_path / "live.db", "restore", str(file))

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert not (tmp_path / "live.db").exists()
