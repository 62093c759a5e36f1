"""The directory of keys: in memory, a quarter of a second behind the database at most, and never older than it says."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from sqlalchemy.engine import URL

import database
from benchmarks.support.waiting import eventually
from core.clock import SECOND
from core.errors import BadCredential, NotWritable
from core.secret_ring import SecretRing
from database import Database
from domain.api_keys import ApiKey, new_key
from domain.roles import Caller, Role
from services.access.audit_log import AuditLog, audit_key
from services.access.directory import NOTE_USES_EVERY, STALE_AFTER, Directory
from services.access.keys import Keys
from store.access import keys as store
from store.access.audit import AuditEntry

ASKED = AuditEntry(0, "operator:test", "")
NOW = 1_800_000_000 * SECOND


class Time:
    now = NOW

    def __call__(self) -> int:
        return self.now


def keys(db: Database, time: Time) -> Keys:
    return Keys(db, time, AuditLog(db, time, audit_key(SecretRing([]))), secrets.token_hex)


async def used_at(db: Database) -> int | None:
    (key,) = await db.read(store.list_keys)
    return key.last_used_at


@asynccontextmanager
async def running(directory: Directory) -> AsyncIterator[None]:
    task = asyncio.create_task(directory.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def made(db: Database, time: Time, role: Role = Role.AGENT, expires_at: int | None = None) -> ApiKey:
    key, _ = await keys(db, time).create("importer", role, expires_at, ASKED)
    return key


async def test_a_key_gives_its_holder(db: Database) -> None:
    time = Time()
    key, directory = await made(db, time), Directory(db, time)
    await directory.refresh()

    caller = directory.by_key(key.text)

    assert caller == Caller(f"key:{key.id}", "importer", Role.AGENT, "importer", "key")
    assert directory.by_actor(caller.actor) == caller


async def test_each_bad_key_has_its_reason(db: Database) -> None:
    time = Time()
    expired, revoked = await made(db, time, expires_at=NOW + 1), await made(db, time)
    await keys(db, time).revoke(revoked.id, ASKED)
    time.now += 1
    directory = Directory(db, time)
    await directory.refresh()
    forged = new_key(lambda size: expired.id if size == 6 else secrets.token_hex(size))
    bad = {
        "malformed key": expired.text[:-1] + ("0" if expired.text[-1] != "0" else "1"),
        "unknown key": new_key(secrets.token_hex).text,
        f"expired key {expired.id}": expired.text,
        f"revoked key {revoked.id}": revoked.text,
    }
    reasons = {}
    for reason, text in bad.items():
        with pytest.raises(BadCredential) as error:
            directory.by_key(text)
        reasons[reason] = error.value.reason

    assert reasons == {reason: reason for reason in bad}
    with pytest.raises(BadCredential, match="unknown key"):
        directory.by_key(forged.text)


async def test_another_process_hears_of_a_revocation(database_url: URL) -> None:
    """With the poll of a running service, beside the program that revokes."""
    time = Time()
    async with database.opened(database_url) as db, database.opened_beside(database_url) as beside:
        key, directory = await made(beside, time), Directory(db, time)
        await directory.refresh()
        assert directory.by_key(key.text)

        await keys(beside, time).revoke(key.id, ASKED)
        await directory.refresh()

        with pytest.raises(BadCredential, match="revoked"):
            directory.by_key(key.text)


async def test_a_directory_that_was_not_read_for_long_is_not_believed(db: Database) -> None:
    time = Time()
    key, directory = await made(db, time), Directory(db, time)
    await directory.refresh()

    time.now += STALE_AFTER + 1

    with pytest.raises(NotWritable):
        directory.by_key(key.text)


async def test_uses_are_noted_once_a_minute(db: Database) -> None:
    time = Time()
    key, directory = await made(db, time), Directory(db, time)
    await directory.refresh()
    directory.by_key(key.text)

    time.now += NOTE_USES_EVERY
    async with running(directory):
        await eventually(partial(used_at, db), 20)

    assert await used_at(db) == NOW
