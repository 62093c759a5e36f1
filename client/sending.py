"""The HTTP API as `ingest_data.py` calls it: patient with a busy service, for a while with an absent one."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
import stamina
from pydantic import BaseModel, ValidationError

from client.answers import (
    Blamed,
    ChatSummary,
    Content,
    Problem,
    Said,
    Status,
    Statuses,
    Stored,
    Taken,
    Unwanted,
)

LONGEST_PAUSE = 3600.0
TIMEOUT = httpx.Timeout(60, connect=5)
# What runs on this machine is never behind the proxy that the environment names.
WITHOUT_PROXY = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}

Answer = TypeVar("Answer", bound=BaseModel)


class ServiceError(Exception):
    """Nothing more can be sent; the message is one line for people.

    ServiceError
     ├─ Unreachable   no answer, or none but 5xx, for longer than the patience
     └─ Refused       401, 403, 404, or an answer that is not this API's
    """


class Unreachable(ServiceError):
    """No answer, or none but 5xx."""


class Refused(ServiceError):
    """It answers, and nothing can be sent to it."""


class _Busy(Exception):
    """429, or a 503 that says when to come again: the service is well."""

    def __init__(self, reason: str, retry_after: float | None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class _Failing(Exception):
    """Any other 5xx."""


class Service:
    """A running service at the client's base URL; every call raises ServiceError.

    `patience` is for how many seconds it may be unreachable. Busy it may be for as long as it likes;
    `on_pause` is told why and for how many seconds, where it says so.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        patience: float = 60,
        on_pause: Callable[[str, float], None] = lambda _reason, _seconds: None,
    ) -> None:
        self._http = http
        self._on_pause = on_pause
        self._while_busy = stamina.AsyncRetryingCaller(attempts=None, timeout=None, wait_max=30).on(
            self._pause
        )
        self._while_absent = stamina.AsyncRetryingCaller(attempts=None, timeout=patience).on(
            (httpx.TransportError, _Failing)
        )

    async def check(self) -> None:
        """Whether a service answers at all."""
        answer = await self._request("GET", "/healthz")
        if answer.status_code != httpx.codes.OK:
            raise self._refusal(answer)

    async def ingest(self, items: bytes) -> Stored | Blamed | Unwanted:
        """Posts a JSON array of conversations in bulk: all of them are stored, but for conflicts, or none."""
        answer = await self._request("POST", "/api/v1/conversations/bulk?on_conflict=skip", items)
        if answer.status_code not in (400, 413, 422):
            return self._read(Stored, answer)
        try:
            return Blamed.model_validate_json(answer.content)
        except ValidationError:
            return Unwanted(reason=_complaint(answer))

    async def say(self, messages: bytes) -> Said | Taken | Unwanted:
        """Posts a JSON array of messages to their chat: all of them are stored, or none."""
        answer = await self._request("POST", "/chats", messages)
        if answer.status_code == httpx.codes.CONFLICT:
            return Taken(reason=_reason(answer))
        if answer.status_code in (400, 413, 422):
            return Unwanted(reason=_reason(answer))
        return self._read(Said, answer)

    async def summary(self, conversation_id: str) -> ChatSummary:
        """Has a chat summarised, and waits for it; where it was deleted its status is `deleted`."""
        body = json.dumps({"conversation_id": conversation_id}).encode()
        answer = await self._request("POST", "/chats/summarize", body)
        while answer.status_code == httpx.codes.ACCEPTED:
            answer = await self._request("GET", f"/chats/{conversation_id}/summary?wait=30")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return ChatSummary(status="deleted", conversation_id=conversation_id)
        return self._read(ChatSummary, answer)

    async def statuses(self, ids: Sequence[str]) -> Sequence[Status]:
        """How far up to 500 conversations are."""
        body = json.dumps({"ids": ids}).encode()
        answer = await self._request("POST", "/api/v1/conversations/status", body)
        return self._read(Statuses, answer).conversations

    async def content(self, conversation_id: str) -> Content:
        """What was said in a conversation; nothing where it was deleted."""
        answer = await self._request("GET", f"/api/v1/conversations/{conversation_id}")
        return Content() if answer.status_code == httpx.codes.NOT_FOUND else self._read(Content, answer)

    async def _request(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        try:
            return await self._while_busy(self._reach, method, path, body)
        except (httpx.TransportError, _Failing) as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(
                f"no service at {self._http.base_url} ({reason}); is it running there?"
            ) from error

    async def _reach(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        return await self._while_absent(self._attempt, method, path, body)

    async def _attempt(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        headers = {"content-type": "application/json"} if body is not None else None
        answer = await self._http.request(method, path, content=body, headers=headers)
        pause = answer.headers.get("retry-after")
        if answer.status_code == 429 or (answer.status_code == 503 and pause is not None):
            raise _Busy(_complaint(answer), _seconds(pause))
        if answer.is_server_error:
            raise _Failing(_complaint(answer))
        return answer

    def _pause(self, error: Exception) -> bool | float:
        if not isinstance(error, _Busy):
            return False
        if error.retry_after is None:
            return True
        self._on_pause(str(error), error.retry_after)
        return error.retry_after

    def _read(self, kind: type[Answer], answer: httpx.Response) -> Answer:
        if not answer.is_success:
            raise self._refusal(answer)
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError as error:
            raise Refused(f"{answer.url} does not answer as an Insights Platform does") from error

    def _refusal(self, answer: httpx.Response) -> Refused:
        hint = (
            "it wants credentials" if answer.status_code in (401, 403) else "is that the Insights Platform?"
        )
        return Refused(f"{answer.url} answers {_complaint(answer)}; {hint}")


def _reason(answer: httpx.Response) -> str:
    """What is wrong with the first of several messages, or with all of them."""
    try:
        first, *_ = Blamed.model_validate_json(answer.content).details
    except ValueError:
        return _complaint(answer)
    return f"message {first.index + 1}: {first.error}"


def _complaint(answer: httpx.Response) -> str:
    """`400 invalid_schema: details`, or what there is of it."""
    try:
        problem = Problem.model_validate_json(answer.content)
    except ValidationError:
        return f"{answer.status_code} {answer.reason_phrase}"
    return f"{answer.status_code} {problem.error}" + (f": {problem.details}" if problem.details else "")


def _seconds(header: str | None) -> float | None:
    """How long Retry-After asks to wait, in seconds or until a date; None where it cannot be read."""
    try:
        pause = float(header or "")
    except ValueError:
        try:
            pause = (parsedate_to_datetime(header or "") - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):  # no date, or one without a zone
            return None
    return min(max(pause, 0), LONGEST_PAUSE) if pause == pause else None
