"""Paths and methods as clients may write them: behind a prefix, with a slash at the end, HEAD where there is GET."""

import asyncio

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError
from schemas import Code


def install(app: FastAPI, prefix: str) -> None:
    """Add both middlewares. Call it last: the others must see paths as the routes have them."""
    app.add_middleware(HeadRequests)
    app.add_middleware(Paths, prefix=prefix)


def nowhere(not_found: ASGIApp, why: str | None = None) -> ASGIApp:
    """What answers where there is no route: 404 to the hand-shake of a socket as well, which Starlette answers 403.

    `why` says why there are few.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" or (why is not None and scope["type"] == "http"):
            return await ApiError(Code.NOT_FOUND, why).response()(scope, receive, send)
        return await not_found(scope, receive, send)

    return app


class Paths:
    """Removes a proxy's prefix and a slash at the end from paths, and puts the prefix before every Location.

    A proxy may have removed the prefix already. Starlette would answer a slash at the end with a redirect to
    `http://`, which is wrong behind TLS and makes clients repeat a POST as a GET.
    """

    def __init__(self, app: ASGIApp, prefix: str = "") -> None:
        self.app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        outgoing = self._with_prefix(send) if self._prefix else send
        return await self.app(self._without_prefix(scope), receive, outgoing)

    def _without_prefix(self, scope: Scope) -> Scope:
        path: str = scope["path"]
        if f"{path}/".startswith(f"{self._prefix}/"):
            path = path.removeprefix(self._prefix)
        path = path.rstrip("/") or "/"
        return scope if path == scope["path"] else {**scope, "path": path}

    def _with_prefix(self, send: Send) -> Send:
        prefix = self._prefix.encode()

        async def prefixed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, prefix + value if name == b"location" and value.startswith(b"/") else value)
                    for name, value in message.get("headers", ())
                ]
            await send(message)

        return prefixed


class HeadRequests:
    """Answers HEAD as it would answer GET, without the body: uptime monitors ask so."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await self.app(scope, receive, send)
        ended = asyncio.Event()

        async def receive_nothing() -> Message:
            # A disconnect stops an export after its headers: it would read the whole window for nobody.
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send_headers(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
            elif not ended.is_set():
                ended.set()
                await send({"type": "http.response.body"})

        return await self.app({**scope, "method": "GET"}, receive_nothing, send_headers)
