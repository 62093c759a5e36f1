"""A key that is revoked, or expires, while something is under way: sockets close, and reads are not answered on."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest
from sqlalchemy.engine import URL
from websockets.asyncio.client import connect

import database
from benchmarks.support.process import POSTS
from benchmarks.support.waiting import eventually
from core.clock import SECOND, now
from core.secret_ring import SecretRing
from domain.roles import Role
from services.access.audit_log import AuditLog, audit_key
from services.access.keys import Keys
from store.access import audit
from store.access.audit import AuditEntry
from tests.support.access import ASKED, SECRET, Closed, bearer, closed
from tests.support.chat_sockets import Client

LONG = "x" * 200
SMALL_BUFFER = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)]


@pytest.fixture
async def service(database_url: URL) -> AsyncIterator[Closed]:
    async with closed(database_url) as running:
        yield running


@asynccontextmanager
async def beside(service: Closed) -> AsyncIterator[Keys]:
    """The keys as another process has them."""
    async with database.opened_beside(service.database) as db:
        yield Keys(db, now, AuditLog(db, now, audit_key(SecretRing([SECRET]))), secrets.token_hex)


async def revoke(service: Closed, name: str) -> None:
    """Revoke a key as another process does, and wait until the service refuses it."""
    async with beside(service) as keys:
        assert await keys.revoke(service.keys[name].split("_")[1], ASKED)

    async def refused() -> bool:
        async with httpx.AsyncClient(base_url=service.url) as http:
            return (await http.get("/auth/me", headers=service.bearing(name))).status_code == 401

    await eventually(refused)


def talk(service: Closed, key: str) -> connect:
    address = f"{service.url.replace('http', 'ws')}/ws/chats/talk"
    return connect(address, additional_headers=bearer(key), proxy=None)


async def test_the_socket_of_a_revoked_key_is_closed_and_no_other(service: Closed) -> None:
    async with talk(service, service.keys["viewer"]) as one, talk(service, service.keys["agent"]) as two:
        leaver, stayer = Client(one), Client(two)
        await revoke(service, "viewer")
        closed_with = await leaver.closed()
        await stayer.say("Is anybody there?")
        heard = await stayer.next("message")

    assert closed_with == (1008, "the credential has ended")
    assert heard["message"]["message_content"] == "Is anybody there?"


async def test_the_socket_of_a_key_that_expires_is_closed(service: Closed) -> None:
    async with beside(service) as keys:
        key, _ = await keys.create("short", Role.VIEWER, now() + 3 * SECOND, ASKED)

    async def let_in() -> bool:
        async with httpx.AsyncClient(base_url=service.url) as http:
            return (await http.get("/auth/me", headers=bearer(key.text))).status_code == 200

    await eventually(let_in)
    async with talk(service, key.text) as live:
        assert await Client(live).closed() == (1008, "the credential has ended")


async def test_whoever_waits_with_a_revoked_key_is_told_nothing(service: Closed) -> None:
    await service.http.post("/api/v1/analysis/pause")
    id_ = await service.post("Where is my parcel?")
    async with httpx.AsyncClient(base_url=service.url, headers=service.bearing("viewer")) as http:
        asked = asyncio.create_task(http.get(f"{POSTS}/{id_}", params={"wait": 30}, timeout=60))
        await revoke(service, "viewer")
        await service.http.post("/api/v1/analysis/resume")
        answer = await asked

    assert answer.status_code == 401
    assert answer.json() == {"error": "unauthorized", "details": "The credential is not valid"}


async def test_the_export_of_a_revoked_key_is_cut_off(service: Closed) -> None:
    """Twelve megabytes: more than the buffers between the service and a client that does not read."""
    many = [AuditEntry(0, LONG, "x", LONG, LONG, "", str(number)) for number in range(20_000)]
    async with beside(service) as keys:
        # In parts: the server ends a transaction in which nothing is heard for 3 s, and the links of all take CPU.
        for first in range(0, len(many), 1_000):
            await keys.database.write(partial(audit.append, entries=many[first : first + 1_000]))

    transport = httpx.AsyncHTTPTransport(socket_options=SMALL_BUFFER)
    headers = {**service.bearing("admin"), "Accept": "text/csv"}
    async with (
        httpx.AsyncClient(transport=transport, base_url=service.url, headers=headers) as http,
        http.stream("GET", "/api/v1/audit") as answer,
    ):
        await revoke(service, "admin")
        with pytest.raises(httpx.RemoteProtocolError):
            async for _ in answer.aiter_bytes():
                pass

    assert answer.status_code == 200


async def test_an_admin_who_revokes_the_own_key_is_told_so(service: Closed) -> None:
    answer = await service.http.delete(f"/api/v1/keys/{service.keys['admin'].split('_')[1]}")

    assert answer.status_code == 204
