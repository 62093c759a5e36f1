"""What can go wrong for a client: a closed set of codes, one envelope, and the one mapping from errors to both."""

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import describe
from core.errors import ChatFull, Conflicts, NotWritable, Refusal
from store.engine.faults import database_fault


class Code(StrEnum):
    """Every `error` that an answer can carry; there are no others."""

    INVALID_SCHEMA = "invalid_schema"
    INVALID_QUERY = "invalid_query"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded"
    QUEUE_FULL = "queue_full"
    STORAGE_FULL = "storage_full"
    DATABASE_UNAVAILABLE = "database_unavailable"
    OVERLOADED = "overloaded"
    INTERNAL_ERROR = "internal_error"


STATUS: Mapping[Code, int] = {
    Code.INVALID_SCHEMA: 400,
    Code.INVALID_QUERY: 400,
    Code.UNAUTHORIZED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.CONFLICT: 409,
    Code.PAYLOAD_TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.RATE_LIMIT_EXCEEDED: 429,
    Code.QUEUE_FULL: 503,
    Code.STORAGE_FULL: 503,
    Code.DATABASE_UNAVAILABLE: 503,
    Code.OVERLOADED: 503,
    Code.INTERNAL_ERROR: 500,
}
# Where a status has several codes, the framework's own exceptions mean the first.
BY_STATUS: Mapping[int, Code] = {status: code for code, status in reversed([*STATUS.items()])}
COME_AGAIN = frozenset({429, 503})

Details = str | Sequence[Mapping[str, object]]
log = structlog.get_logger()


class ApiError(HTTPException):
    """An answer that is no success. Raise it anywhere below a route.

    `details` is a string, for bulk a list of `{"index", "error"}`; never a value that was sent.
    `retry_after` is in whole seconds; a 429 or 503 without one says 1.
    """

    # An HTTPException is all that FastAPI lets pass while it reads a body; it answers 400 to any other.
    def __init__(
        self,
        code: Code,
        details: Details | None = None,
        *,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        status = STATUS[code]
        super().__init__(status, detail=code.value, headers=headers)
        self.code = code
        self.details = details
        self.retry_after = 1 if retry_after is None and status in COME_AGAIN else retry_after

    def envelope(self) -> dict[str, object]:
        """The answer's body: `error`, and `details` and `retry_after` where there are any."""
        body = {"error": self.code.value, "details": self.details, "retry_after": self.retry_after}
        return {name: value for name, value in body.items() if value is not None}

    def response(self) -> Response:
        """The answer."""
        headers = dict(self.headers or {})
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        # json's ASCII output also carries the lone surrogates that a client's field name may hold.
        body = json.dumps(self.envelope())
        return Response(body, self.status_code, headers, media_type="application/json")


class Envelope(BaseModel):
    """The body of every answer that is no success."""

    error: Code
    details: str | list[dict[str, Any]] | None = None
    retry_after: int | None = None


def documented(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may answer with these codes."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(STATUS[code], []).append(code.value)
    return {status: {"model": Envelope, "description": ", ".join(by_status[status])} for status in by_status}


def install(app: FastAPI) -> None:
    """Make every exception that leaves a route an envelope. Add other middlewares after this."""
    for kind in (HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _answer)
    app.add_middleware(LastResort)


async def _answer(_: Request, error: Exception) -> Response:
    return to_api_error(error).response()


def to_api_error(error: Exception) -> ApiError:
    """The one mapping from what was raised to what is answered."""
    match error:
        case ApiError():
            return error
        case RequestValidationError():
            return _from_validation(error)
        case HTTPException():
            return _from_http(error)
        case ClientDisconnect():
            return ApiError(Code.INVALID_SCHEMA, "The body ended early")
        case Refusal():
            return _from_refusal(error)
        case _:
            fault = database_fault(error)
            return ApiError(Code.INTERNAL_ERROR if fault is None else Code(fault))


def _from_refusal(error: Refusal) -> ApiError:
    match error:
        case Conflicts():
            return ApiError(Code.CONFLICT, clashes(error.at.items()))
        case ChatFull():
            return ApiError(Code.CONFLICT, [{"index": error.at, "error": error.reason}])
        case NotWritable():
            return ApiError(Code(error.code), retry_after=error.retry_after)
        case _:
            return ApiError(Code.OVERLOADED)


def clashes(at: Iterable[tuple[int, str]]) -> list[dict[str, object]]:
    """The `details` of a conflict: pairs of an item's index and the id that it clashes with."""
    return [{"index": index, "error": "conflict", "conversation_id": id_} for index, id_ in at]


def _from_http(error: HTTPException) -> ApiError:
    code = BY_STATUS.get(error.status_code)
    if code is None:
        code = Code.INVALID_QUERY if error.status_code < 500 else Code.INTERNAL_ERROR
    return ApiError(code, error.detail, headers=error.headers)


def _from_validation(error: RequestValidationError) -> ApiError:
    if isinstance(error.body, bytes) and error.body:  # FastAPI parses only what is declared as JSON
        return ApiError(Code.UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json")
    in_body = any(problem["loc"][0] == "body" for problem in error.errors())
    code, noun = (Code.INVALID_SCHEMA, "field") if in_body else (Code.INVALID_QUERY, "parameter")
    problems = ({**problem, "loc": problem["loc"][1:]} for problem in error.errors())
    return ApiError(code, describe(problems, noun))


class LastResort:
    """Answers what no handler knew, and logs it once.

    Starlette would answer such an exception outside every other middleware, so without request id and
    metrics, and raise it again for the server to log. What breaks a started answer still goes that way: only
    the server can cut the connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            answer = to_api_error(error)
            if answer.status_code >= 500:
                log.error("request_failed", code=answer.code.value, exc_info=error)
            await answer.response()(scope, receive, send)
