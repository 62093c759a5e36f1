"""Access: who calls is found out before a byte of the body is read."""

import asyncio
import re
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import get_contextvars

from api.dependencies import Resources
from api.errors import to_api_error
from api.roles import RULES
from core.errors import TooManyAttempts
from domain.roles import ANONYMOUS, Caller
from services.access.authentication import Credential
from store.access.audit import AuditEntry

SESSION_COOKIE = "__Host-session"
PERSON = re.compile(
    r"(?<=^/api/v1/people/).+?(?=(?:/export)?/?$)|(?<=^/users/).+?(?=(?:/chats)?/?$)", re.DOTALL
)
"""The person in a path."""


class Access:
    """Finds out who calls, and answers 401 or 429 to whoever may not come in."""

    def __init__(self, app: ASGIApp, required: bool) -> None:
        self.app = app
        self._required = required
        self._public = _public_calls()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        try:
            scope["caller"] = await self._caller(scope)
        except Exception as error:  # noqa: BLE001  the one mapping of errors takes them all
            if isinstance(error, TooManyAttempts):
                await asyncio.sleep(resources_in(scope).access.attempts.pause(client_address(scope)))
            return await to_api_error(error).response()(scope, receive, send)
        return await self.app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        if not self._required or self._is_public(scope):
            return ANONYMOUS
        return await resources_in(scope).access.authentication.caller(credential(scope), asked(scope))

    def _is_public(self, scope: Scope) -> bool:
        method, path = scope.get("method"), scope["path"]
        return any(method == allowed and pattern.match(path) for allowed, pattern in self._public)


def _public_calls() -> Sequence[tuple[str, re.Pattern[str]]]:
    """Methods and patterns of the paths that everybody may call."""
    public = [call for call, rule in RULES.items() if rule.role is None]
    return [(method.upper(), compile_path(path)[0]) for method, path in public]


def caller_of(scope: Scope) -> Caller:
    """Whoever sent the request."""
    caller: Caller = scope["caller"]
    return caller


def asked(scope: Scope) -> AuditEntry:
    """The audit entry about a request, but for its action and how it ended."""
    at = resources_in(scope).clock()
    actor = scope["caller"].actor if "caller" in scope else "unknown"
    # A person's id may be an e-mail address, and would outlive the person's erasure in the log.
    target = f"{scope.get('method', 'SOCKET')} {PERSON.sub('{user_id}', scope['path'])}"
    return AuditEntry(
        at, actor, "", target, "", client_address(scope), get_contextvars().get("request_id", "")
    )


def client_address(scope: Scope) -> str:
    """The client's address, as trusted proxies tell it."""
    client: str = (scope.get("client") or ("",))[0]
    return client


def credential(scope: Scope) -> Credential:
    """What a request carries to prove who sent it."""
    headers = Headers(scope=scope)
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    tickets = parse_qs(scope["query_string"].decode("latin-1")).get("ticket") if _is_socket(scope) else None
    return Credential(
        bearer=bearer.strip() if scheme.lower() == "bearer" else None,
        ticket=tickets[0] if tickets else None,
        session=_cookie(headers.get("cookie", "")),
    )


def _is_socket(scope: Scope) -> bool:
    return bool(scope["type"] == "websocket")


def _cookie(header: str) -> str | None:
    if SESSION_COOKIE not in header:
        return None
    try:
        morsel = SimpleCookie(header).get(SESSION_COOKIE)
    except CookieError:
        return None
    return None if morsel is None else morsel.value


def resources_in(scope: Scope) -> Resources:
    """The resources, from the scope of a request or a socket."""
    resources: Resources = scope["state"]["resources"]
    return resources
