"""Tokens and tickets over HTTP: who gets them, what they open, and when they end."""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import pairwise

import httpx
import pytest
from sqlalchemy.engine import URL
from websockets.exceptions import InvalidStatus

from benchmarks.support.process import client
from benchmarks.support.waiting import eventually
from core import clock
from domain.roles import Role
from tests.support.chat_sockets import joined
from tests.support.closed import ANOTHER_SECRET, SECRET, bearer, closed, holding, key_in, refusals, sha256
from tests.support.service import Service, rows, running


async def token_for(http: httpx.AsyncClient) -> str:
    answer = await http.post("/auth/token")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    return str(body["access_token"])


async def ticket_for(http: httpx.AsyncClient) -> str:
    answer = await http.post("/auth/ticket")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["ticket"])


async def who(service: Service, text: str) -> httpx.Response:
    return await service.http.get("/auth/me", headers=bearer(text))


async def test_a_token_does_what_its_key_may_do(database_url: URL) -> None:
    key = await key_in(database_url, Role.AGENT, "importer")
    async with closed(database_url) as service, holding(service, key) as http:
        text = await token_for(http)
        me = await who(service, text)

        assert me.json() == {"actor": f"key:{key.id}", "name": "importer", "role": "agent", "means": "token"}
        posted = {"text": "Where is my parcel? It is late.", "external_id": "order-1"}
        answers = [
            await service.http.post("/api/v1/conversations", json=posted, headers=bearer(each))
            for each in (text, key.text)
        ]
        assert [answer.status_code for answer in answers] == [202, 202]
        # An id of its own belongs to the key, whichever way it is shown.
        assert len({answer.json()["conversation_id"] for answer in answers}) == 1
        assert (await service.http.get("/api/v1/audit", headers=bearer(text))).status_code == 403
        assert (await service.http.post("/auth/token", headers=bearer(text))).status_code == 403


async def test_a_token_ends_with_its_key_within_a_second(database_url: URL) -> None:
    key = await key_in(database_url, Role.VIEWER)
    async with closed(database_url) as service, holding(service, key) as http:
        text = await token_for(http)
        revoked_at = asyncio.get_running_loop().time()
        now = clock.now()
        await rows(database_url, "UPDATE api_keys SET revoked_at = :now WHERE id = :id", now=now, id=key.id)
        await rows(database_url, "UPDATE access_marks SET number = number + 1 WHERE name = 'changes'")

        async def refused() -> bool:
            return (await who(service, text)).status_code == 401

        await eventually(refused)
        # Measured from before the writes; a busy machine gets more than the promised second.
        assert asyncio.get_running_loop().time() - revoked_at < 10
        assert await refusals(database_url) == [f"revoked key {key.id}"]


async def test_a_bad_token_is_refused_without_a_reason_that_the_sender_sees(database_url: URL) -> None:
    async with closed(database_url) as service:
        answers = [await who(service, text) for text in ("e30.e30.AA", "swordfish", "a.b.c")]

        assert {answer.status_code for answer in answers} == {401}
        assert {answer.headers["www-authenticate"] for answer in answers} == {'Bearer error="invalid_token"'}
        assert len({answer.text for answer in answers}) == 1
        assert await refusals(database_url) == ["malformed token"] * 3


async def test_an_expired_token_is_no_guess(database_url: URL) -> None:
    """A page with many requests in flight would be locked out by its own token at the end of it."""
    at = [clock.now()]
    key = await key_in(database_url, Role.VIEWER)
    async with closed(database_url, clock=lambda: at[0]) as service, holding(service, key) as http:
        text = await token_for(http)
        at[0] += 901 * clock.SECOND
        await eventually(lambda: is_fresh(http))

        assert {(await who(service, text)).status_code for _ in range(15)} == {401}
        assert (await who(service, await token_for(http))).status_code == 200
        # One entry for all of them: they cost whoever sends them nothing.
        assert await refusals(database_url) == ["expired token"]


async def is_fresh(http: httpx.AsyncClient) -> bool:
    return (await http.get("/auth/me")).status_code == 200


async def test_while_the_service_is_open_there_is_nobody_to_stand_for(database_url: URL) -> None:
    async with running(database_url) as service:
        for path in ("/auth/token", "/auth/ticket"):
            assert (await service.http.post(path)).status_code == 403


# --- rotation -----------------------------------------------------------------------------------------------


async def test_a_secret_is_replaced_over_restarts_without_one_refusal(database_url: URL) -> None:
    key = await key_in(database_url, Role.VIEWER)
    seen: list[int] = []
    texts: list[str] = []
    for ring in (SECRET, f"{SECRET},{ANOTHER_SECRET}", f"{ANOTHER_SECRET},{SECRET}"):
        async with closed(database_url, auth_secret=ring) as service, holding(service, key) as http:
            texts.append(await token_for(http))
            seen += [(await who(service, text)).status_code for text in texts]

    assert seen == [200] * 6
    async with closed(database_url, auth_secret=ANOTHER_SECRET) as service:
        assert [(await who(service, text)).status_code for text in texts] == [401, 401, 200]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_processes_change_over_one_after_the_other(database_url: URL) -> None:
    """Each step restarts one of two; a token of either is taken by both at every moment."""
    key = await key_in(database_url, Role.VIEWER)
    steps = [SECRET, f"{SECRET},{ANOTHER_SECRET}", f"{ANOTHER_SECRET},{SECRET}"]
    for before, after in pairwise(steps):
        async with AsyncExitStack() as stack:
            both = [
                await stack.enter_async_context(closed(database_url, auth_secret=each))
                for each in (before, after)
            ]
            assert await all_take_all(both, key.text) == [200] * 4


async def all_take_all(services: Sequence[Service], key: str) -> list[int]:
    texts = []
    for service in services:
        async with client(service.url) as http:
            http.headers.update(bearer(key))
            texts.append(await token_for(http))
    return [(await who(service, text)).status_code for service in services for text in texts]


# --- tickets ------------------------------------------------------------------------------------------------


async def status_of(service: Service, ticket: str) -> int:
    """101 if a ticket opens a socket."""
    try:
        async with joined(service.url, "c1", f"?ticket={ticket}"):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_a_ticket_opens_one_socket_once(database_url: URL) -> None:
    key = await key_in(database_url, Role.AGENT)
    async with closed(database_url) as service, holding(service, key) as http:
        text = await ticket_for(http)
        async with joined(service.url, "c1", f"?ticket={text}") as socket:
            await socket.say("Hello")
            assert (await socket.next("ack"))["position"] == 1

        assert await status_of(service, text) == 401
        assert await status_of(service, "") == 401
        # An address is no place for it but at a socket.
        assert (await service.http.get(f"/auth/me?ticket={await ticket_for(http)}")).status_code == 401
        assert await refusals(database_url) == ["unknown or used ticket", "no credential"]
        [stored] = await rows(database_url, "SELECT digest, actor FROM tickets")
        assert stored.actor == f"key:{key.id}"


async def test_of_many_at_once_one_gets_in(database_url: URL) -> None:
    key = await key_in(database_url, Role.VIEWER)
    async with closed(database_url) as service, holding(service, key) as http:
        text = await ticket_for(http)
        found = await asyncio.gather(*(status_of(service, text) for _ in range(8)))

        assert sorted(found) == [101] + [401] * 7


async def test_a_ticket_ends_after_half_a_minute_and_with_its_key(database_url: URL) -> None:
    at = [clock.now()]
    key = await key_in(database_url, Role.VIEWER)
    async with closed(database_url, clock=lambda: at[0]) as service, holding(service, key) as http:
        late, in_time = await ticket_for(http), await ticket_for(http)
        at[0] += 29 * clock.SECOND
        await eventually(lambda: is_fresh(http))
        assert await status_of(service, in_time) == 101
        at[0] += clock.SECOND
        assert await status_of(service, late) == 401
        kept = await ticket_for(http)

        assert await refusals(database_url) == ["expired ticket"]
        [left] = await rows(database_url, "SELECT digest FROM tickets")
        assert bytes(left.digest) == sha256(kept)


async def test_what_has_expired_is_taken_out(database_url: URL) -> None:
    stale = "INSERT INTO tickets (digest, actor, expires_at) VALUES (:digest, 'key:x', 1)"
    await rows(database_url, stale, digest=secrets.token_bytes(32))
    key = await key_in(database_url, Role.VIEWER)
    async with closed(database_url) as service, holding(service, key) as http:
        await ticket_for(http)

        assert len(await rows(database_url, "SELECT digest FROM tickets")) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_another_process_takes_a_ticket_too_and_only_one_of_them(database_url: URL) -> None:
    key = await key_in(database_url, Role.VIEWER)
    async with closed(database_url) as one, closed(database_url) as other, holding(one, key) as http:
        text = await ticket_for(http)
        found = await asyncio.gather(*(status_of(each, text) for each in (one, other) * 4))

        assert sorted(found) == [101] + [401] * 7
