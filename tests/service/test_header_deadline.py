"""Connections whose request header does not end are closed; whatever else is slow is not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI, Request, WebSocket
from websockets.asyncio.client import connect

from api.http_protocol import MAX_HEADER, HttpProtocol
from api.server import server_config
from benchmarks.support.serving import Served, served
from core.settings import Settings

SECONDS = 60
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
GET = b"GET /now HTTP/1.1\r\nHost: a\r\n\r\n"
HALF = b"GET /now HTTP/1.1\r\nHost: a\r\nX-Slow: "


class Hasty(HttpProtocol):
    """Gives a header a second: a busy machine may need a third of one between a connection and what it sends."""

    header_seconds = 1.0


def app() -> FastAPI:
    made = FastAPI()

    @made.get("/now")
    async def now() -> str:
        return "at once"

    @made.get("/later")
    async def later() -> str:
        await asyncio.sleep(3 * Hasty.header_seconds)
        return "at last"

    @made.post("/body")
    async def body(request: Request) -> int:
        return len(await request.body())

    @made.post("/unread")
    async def unread() -> str:
        return "unread"

    @made.websocket("/socket")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())

    return made


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served(app(), http=Hasty, ws="websockets-sansio") as made:
        yield made


@asynccontextmanager
async def connected(server: Served) -> AsyncIterator[Ends]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def until_closed(ends: Ends) -> bytes:
    """Everything until the server closes the connection."""
    async with asyncio.timeout(SECONDS):
        return await ends[0].read()


async def drip(ends: Ends, data: bytes, gap: float = 0.02) -> None:
    """Send byte by byte, until the connection is closed."""
    for byte in data:
        ends[1].write(bytes([byte]))
        try:
            await ends[1].drain()
        except ConnectionError:
            return
        await asyncio.sleep(gap)


async def test_fifty_connections_that_send_half_a_header_are_closed(server: Served) -> None:
    async def half_open() -> bytes:
        async with connected(server) as ends:
            ends[1].write(HALF)
            return await until_closed(ends)

    assert await asyncio.gather(*(half_open() for _ in range(50))) == [b""] * 50


async def test_a_connection_that_sends_nothing_is_closed(server: Served) -> None:
    async with connected(server) as ends:
        assert await until_closed(ends) == b""


@pytest.mark.parametrize("data", [HALF + b"x" * 100_000, b"\r\n" * 100_000, b"G" * 100_000])
async def test_a_header_that_never_ends_is_cut_however_busily_it_comes(server: Served, data: bytes) -> None:
    async with connected(server) as ends:
        dripping = asyncio.create_task(drip(ends, data))
        try:
            answer = await until_closed(ends)
        except ConnectionError:  # bytes were on their way
            answer = b""
        dripping.cancel()

    assert not answer.startswith(b"HTTP/1.1 2")


@pytest.mark.parametrize("second", [HALF, b"\r\n", b"\r\n\r\n" + HALF])
async def test_a_second_request_on_a_connection_has_the_same_deadline(server: Served, second: bytes) -> None:
    async with connected(server) as ends:
        ends[1].write(GET)
        assert b"at once" in await ends[0].readuntil(b'"at once"')
        ends[1].write(second)

        assert await until_closed(ends) == b""


async def test_half_a_request_behind_a_whole_one_is_cut_after_the_answer(server: Served) -> None:
    async with connected(server) as ends:
        ends[1].write(GET.replace(b"now", b"later") + HALF)

        assert b'"at last"' in await until_closed(ends)


async def test_a_header_has_a_size_too() -> None:
    with served(app(), http=HttpProtocol) as server:
        async with connected(server) as ends, asyncio.timeout(HttpProtocol.header_seconds / 2):
            ends[1].write(HALF + b"x" * 2 * MAX_HEADER)
            with suppress(ConnectionError):  # it was closed while more was on its way
                assert await ends[0].read() == b""


# --- what may take longer -----------------------------------------------------------------------------------


async def test_a_slow_body_is_not_cut_nor_what_follows_it(server: Served) -> None:
    size = 50
    head = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
    async with connected(server) as ends:
        ends[1].write(head)
        await drip(ends, b"x" * size, gap=4 * Hasty.header_seconds / size)
        assert (await ends[0].readuntil(b"\r\n\r\n50")).startswith(b"HTTP/1.1 200")
        ends[1].write(GET)
        assert b"200 OK" in await ends[0].readuntil(b'"at once"')


async def test_a_body_that_is_answered_before_it_ends_is_not_cut(server: Served) -> None:
    size = 50
    head = b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
    async with connected(server) as ends:
        ends[1].write(head)
        assert b"200 OK" in await ends[0].readuntil(b'"unread"')
        await drip(ends, b"x" * size, gap=4 * Hasty.header_seconds / size)
        ends[1].write(GET)
        assert b"200 OK" in await ends[0].readuntil(b'"at once"')


async def test_a_slow_answer_an_idle_connection_and_a_socket_are_not_cut(server: Served) -> None:
    async with connected(server) as ends:
        ends[1].write(GET.replace(b"now", b"later"))
        assert b"200 OK" in await ends[0].readuntil(b'"at last"')
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ends[0].read(1), 3 * Hasty.header_seconds)
        ends[1].write(GET)
        assert b"200 OK" in await ends[0].readuntil(b'"at once"')
    async with connect(
        f"ws://{urlsplit(server.url).netloc}/socket", proxy=None, ping_interval=None
    ) as socket:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 3 * Hasty.header_seconds)
        await socket.send("still open")
        assert await socket.recv() == "still open"


def test_the_service_gives_a_header_ten_seconds() -> None:
    config = server_config(Settings(_env_file=None))  # type: ignore[call-arg]  # pydantic-settings takes it
    config.load()

    assert config.http_protocol_class is HttpProtocol
    assert HttpProtocol.header_seconds == 10
