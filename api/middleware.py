"""Middleware for every request: request id, metrics, rate limits, body limits.

Pure ASGI: Starlette's BaseHTTPMiddleware would cost 0.3 ms a request.
"""

import math
import re
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fastapi import FastAPI
from prometheus_client import Counter, Gauge, Histogram
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from api.access import Access
from api.errors import ApiError
from api.origins import SocketOrigins
from api.unpacking import Gunzip
from core.metrics import Metrics
from rate_limiter import Decision, InboundLimiter
from schemas import Code

MEGABYTE = 1024 * 1024
UNMATCHED = "unmatched"

FREE = frozenset({"/", "/health", "/healthz", "/metrics", "/docs", "/openapi.json"})
SIGNED = "/api/v1/intake/"
"""Help desks send what has gathered at once, and many of them send nothing again that was refused."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
READING = frozenset({"GET", "HEAD"})
READS_BY_POST = frozenset({"/api/v1/conversations/status"})
LIMIT_HEADERS = ("Limit", "Remaining", "Reset")
BODYLESS = frozenset({"GET", "HEAD", "OPTIONS"})

CORS: Mapping[str, Any] = {
    "allow_methods": ["GET", "POST", "PATCH", "DELETE"],
    "allow_headers": ["Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID"],
    "expose_headers": [
        "Location",
        "Retry-After",
        "X-Request-ID",
        *(f"RateLimit-{each}" for each in LIMIT_HEADERS),
    ],
}
"""What pages of CORS_ORIGINS may send and read. Cookies are not among it: they come from the own origin only."""

SANE_REQUEST_ID = re.compile(rb"[\x20-\x7e]{1,128}")
STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


@dataclass(frozen=True, slots=True)
class BodySizes:
    """Limits in bytes: for one body, by exact path, and for all bodies in progress together."""

    default: int = MEGABYTE
    by_path: Mapping[str, int] = field(
        default_factory=lambda: {"/api/v1/conversations/bulk": 16 * MEGABYTE, "/chats": 16 * MEGABYTE}
    )
    in_progress: int = 64 * MEGABYTE


def install(
    app: FastAPI,
    metrics: Metrics,
    limiter: InboundLimiter,
    sizes: BodySizes | None = None,
    origins: Collection[str] = (),
    *,
    auth_required: bool = False,
) -> None:
    """Add every middleware. Call `errors.install` first: its middleware goes inside these.

    `origins` are the normalized origins whose pages may use the service besides its own. With `auth_required`
    only `api/roles.py`'s public calls need no credential.
    """
    app.add_middleware(SocketOrigins, listed=origins)
    app.add_middleware(BodyLimits, sizes=sizes or BodySizes())
    app.add_middleware(RateLimits, limiter=limiter, refused=metrics.rate_limited)
    # Outside of the limits: a flood of bad credentials must not use up what good ones are allowed.
    app.add_middleware(Access, required=auth_required)
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=[*origins], **CORS)
    app.add_middleware(RequestMetrics, durations=metrics.http_request_duration, sockets=metrics.open_sockets)
    app.add_middleware(RequestId)


class RequestId:
    """Adds a request id, the client's X-Request-ID or a new one, to the answer and to all log lines meanwhile."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        given = _header(scope, b"x-request-id")
        request_id = given if SANE_REQUEST_ID.fullmatch(given) else secrets.token_hex(8).encode()
        # The server runs each request in a task of its own, so this binding ends with the request.
        bind_contextvars(request_id=request_id.decode("ascii"))

        async def send_with_id(message: Message) -> None:
            if message["type"] in STARTS:
                _add_headers(message, (b"x-request-id", request_id))
            await send(message)

        return await self.app(scope, receive, send_with_id)


class RequestMetrics:
    """Times each request by the template of its route: paths hold ids, and each would be a series of its own."""

    def __init__(
        self,
        app: ASGIApp,
        durations: Histogram,
        sockets: Gauge,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.app = app
        self._sockets = sockets
        self._series = cache(durations.labels)  # looking a series up costs twice as much as observing
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            with self._sockets.track_inprogress():
                return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        status = 500
        started_at = self._clock()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            return await self.app(scope, receive, watched)
        finally:
            self._series(_method(scope), _template(scope), status).observe(self._clock() - started_at)


def _method(scope: Scope) -> str:
    # Anybody may send any word as a method, and each would be a series.
    return scope["method"] if scope["method"] in METHODS else "other"


def _template(scope: Scope) -> str:
    # FastAPI 0.165 leaves the original route in the scope, without the prefix of its router; only this context
    # knows the whole path. A test pins that.
    context = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    template: str = getattr(context, "path_format", UNMATCHED)
    return template


class RateLimits:
    """Answers 429 above the inbound limit; with a limit set, every answer says how much of it is left."""

    def __init__(self, app: ASGIApp, limiter: InboundLimiter, refused: Counter) -> None:
        self.app = app
        self._limiter = limiter
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _is_free(scope):
            return await self.app(scope, receive, send)
        decision = self._limiter.take((scope["client"] or ("",))[0], write=_is_write(scope))
        if not decision.limit:
            return await self.app(scope, receive, send)
        headers = _limit_headers(decision)

        async def send_with_limits(message: Message) -> None:
            if message["type"] in STARTS:
                _add_headers(message, *headers)
            await send(message)

        if decision.allowed:
            return await self.app(scope, receive, send_with_limits)
        self._refused.inc()
        error = ApiError(Code.RATE_LIMIT_EXCEEDED, retry_after=max(1, math.ceil(decision.retry_after)))
        return await error.response()(scope, receive, send_with_limits)


def _is_free(scope: Scope) -> bool:
    if scope["type"] != "http":
        return False
    return scope["method"] == "OPTIONS" or scope["path"] in FREE or scope["path"].startswith(SIGNED)


def _is_write(scope: Scope) -> bool:
    """Whether a request takes a token of the writes; the hand-shake of a socket does."""
    if scope["type"] == "websocket":
        return True
    return scope["method"] not in READING and scope["path"] not in READS_BY_POST


def _limit_headers(decision: Decision) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"ratelimit-limit", b"%d" % decision.limit),
        (b"ratelimit-remaining", b"%d" % decision.remaining),
        (b"ratelimit-reset", b"%d" % math.ceil(decision.reset_seconds)),
    )


class BodyLimits:
    """Answers 413 to a body that is too large, and 503 when all bodies in progress exceed their limit.

    A gzip body is unpacked here, so that the limits hold for what it unpacks to; another encoding is a 415.
    Only received bytes count, so that a client which announces megabytes and sends nothing takes no room from
    others; an announced length that cannot fit is refused early. FastAPI's `max_body_size` would answer an
    announced length in plain text, bypassing our handlers.
    """

    def __init__(self, app: ASGIApp, sizes: BodySizes) -> None:
        self.app = app
        self._sizes = sizes
        self._in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in BODYLESS:
            return await self.app(scope, receive, send)
        limit = self._sizes.by_path.get(scope["path"], self._sizes.default)
        announced = _announced(scope)
        try:
            self._check(announced, limit, self._in_progress + announced)
            unpacked = _unpacked(scope, limit, receive)
        except ApiError as error:
            return await error.response()(scope, receive, send)
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await unpacked()
            size = len(message.get("body", b""))
            received += size
            self._in_progress += size
            self._check(received, limit, self._in_progress)
            return message

        try:
            return await self.app(scope, counted, send)
        finally:
            self._in_progress -= received

    def _check(self, size: int, limit: int, in_progress: int) -> None:
        if size > limit:
            raise ApiError(Code.PAYLOAD_TOO_LARGE, f"The body is over {limit / MEGABYTE:g} MB")
        if in_progress > self._sizes.in_progress:
            raise ApiError(Code.OVERLOADED)


def _announced(scope: Scope) -> int:
    length = _header(scope, b"content-length")
    return int(length) if length.isdigit() else 0


def _unpacked(scope: Scope, limit: int, receive: Receive) -> Receive:
    """`receive`, with a gzip body unpacked up to just above the limit. Raises ApiError 415 for other encodings."""
    encoding = _header(scope, b"content-encoding").strip().lower()
    if encoding in (b"", b"identity"):
        return receive
    if encoding not in (b"gzip", b"x-gzip"):
        words = "Content-Encoding must be gzip, or be left out"
        raise ApiError(Code.UNSUPPORTED_MEDIA_TYPE, words, headers={"Accept-Encoding": "gzip"})
    gunzip = Gunzip(limit)

    async def unpacked() -> Message:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body = gunzip.unpack(message.get("body", b""), last=not message.get("more_body", False))
        return {**message, "body": body}

    return unpacked


def _header(scope: Scope, name: bytes) -> bytes:
    """The value of a header; of one that was sent several times, all values with commas between them."""
    return b",".join(value for key, value in scope["headers"] if key == name)


def _add_headers(message: Message, *headers: tuple[bytes, bytes]) -> None:
    # A new list, because a response object may be sent more than once.
    message["headers"] = [*message.get("headers", ()), *headers]
