"""A service that is closed, with a key for every role, one that has expired and one that was revoked."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import URL

import database
from core.clock import SECOND, now
from core.secret_ring import SecretRing
from domain.roles import Role
from services.access.audit_log import AuditLog, audit_key
from services.access.digests import digest_of
from services.access.keys import Keys
from services.access.sessions import IDLE
from store.access import accounts, sessions
from store.access.accounts import StoredAccount
from store.access.audit import AuditEntry
from store.access.sessions import StoredSession
from tests.support.service import Grok, Service, running

SECRET = "a secret of the tests that is long enough"
ASKED = AuditEntry(0, "operator:tests", "")
LATER = 3_600 * SECOND


@dataclass
class Closed(Service):
    """A closed service; `keys` are texts by role, or by what is wrong with them."""

    keys: Mapping[str, str]

    def bearing(self, name: str) -> dict[str, str]:
        """The header with one of the keys."""
        return bearer(self.keys[name])


def bearer(text: str) -> dict[str, str]:
    """The header with a key or a token."""
    return {"Authorization": f"Bearer {text}"}


async def make_keys(url: URL) -> dict[str, str]:
    """Keys in a database, as the command line makes them."""
    async with database.opened_beside(url) as db:
        ended = Keys(
            db, lambda: now() - LATER, AuditLog(db, now, audit_key(SecretRing([SECRET]))), secrets.token_hex
        )
        present = Keys(db, now, ended.audit, secrets.token_hex)
        found = {role.value: (await present.create(role, role, None, ASKED))[0] for role in Role}
        found["expired"], _ = await ended.create("expired", Role.ADMIN, now() - SECOND, ASKED)
        found["revoked"], _ = await present.create("revoked", Role.ADMIN, None, ASKED)
        await present.revoke(found["revoked"].id, ASKED)
    return {name: key.text for name, key in found.items()}


@asynccontextmanager
async def closed(url: URL, grok: Grok | None = None, **given: Any) -> AsyncIterator[Closed]:
    """A closed service. Its `http` has the admin's key."""
    keys = await make_keys(url)
    async with running(url, grok, **{"auth_required": True, "auth_secret": SECRET, **given}) as open_:
        open_.http.headers.update(bearer(keys["admin"]))
        yield Closed(open_.url, open_.http, open_.database, open_.logged, keys)


async def make_session(url: URL, role: Role = Role.AGENT) -> str:
    """The cookie of somebody who has just logged in."""
    text, time = secrets.token_hex(32), now()
    who = StoredAccount(
        secrets.token_hex(8), "oidc", secrets.token_hex(4), "ada@example.com", role, time, time
    )

    def store(connection: Connection) -> None:
        account = accounts.enter(connection, who).id
        sessions.store_session(connection, StoredSession(digest_of(text), account, time, time + IDLE))

    async with database.opened_beside(url) as db:
        await db.write(store)
    return text
