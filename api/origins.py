"""Refuses sockets that a foreign page opens: browsers apply no same-origin policy to WebSockets."""

from collections.abc import Collection
from contextlib import suppress

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import ApiError
from core.origins import is_same_origin, normalized
from schemas import Code

SHOWN = 200
"""Characters of a refused origin in the log."""
log = structlog.get_logger()


class SocketOrigins:
    """Answers 403 to the hand-shake of a page from elsewhere, before the application sees the socket."""

    def __init__(self, app: ASGIApp, listed: Collection[str]) -> None:
        """`listed` are the normalized origins that may open sockets besides the service's own."""
        self.app = app
        self._listed = frozenset(listed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket" or self._may_open(Headers(scope=scope)):
            return await self.app(scope, receive, send)
        log.info("socket_refused", origin=Headers(scope=scope)["origin"][:SHOWN])
        why = "Origin: a page from elsewhere may not open this socket; CORS_ORIGINS lists those that may"
        return await ApiError(Code.FORBIDDEN, why).response()(scope, receive, send)

    def _may_open(self, headers: Headers) -> bool:
        """Whether there is no origin (not a browser), or the only one is the service's own or listed."""
        match headers.getlist("origin"), headers.getlist("host"):
            case [], _:
                return True
            case [origin], [host] if is_same_origin(origin, host):
                return True
            case [origin], _:
                with suppress(ValueError):
                    return normalized(origin) in self._listed
        return False
