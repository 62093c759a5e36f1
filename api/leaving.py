"""A process that is about to stop still answers, and has clients and balancers send what comes next elsewhere."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError
from schemas import Code

PROBE = "/healthz"


class Leaving:
    """The application. Once `has_begun`, each answer closes its connection, and `/healthz` is a 503.

    A connection that is closed while a client sends its next request on it fails without an answer; nobody sends a
    request on one that an answer has closed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.has_begun or scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        if scope["path"].rstrip("/").endswith(PROBE):
            stopping = ApiError(Code.OVERLOADED, "the process is stopping").response()
            return await stopping(scope, receive, closing)
        return await self.app(scope, receive, closing)
