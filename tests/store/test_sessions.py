"""Sessions against the database: what was read before a session ended is not remembered after it."""

import asyncio
import secrets
from functools import partial

import pytest
from sqlalchemy import Connection

from core import clock
from core.errors import EndedCredential
from database import Database
from services.access.audit_log import AuditLog
from services.access.digests import digest_of
from services.access.directory import Directory
from services.access.sessions import Sessions
from store.access import accounts, sessions
from store.access.accounts import StoredAccount
from store.access.audit import UNSIGNED, AuditEntry
from store.engine.writers import Result, Transaction


class SlowAnswers(Database):
    """A database whose answers are on their way until they are let through."""

    def __init__(self, real: Database) -> None:
        super().__init__(real.readers, real.writers, real.background)
        self.through = asyncio.Event()
        self.asked = asyncio.Event()
        self.through.set()

    async def read(self, fn: Transaction[Result]) -> Result:
        found = await super().read(fn)
        self.asked.set()
        await self.through.wait()
        return found


def person() -> StoredAccount:
    now = clock.now()
    return StoredAccount(secrets.token_hex(8), "github", "1", "ada@example.com", "viewer", now, now)


def parts(database: Database) -> tuple[Directory, Sessions]:
    directory = Directory(database, clock.now)
    audit = AuditLog(database, clock.now, UNSIGNED)
    found = Sessions(database, directory, clock.now, audit, secrets.token_hex)
    directory.changed = found.forget
    return directory, found


def started(held: Sessions, connection: Connection) -> str:
    return held.start(connection, accounts.enter(connection, person()).id, None)


async def test_an_answer_that_is_older_than_the_end_is_not_kept(db: Database) -> None:
    slow = SlowAnswers(db)
    directory, _ = parts(db)
    _, held = parts(slow)
    held.directory = directory
    directory.changed = held.forget
    text = await db.write(partial(started, held))
    await directory.refresh()

    slow.through.clear()
    slow.asked.clear()
    looking = asyncio.create_task(held.check(text))
    await slow.asked.wait()
    await db.write(lambda connection: sessions.end_session(connection, digest_of(text)))
    await directory.refresh()
    slow.through.set()
    await looking  # it was good when it was asked

    with pytest.raises(EndedCredential):
        await held.check(text)


async def test_a_new_session_takes_the_place_of_the_browsers_old_one(db: Database) -> None:
    directory, held = parts(db)
    first = await db.write(partial(started, held))
    account = (await db.read(accounts.list_accounts))[0].id
    second = await db.write(lambda connection: held.start(connection, account, first))
    await directory.refresh()

    assert (await held.check(second)).actor == f"account:{account}"
    with pytest.raises(EndedCredential):
        await held.check(first)


async def test_the_log_out_is_in_the_audit_log(db: Database) -> None:
    _, held = parts(db)
    text = await db.write(partial(started, held))
    await held.end(text, AuditEntry(clock.now(), "account:x", ""))

    assert await db.read(lambda connection: sessions.session_of(connection, digest_of(text))) is None
