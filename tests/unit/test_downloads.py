"""A download lets go of what it holds, however it ends."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from api.downloads import Attachment
from api.exports import CSV

SCOPE = {"type": "http", "asgi": {"spec_version": "2.4"}, "method": "GET", "path": "/", "headers": []}


class Held:
    """Pieces of a download, and whether they were closed."""

    def __init__(self) -> None:
        self.is_closed = False

    async def pieces(self) -> AsyncGenerator[str, None]:
        try:
            while True:
                yield "a,b\n"
        finally:
            self.is_closed = True


async def silent() -> Message:
    await asyncio.Event().wait()
    return {}


async def test_a_client_that_leaves_has_the_pieces_closed() -> None:
    async def gone(message: Message) -> None:
        if message.get("body"):
            raise OSError("broken pipe")

    held = Held()
    with pytest.raises(Exception, match=r"|broken pipe"):
        await Attachment(held.pieces(), CSV, "insights")(SCOPE, silent, gone)

    assert held.is_closed


async def test_a_shutdown_has_the_pieces_closed() -> None:
    async def stuck(message: Message) -> None:
        if message.get("body"):
            await asyncio.Event().wait()

    held = Held()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await Attachment(held.pieces(), CSV, "insights")(SCOPE, silent, stuck)

    assert held.is_closed
