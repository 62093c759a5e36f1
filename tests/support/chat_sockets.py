"""Clients of a chat under test, each with what it heard so far."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.support.process import Json
from tests.support.service import Service

SECONDS = 60


class Client:
    """One end of a socket, with what it heard so far."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[Json] = []

    async def say(self, text: str, **fields: Any) -> None:
        """Send a message, and do not wait for the answer."""
        message = {"user_id": "u1", "user_type": "customer", "message_content": text, **fields}
        await self.send({"type": "message", **message})

    async def send(self, frame: Json) -> None:
        await self.socket.send(json.dumps(frame))

    async def next(self, kind: str) -> Json:
        """The next frame of a kind that was not taken yet; those of other kinds stay for later."""
        return await self.wait_at_most(kind)

    async def wait_at_most(self, *kinds: str) -> Json:
        """The next frame of any of these kinds."""
        async with asyncio.timeout(SECONDS):
            while not (found := [frame for frame in self.frames if frame["type"] in kinds]):
                self.frames.append(json.loads(await self.socket.recv()))
        self.frames.remove(found[0])
        return found[0]

    async def texts(self, count: int) -> list[str]:
        """What the next messages say."""
        return [(await self.next("message"))["message"]["message_content"] for _ in range(count)]

    async def closed(self) -> tuple[int | None, str | None]:
        """Wait for the other side to hang up, and take in what it said before; code and reason."""
        async with asyncio.timeout(SECONDS):
            with suppress(ConnectionClosed):
                while True:
                    self.frames.append(json.loads(await self.socket.recv()))
        return self.socket.close_code, self.socket.close_reason


@asynccontextmanager
async def joined(url: str, chat: str, query: str = "") -> AsyncIterator[Client]:
    """A client in a chat."""
    where = f"{url.replace('http', 'ws', 1)}/ws/chats/{chat}{query}"
    async with connect(where, proxy=None, ping_interval=None) as socket:
        client = Client(socket)
        # The answer says that it listens by now: what is said from here on is heard.
        if not query:
            await client.send({"type": "ping"})
            await client.next("pong")
        yield client


async def post(service: Service, *said: str, chat: str = "c1") -> None:
    messages = [
        {"conversation_id": chat, "user_id": "u2", "user_type": "support_agent", "message_content": each}
        for each in said
    ]
    response = await service.http.post("/chats", json=messages)
    assert response.status_code == 201, response.text
