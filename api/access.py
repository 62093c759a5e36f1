"""Access: who calls is found out before a byte of the body is read."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qs

import structlog
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import get_contextvars

from api import revocation
from api.dependencies import Resources
from api.errors import ApiError, to_api_error
from api.roles import RULES
from core.errors import BadCredential, ForeignPage, Refusal, TooManyAttempts
from core.origins import is_same_origin, normalized
from domain.roles import ANONYMOUS, Caller
from schemas import Code
from services.access.authentication import DENIED, Credential
from store.access.audit import AuditEntry

SESSION_COOKIE = "__Host-session"
READING = frozenset({"GET", "HEAD", "OPTIONS"})
log = structlog.get_logger()
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
            return await _refusal(error, scope)(scope, receive, send)
        actor = scope["caller"].actor
        if scope.get("method") == "GET" and actor != ANONYMOUS.actor:
            directory = resources_in(scope).access.directory
            return await revocation.answer(self.app, scope, receive, send, directory, actor)
        return await self.app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        if not self._required or self._is_public(scope):
            return ANONYMOUS
        caller = await resources_in(scope).access.authentication.caller(credential(scope), asked(scope))
        if caller.means == "session":
            await _refuse_foreign_page(caller, scope)
        return caller

    def _is_public(self, scope: Scope) -> bool:
        method, path = scope.get("method"), scope["path"]
        return any(method == allowed and pattern.match(path) for allowed, pattern in self._public)


def _refusal(error: Exception, scope: Scope) -> Response:
    known = to_api_error(error)
    if known.status_code >= 500 and not isinstance(error, Refusal):
        log.error("request_failed", code=known.code.value, exc_info=error)
    answer = known.response()
    # A key or a token counts before a session: it is not the session that is bad then.
    if (
        isinstance(error, BadCredential)
        and credential(scope).bearer is None
        and SESSION_COOKIE in cookies(scope)
    ):
        drop_cookie(answer, SESSION_COOKIE)
    return answer


async def _refuse_foreign_page(caller: Caller, scope: Scope) -> None:
    """Raise ForeignPage for a change, or a socket, that a page from elsewhere sends with a browser's session."""
    if scope["type"] == "http" and scope["method"] in READING:
        return
    resources = resources_in(scope)
    if _comes_from_own_page(Headers(scope=scope), resources.settings.public_url or ""):
        return
    entry = asked(scope)._replace(actor=caller.actor, action=DENIED, outcome="page from elsewhere")
    await resources.access.audit.record(entry)
    raise ForeignPage


def _comes_from_own_page(headers: Headers, public_url: str) -> bool:
    """By `Sec-Fetch-Site` where there is one: browsers may send `Origin: null` from an own page, and forms do."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site == "same-origin"
    if origin is None:
        return False
    return is_same_origin(origin, headers.get("host", "")) or _is_origin_of(origin, public_url)


def _is_origin_of(origin: str, url: str) -> bool:
    try:
        return normalized(origin) == normalized("/".join(url.split("/", 3)[:3]))
    except ValueError:
        return False


def _public_calls() -> Sequence[tuple[str, re.Pattern[str]]]:
    """Methods and patterns of the paths that everybody may call."""
    public = [call for call, rule in RULES.items() if rule.role is None]
    return [(method.upper(), compile_path(path)[0]) for method, path in public]


def caller_of(scope: Scope) -> Caller:
    """Whoever sent the request."""
    caller: Caller = scope["caller"]
    return caller


async def caller_again(scope: Scope) -> Caller:
    """Whoever sent the request, as of now. Raises BadCredential where the credential has ended, and NotWritable.

    A token and a ticket that let a socket in may end; what they stand for may not.
    """
    caller, access = caller_of(scope), resources_in(scope).access
    if caller.means == "session":
        return await access.sessions.check(cookies(scope)[SESSION_COOKIE])
    return replace(access.directory.by_actor(caller.actor), means=caller.means)


def asked(scope: Scope) -> AuditEntry:
    """The audit entry about a request, but for its action and how it ended."""
    at = resources_in(scope).clock()
    actor = scope["caller"].actor if "caller" in scope else "unknown"
    # A person's id may be an e-mail address, and would outlive the person's erasure in the log.
    target = f"{scope.get('method', 'SOCKET')} {PERSON.sub('{user_id}', scope['path'])}"
    return AuditEntry(
        at, actor, "", target, "", client_address(scope), get_contextvars().get("request_id", "")
    )


def ensure_closed(resources: Resources) -> None:
    """Raise ApiError 403 while the service is open: what anybody could set up then would be good afterwards, too."""
    if not resources.settings.auth_required:
        words = "The service asks nobody who they are: this works once AUTH_REQUIRED=true"
        raise ApiError(Code.FORBIDDEN, words)


def client_address(scope: Scope) -> str:
    """The client's address, as trusted proxies tell it."""
    client: str = (scope.get("client") or ("",))[0]
    return client


def credential(scope: Scope) -> Credential:
    """What a request carries to prove who sent it."""
    headers = Headers(scope=scope)
    # Several become one that is not valid: a proxy that checked another one than we must not be got around.
    scheme, _, bearer = ",".join(headers.getlist("authorization")).partition(" ")
    tickets = parse_qs(scope["query_string"].decode("latin-1")).get("ticket") if _is_socket(scope) else None
    return Credential(
        bearer=bearer.strip() if scheme.lower() == "bearer" else None,
        ticket=tickets[0] if tickets else None,
        session=cookies(scope).get(SESSION_COOKIE),
    )


def _is_socket(scope: Scope) -> bool:
    return bool(scope["type"] == "websocket")


def cookies(scope: Scope) -> dict[str, str]:
    """The cookies of a request. Those of other services on this host may be anything, and must not hide ours."""
    return cookie_parser(Headers(scope=scope).get("cookie", ""))


def set_cookie(answer: Response, name: str, value: str, seconds: int) -> None:
    """Give the browser a cookie that no script reads, and that no other site's page sends along with a change."""
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def drop_cookie(answer: Response, name: str) -> None:
    """Take a cookie from the browser."""
    answer.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")


def resources_in(scope: Scope) -> Resources:
    """The resources, from the scope of a request or a socket."""
    resources: Resources = scope["state"]["resources"]
    return resources
