"""Calls as plain values, and what their answers mean: all that the two clients share but the sending."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from .errors import (
    Busy,
    ClientError,
    Conflict,
    Denied,
    Failed,
    Invalid,
    Lost,
    NotFound,
    Refused,
    Unexpected,
    Unreachable,
)

LONGEST_PAUSE = 3600.0
JSON = {"content-type": "application/json"}
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
TURNED_AWAY = frozenset({"queue_full", "storage_full", "overloaded"})
"""Codes of a 503 after which nothing is stored for certain; `database_unavailable` may follow a commit."""
KINDS: Mapping[int, type[Refused]] = {
    **dict.fromkeys((400, 413, 422), Invalid),
    **dict.fromkeys((401, 403), Denied),
    404: NotFound,
    409: Conflict,
}

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Encoded:
    """JSON in UTF-8 that is ready to be sent.

    `identified` says that everything in it has an id of its own, so that sending it twice stores it once.
    """

    content: bytes
    identified: bool


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer_co]):
    """One request, and how its answer is read.

    `repeatable` says that sending it twice does no more than sending it once. `wait` is for how many seconds
    the service may hold the answer back; `accepts` are statuses beside 2xx whose answer is read like theirs.
    `read` raises ValueError for an answer that is not this API's.
    """

    method: str
    path: str
    read: Callable[[bytes], Answer_co]
    params: Mapping[str, object] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    wait: float = 0
    accepts: frozenset[int] = frozenset()


def encoded(value: object) -> bytes:
    """Compact JSON in UTF-8; times in ISO 8601.

    Raises ValueError, UnicodeEncodeError among them, where there is no JSON for the value.
    """
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_iso
    ).encode()


def _iso(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise ValueError(f"{type(value).__name__} is not JSON")


def request(http: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
    """The call as httpx sends it."""
    return http.build_request(
        call.method,
        call.path,
        params=_query(call.params) or None,
        content=call.body,
        headers=call.headers if call.body is None else {**JSON, **call.headers},
        timeout=_timeout(http.timeout, call.wait),
    )


def _query(params: Mapping[str, object]) -> dict[str, str]:
    return {name: _written(value) for name, value in params.items() if value is not None}


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date) else str(value)


def _timeout(usual: httpx.Timeout, wait: float) -> httpx.Timeout:
    if not wait or usual.read is None:
        return usual
    return httpx.Timeout(connect=usual.connect, read=usual.read + wait, write=usual.write, pool=usual.pool)


def answer(call: Call[Answer], response: httpx.Response) -> Answer:
    """What the service answers. Raises Refused, and Unexpected where the answer is not this API's."""
    if not response.is_success and response.status_code not in call.accepts:
        raise _refusal(call, response)
    try:
        return call.read(response.content)
    except ValueError as error:
        raise Unexpected(str(response.url), response.status_code) from error


def no_answer(
    call: Call[Any], http: httpx.Client | httpx.AsyncClient, error: httpx.RequestError
) -> Unreachable:
    """The error for a call whose connection broke, or could not be made."""
    safe = call.repeatable or isinstance(error, NEVER_SENT)
    name = type(error).__name__
    return (Unreachable if safe else Lost)(str(http.base_url), str(error) or name, name)


class Envelope(BaseModel):
    """The body of an answer that is not a success."""

    error: str | None = None
    details: Any = None


def _refusal(call: Call[Any], response: httpx.Response) -> ClientError:
    try:
        envelope = Envelope.model_validate_json(response.content)
    except ValidationError:
        envelope = Envelope()
    status, pause = response.status_code, response.headers.get("retry-after")
    kind = _kind(status, pause)
    error = kind(str(response.url), status, envelope.error, envelope.details, response.reason_phrase)
    if isinstance(error, Busy):
        error.retry_after = retry_after(pause)
        error.resendable = call.repeatable or status == 429 or envelope.error in TURNED_AWAY
    if isinstance(error, Failed):
        error.resendable = call.repeatable
    return error


def _kind(status: int, retry_after: str | None) -> type[Refused]:
    if status == 429 or (status == 503 and retry_after is not None):
        return Busy
    return Failed if status >= 500 else KINDS.get(status, Refused)


def retry_after(header: str | None) -> float | None:
    """How many seconds Retry-After asks to wait, given in seconds or as a date.

    At most an hour; None where it cannot be read.
    """
    try:
        pause = float(header or "")
    except ValueError:
        return _until(header or "")
    return min(pause, LONGEST_PAUSE) if pause >= 0 else None


def _until(written: str) -> float | None:
    try:
        pause = (parsedate_to_datetime(written) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):  # not a date, or one without a zone
        return None
    return min(max(pause, 0.0), LONGEST_PAUSE)
