"""Which pages may open the socket: those of the service itself and those that are listed."""

import http.client
import json
from collections.abc import Sequence
from typing import cast

import pytest
from sqlalchemy.engine import URL
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.support.chat_sockets import Client, post
from tests.support.service import Service, running

LISTED = "https://app.example.com, http://localhost:3000"
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


async def opened(service: Service, origin: str | None) -> bool:
    """Whether a page of this origin can open a socket; if so, it is heard in the chat."""
    url = f"{service.url.replace('http', 'ws', 1)}/ws/chats/c1"
    try:
        async with connect(url, origin=cast(Origin | None, origin), proxy=None) as socket:
            client = Client(socket)
            await client.say("A word", user_type="support_agent")
            return bool(await client.next("ack"))
    except InvalidStatus as refused:
        answer = refused.response
        return (answer.status_code, b'"forbidden"' in answer.body) != (403, True)


async def test_a_page_from_elsewhere_reads_and_writes_nothing(database_url: URL) -> None:
    async with running(database_url) as service:
        await post(service, "A secret")
        own = service.url
        port = own.rpartition(":")[2]
        foreign = (
            "https://evil.example",
            "null",
            f"http://127.0.0.1:{int(port) + 1}",
            f"http://127.0.0.1.evil.example:{port}",
            f"http://localhost:{port}",
            "http://127.0.0.1",
            "",
        )

        assert [each for each in foreign if await opened(service, each)] == []
        assert (await service.get("/chats/c1"))["total"] == 1
        assert [each for each in (None, own, own.upper()) if not await opened(service, each)] == []


async def test_listed_pages_may_open_it(database_url: URL) -> None:
    async with running(database_url, cors_origins=LISTED) as service:
        for origin in ("https://app.example.com", "https://app.example.com:443", "http://localhost:3000"):
            assert await opened(service, origin)
        for origin in ("http://app.example.com", "http://localhost", "https://example.com"):
            assert not await opened(service, origin)


async def test_a_path_without_a_socket_is_404(database_url: URL) -> None:
    async with running(database_url) as service:
        for path in ("/ws/nope", "/ws/chats", "/nowhere"):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(service.url.replace("http", "ws") + path):
                    pass
            assert refused.value.response.status_code == 404
            assert json.loads(refused.value.response.body or b"") == {"error": "not_found"}


@pytest.mark.parametrize(
    ("name", "values"),
    [("Origin", ["https://evil.example", "http://own.example"]), ("Host", ["evil.example", "own.example"])],
)
async def test_a_header_that_is_sent_twice_lets_nobody_in(
    database_url: URL, name: str, values: Sequence[str]
) -> None:
    own = {"Host": "own.example", "Origin": "http://own.example"}
    async with running(database_url) as service:
        for doubled in (values, values[::-1]):
            headers = [
                *(item for item in own.items() if item[0] != name),
                *((name, each) for each in doubled),
            ]
            assert _status(service, headers) in (400, 403)
        assert _status(service, [*own.items()]) == 101


def _status(service: Service, headers: Sequence[tuple[str, str]]) -> int:
    connection = http.client.HTTPConnection(service.url.removeprefix("http://"), timeout=30)
    connection.putrequest("GET", "/ws/chats/c1", skip_host=True)
    for header in (*HANDSHAKE.items(), *headers):
        connection.putheader(*header)
    connection.endheaders()
    try:
        return connection.getresponse().status
    finally:
        connection.close()
