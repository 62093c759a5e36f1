"""A service that is closed, with the secrets and the keys of a test."""

import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from sqlalchemy.engine import URL

from benchmarks.support.process import client
from core import clock
from domain.api_keys import ApiKey, new_key
from domain.roles import Role
from tests.support.access import bearer as bearer
from tests.support.service import Service, rows, running

SECRET = "a secret of the tests and of nobody else"
ANOTHER_SECRET = "another secret of the tests as long as that"
ADD_KEY = """
INSERT INTO api_keys (id, name, role, digest, created_at, created_by, expires_at)
VALUES (:id, :name, :role, :digest, :now, 'operator:test', :expires_at)
"""
CHANGED = "UPDATE access_marks SET number = number + 1 WHERE name = 'changes'"
DECLARED = "INSERT INTO access_marks (name, number) VALUES ('changes', 1) ON CONFLICT DO NOTHING"


async def key_in(database: URL, role: Role, name: str = "", expires_at: int | None = None) -> ApiKey:
    """A new key, stored behind the service's back."""
    key = new_key(secrets.token_hex)
    values = {
        "id": key.id,
        "name": name or role,
        "role": role,
        "digest": key.digest,
        "expires_at": expires_at,
    }
    await rows(database, ADD_KEY, now=clock.now(), **values)
    await tell_all(database)
    return key


async def tell_all(database: URL) -> None:
    """Let every process look at keys and accounts again."""
    await rows(database, DECLARED)
    await rows(database, CHANGED)


@asynccontextmanager
async def closed(database: URL, **given: Any) -> AsyncIterator[Service]:
    """A closed service; what `running` takes may be given too."""
    given = {"auth_required": True, "auth_secret": SECRET, **given}
    async with running(database, **given) as service:
        yield service


@asynccontextmanager
async def holding(service: Service, key: ApiKey) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends a key with every request."""
    async with client(service.url) as http:
        http.headers.update(bearer(key.text))
        yield http


async def refusals(database: URL, action: str = "call.denied") -> Sequence[str]:
    """The reasons of what was refused, as the audit log has them, the oldest first."""
    found = await rows(
        database, "SELECT outcome FROM audit_entries WHERE action = :action ORDER BY number", action=action
    )
    return [row.outcome for row in found]


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
