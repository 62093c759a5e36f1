"""Sockets end with what let them in, and a role that changes holds for what they send next."""

import asyncio

import pytest
from sqlalchemy.engine import URL
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from benchmarks.support.waiting import eventually
from core import clock
from domain.roles import Role
from tests.fake_provider.oidc import FakeProvider
from tests.support.browser import Browser
from tests.support.chat_sockets import Client
from tests.support.closed import bearer, closed, holding, key_in, tell_all
from tests.support.logging_in import log_in, logging_in
from tests.support.service import rows

ENDED = (1008, "the credential has ended")
REVOKE = "UPDATE api_keys SET revoked_at = :now WHERE id = :id"


def address(url: str, query: str = "") -> str:
    return f"{url.replace('http', 'ws', 1)}/ws/chats/c1{query}"


async def test_a_socket_ends_with_its_key_within_a_second(database_url: URL) -> None:
    key, other = await key_in(database_url, Role.VIEWER), await key_in(database_url, Role.AGENT)
    async with (
        closed(database_url) as service,
        connect(address(service.url), proxy=None, additional_headers=bearer(key.text)) as one,
        connect(address(service.url), proxy=None, additional_headers=bearer(other.text)) as two,
    ):
        began = asyncio.get_running_loop().time()
        await rows(database_url, REVOKE, now=clock.now(), id=key.id)
        await tell_all(database_url)
        assert await Client(one).closed() == ENDED
        # A quarter of a second on a machine with nothing else to do.
        assert asyncio.get_running_loop().time() - began < 10

        client = Client(two)
        await client.say("Still here")
        assert (await client.next("ack"))["position"] == 1


@pytest.mark.parametrize("means", ["token", "ticket"])
async def test_whatever_a_key_got_for_a_socket_ends_with_it(database_url: URL, means: str) -> None:
    key = await key_in(database_url, Role.VIEWER)
    async with closed(database_url) as service, holding(service, key) as http:
        answer = (await http.post(f"/auth/{means}")).json()
        query = f"?ticket={answer['ticket']}" if means == "ticket" else ""
        headers = {} if means == "ticket" else bearer(answer["access_token"])
        async with connect(address(service.url, query), proxy=None, additional_headers=headers) as socket:
            await rows(database_url, REVOKE, now=clock.now(), id=key.id)
            await tell_all(database_url)

            assert await Client(socket).closed() == ENDED


async def test_a_log_out_ends_the_sockets_of_a_session_and_a_role_holds_at_once(
    database_url: URL, provider: FakeProvider
) -> None:
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        await log_in(browser, service)
        cookie = {"Cookie": f"__Host-session={browser.cookie('__Host-session')}"}
        where = address(service.url)
        async with connect(
            where, proxy=None, additional_headers=cookie, origin=Origin(service.url)
        ) as socket:
            client = Client(socket)
            await client.say("As an admin")
            await client.next("ack")
            await rows(database_url, "UPDATE accounts SET role = 'viewer'")
            await tell_all(database_url)

            async def is_refused() -> bool:
                await client.say("As a viewer")
                return bool((await client.wait_at_most("ack", "error"))["type"] == "error")

            await eventually(is_refused)
            await browser.send("POST", f"{service.url}/auth/logout", {"Sec-Fetch-Site": "same-origin"})
            assert await client.closed() == ENDED


async def test_a_key_that_expires_ends_its_socket_without_a_change(database_url: URL) -> None:
    """Every half minute at the latest; here another key's change is what makes the service look."""
    at = [clock.now()]
    key = await key_in(database_url, Role.VIEWER, expires_at=at[0] + 60 * clock.SECOND)
    async with (
        closed(database_url, clock=lambda: at[0]) as service,
        connect(address(service.url), proxy=None, additional_headers=bearer(key.text)) as socket,
    ):
        at[0] += 61 * clock.SECOND
        await tell_all(database_url)

        assert await Client(socket).closed() == ENDED
        with pytest.raises(ConnectionClosed):
            await socket.recv()
