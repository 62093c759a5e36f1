"""Errors as clients see them: the one mapping from exceptions to status, code and body."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import describe
from core.errors import (
    AccessDenied,
    BadCorrection,
    BadCredential,
    BadTopicChange,
    ChatFull,
    Conflicts,
    ForeignPage,
    InsightsError,
    LoginFailed,
    LoginUnavailable,
    NoSuchTopic,
    NotAdmitted,
    NotWritable,
    Refusal,
    RoleMissing,
    TooManyAttempts,
    TopicConflict,
)
from schemas import Code, ErrorOut
from store.engine.faults import database_fault

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
# The framework's own exceptions have only a status; of several codes they mean the first.
BY_STATUS: Mapping[int, Code] = {status: code for code, status in reversed([*STATUS.items()])}
OF_ALL = (Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)
"""What every call of the API may be answered."""
OF_BODIES = (Code.INVALID_SCHEMA, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)
"""What a call that sends JSON may be answered as well."""
RETRYABLE = frozenset({429, 503})
LOGIN_FAILED = (
    "The log-in did not succeed. It may have taken more than ten minutes, or have been begun in another browser;"
    " or the provider has not verified your e-mail address. Please begin again"
)
"""Whatever the cause: the audit log has it, and whoever attacks does not learn it."""
LOGIN_UNAVAILABLE = "The provider does not answer as it should. Please try again in a minute"

Details = str | Sequence[Mapping[str, object]]
log = structlog.get_logger()


class ApiError(InsightsError, HTTPException):
    """An error answer with this code. Raise it anywhere below a route.

    `details` is a string, or for arrays a list of `{"index", "error"}`; it never repeats a value that was sent.
    `retry_after` is in whole seconds; it is 1 for a 429 or 503 without one.
    """

    # While FastAPI reads a body it lets only an HTTPException pass and answers 400 to any other.
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
        self.retry_after = 1 if retry_after is None and status in RETRYABLE else retry_after

    def envelope(self) -> dict[str, object]:
        """The body: `error`, with `details` and `retry_after` if there are any."""
        body = {"error": self.code.value, "details": self.details, "retry_after": self.retry_after}
        return {name: value for name, value in body.items() if value is not None}

    def response(self) -> Response:
        """The HTTP response."""
        headers = dict(self.headers or {})
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        # ASCII output can also carry lone surrogates, which a client's field name may contain.
        body = json.dumps(self.envelope())
        return Response(body, self.status_code, headers, media_type="application/json")


def documented(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that can answer with these codes."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(STATUS[code], []).append(code.value)
    return {status: {"model": ErrorOut, "description": ", ".join(by_status[status])} for status in by_status}


def install(app: FastAPI) -> None:
    """Turn every exception that leaves a route into an error answer. Add other middleware after this."""
    for kind in (HTTPException, RequestValidationError, Refusal, AccessDenied, Exception):
        app.add_exception_handler(kind, _answer)
    app.add_middleware(LastResort)


async def _answer(_: Request, error: Exception) -> Response:
    return to_api_error(error).response()


def to_api_error(error: Exception) -> ApiError:
    """The one mapping from exceptions to answers."""
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
        case AccessDenied():
            return _from_denial(error)
        case _:
            fault = database_fault(error)
            return ApiError(Code.INTERNAL_ERROR if fault is None else Code(fault))


def _from_refusal(error: Refusal) -> ApiError:
    match error:
        case Conflicts():
            return ApiError(Code.CONFLICT, conflict_details(error.at.items(), error.messages))
        case ChatFull():
            return ApiError(Code.CONFLICT, [{"index": error.at, "error": error.reason}])
        case NotWritable():
            return ApiError(Code(error.code), retry_after=error.retry_after)
        case NoSuchTopic():
            return ApiError(Code.NOT_FOUND, error.reason)
        case TopicConflict():
            return ApiError(Code.CONFLICT, error.reason)
        case BadTopicChange() | BadCorrection():
            return ApiError(Code.INVALID_SCHEMA, error.reason)
        case _:
            return ApiError(Code.OVERLOADED)


def _from_denial(error: AccessDenied) -> ApiError:
    match error:
        case RoleMissing():
            return ApiError(Code.FORBIDDEN, str(error))
        case TooManyAttempts():
            return ApiError(Code.RATE_LIMIT_EXCEEDED, str(error), retry_after=error.retry_after)
        case ForeignPage():
            words = "A change that is sent with a session must come from a page of this service"
            return ApiError(Code.FORBIDDEN, words)
        case NotAdmitted(email=email):
            words = f"{email} may not come in: ask whoever runs this service to let you in"
            return ApiError(Code.FORBIDDEN, words)
        case LoginUnavailable():
            return ApiError(Code.OVERLOADED, LOGIN_UNAVAILABLE, retry_after=60)
        case LoginFailed():
            return ApiError(Code.FORBIDDEN, LOGIN_FAILED)
        case BadCredential(reason=None):
            words = "This call needs a credential: an API key or a token, after Authorization: Bearer"
            return ApiError(Code.UNAUTHORIZED, words, headers={"WWW-Authenticate": "Bearer"})
        case _:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return ApiError(Code.UNAUTHORIZED, "The credential is not valid", headers=challenge)


def conflict_details(
    conflicts: Iterable[tuple[int, str]], messages: Mapping[int, str] | None = None
) -> list[dict[str, object]]:
    """The `details` of a conflict, from pairs of an item's index and the id that is known already.

    `messages` has the id of the message by index, where the item is one.
    """
    known = messages or {}
    return [
        {"index": index, "error": "conflict", "conversation_id": id_}
        | ({"message_id": known[index]} if index in known else {})
        for index, id_ in conflicts
    ]


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
    """Answers every exception that no handler took, and logs it once. A request that the shutdown cuts off gets 503.

    Starlette would answer it outside all other middleware, so without request id and metrics, and raise it
    again for the server to log. An exception after the response has started still takes that way: only the
    server can cut the connection.
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
        except asyncio.CancelledError:
            # Only a shutdown cancels a request. The server would answer in plain text and log an exception.
            if scope["type"] != "http":
                raise
            log.info("request_cut_off", answered=started)
            if not started:
                await ApiError(Code.OVERLOADED, "the service is stopping").response()(scope, receive, send)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            answer = to_api_error(error)
            if answer.status_code >= 500:
                log.error("request_failed", code=answer.code.value, exc_info=error)
            await answer.response()(scope, receive, send)
