"""A server that answers as it is told, and both clients of the service behind one door."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from client import AsyncClient, Client

KINDS = ("blocking", "asynchronous")
ACCEPTED = JSONResponse({"conversation_id": "conv_1", "message": "taken", "enqueued": True}, 202)


@dataclass(frozen=True)
class Seen:
    """A request: when it came, and what was in it."""

    at: float
    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class Scripted:
    """Gives these answers, one a request, then `usual`. `seen` is what it was asked."""

    def __init__(self, *answers: Response, usual: Response = ACCEPTED, delay: float = 0) -> None:
        self.answers = deque(answers)
        self.usual = usual
        self.delay = delay
        self.seen: list[Seen] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body, path = await request.body(), request.url.path
        url = f"{path}?{request.url.query}" if request.url.query else path
        self.seen.append(Seen(time.monotonic(), request.method, url, dict(request.headers), body))
        await asyncio.sleep(self.delay)
        answer = self.answers.popleft() if self.answers else self.usual
        await answer(scope, receive, send)


class Caller:
    """One of the two clients. Calls return what they answer, an iterator all that it gives."""

    def __init__(self, kind: str, url: str, **options: Any) -> None:
        self._kind = kind
        self._url = url
        self._options = options

    def __call__(self, name: str, *args: Any, **given: Any) -> Any:
        if self._kind == "asynchronous":
            return asyncio.run(self._awaited(name, *args, **given))
        with Client(self._url, **self._options) as client:
            found = getattr(client, name)(*args, **given)
            return list(found) if isinstance(found, Iterator) else found

    async def _awaited(self, name: str, *args: Any, **given: Any) -> Any:
        async with AsyncClient(self._url, **self._options) as client:
            found = getattr(client, name)(*args, **given)
            if isinstance(found, AsyncIterator):
                return [each async for each in found]
            return await found


Calling = Callable[..., Caller]
