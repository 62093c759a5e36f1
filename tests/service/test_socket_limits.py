"""Hand-shakes and frames count like requests, before anything is made of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.engine import URL
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from tests.support.chat_sockets import joined
from tests.support.service import Service, running

ALMOST_NEVER = 0.01
"""Requests a second: what the burst of one does not cover is refused for as long as a test runs."""


def place(service: Service) -> str:
    return f"{service.url.replace('http', 'ws', 1)}/ws/chats/c1"


@asynccontextmanager
async def barely(database: URL) -> AsyncIterator[ClientConnection]:
    """A socket whose hand-shake took the only token there is."""
    async with (
        running(database, inbound_rps=ALMOST_NEVER) as service,
        connect(place(service), proxy=None) as socket,
    ):
        yield socket


async def handshake(service: Service, **given: Any) -> int:
    try:
        async with connect(place(service), proxy=None, **given):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_300_handshakes_at_5_a_second_are_refused_but_for_the_tokens(database_url: URL) -> None:
    async with running(database_url, inbound_rps=5) as service:
        clock = asyncio.get_running_loop().time
        began = clock()
        codes = [await handshake(service) for _ in range(300)]
        reads = [(await service.http.get("/chats")).status_code for _ in range(3)]
        took = clock() - began
        metrics = await service.metrics()

    assert set(codes) == {101, 429}
    assert codes[:5] == [101] * 5
    assert codes.count(101) <= 5 + 5 * took
    assert reads == [200] * 3
    assert metrics["rate_limited_total"] == codes.count(429)


async def test_a_refused_handshake_says_when_to_come_again(database_url: URL) -> None:
    async with running(database_url, inbound_rps=ALMOST_NEVER) as service:
        assert await handshake(service) == 101
        with pytest.raises(InvalidStatus) as refused:
            await connect(place(service), proxy=None)

    answer = refused.value.response
    assert (answer.status_code, answer.headers["RateLimit-Limit"]) == (429, "1")
    assert 90 < int(answer.headers["Retry-After"]) <= 100
    assert b'"rate_limit_exceeded"' in answer.body
    assert answer.headers["X-Request-ID"]


async def test_a_client_has_its_own_limit_on_sockets_too(database_url: URL) -> None:
    def by(address: str) -> dict[str, Any]:
        return {"additional_headers": {"X-Forwarded-For": address}}

    async with running(database_url, rate_limit=2, rate_window=3_600) as service:
        codes = [await handshake(service, **by(f"2001:db8::{number}")) for number in range(4)]

        assert codes == [101, 101, 429, 429]
        async with connect(place(service), proxy=None, **by("2001:db8:1::1")) as socket:
            await socket.send('{"type": "ping"}')
            assert '"pong"' in str(await socket.recv())
            await socket.send('{"type": "ping"}')
            assert '"rate_limit_exceeded"' in str(await socket.recv())


@pytest.mark.parametrize("written", ['{"type": "ping", "ref": 1}', "{", "x" * 200_000, b"bytes"])
async def test_a_frame_is_counted_before_it_is_looked_at(database_url: URL, written: str | bytes) -> None:
    async with barely(database_url) as socket:
        await socket.send(written)
        assert '"rate_limit_exceeded"' in str(await socket.recv())


async def test_who_floods_is_answered_once_a_second(database_url: URL) -> None:
    """A socket that is not read costs nothing; 20,000 frames would be as many answers."""
    async with barely(database_url) as socket:
        clock = asyncio.get_running_loop().time
        began = clock()
        flood = asyncio.create_task(_flood(socket))
        for _ in range(7):
            await socket.recv()
        took = clock() - began
        flood.cancel()
        await asyncio.wait([flood])

    assert took > 0.05 + 0.1 + 0.2 + 0.4 + 0.8 + 1.0 - 0.1


async def _flood(socket: ClientConnection) -> None:
    for _ in range(20_000):
        await socket.send('{"type": "ping"}')


# --- below the messages -------------------------------------------------------------------------------------


def frames(count: int, opcode: Opcode, *, fin: bool = True, data: bytes = b"") -> bytes:
    return b"".join(Frame(opcode, data, fin=fin).serialize(mask=True) for _ in range(count))


FLOODS: dict[str, Callable[[], bytes]] = {
    "pings": lambda: frames(300, Opcode.PING, data=b"x"),
    "pongs": lambda: frames(300, Opcode.PONG),
    "fragments": lambda: frames(1, Opcode.TEXT, fin=False, data=b"{") + frames(300, Opcode.CONT, fin=False),
}


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_below_the_messages_ends_the_socket(database_url: URL, kind: str) -> None:
    async with running(database_url, inbound_rps=5) as service, joined(service.url, "c1") as client:
        client.socket.transport.write(FLOODS[kind]())

        assert await client.closed() == (1008, "rate_limit_exceeded")
        assert (await service.http.get("/chats")).status_code == 200


async def test_keep_alives_pass_without_tokens_and_without_limits_all_do(database_url: URL) -> None:
    async with barely(database_url) as socket:
        await asyncio.wait_for(await socket.ping(), 30)
    async with running(database_url) as service, joined(service.url, "c1") as client:
        client.socket.transport.write(FLOODS["pings"]() + FLOODS["pongs"]())
        await client.say("Still here")
        assert await client.texts(1) == ["Still here"]


async def test_a_message_in_a_few_fragments_is_heard(database_url: URL) -> None:
    parts = [
        '{"type": "message", "user_id": "u", "user_type": "customer",',
        ' "message_content": "',
        "Hello",
        '"}',
    ]
    async with running(database_url, inbound_rps=20) as service, joined(service.url, "c1") as client:
        await client.socket.send(iter(parts))
        assert await client.texts(1) == ["Hello"]
