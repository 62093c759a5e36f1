"""How calls are sent: patiently with a busy service, and for a while with one that is away. Twice: sync and async."""

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing, contextmanager
from pathlib import Path
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack

import httpx
import stamina

from . import wire
from .errors import Busy, Failed, Unreachable, UnusableKey
from .files import Download
from .streams import Found, Pause, Stream
from .wire import Call

DEFAULT_URL = "http://localhost:8000"
SESSION_COOKIE = "__Host-session"
"""What a browser holds after a log-in at the service."""
TIMEOUT = httpx.Timeout(60, connect=5)
# The service closes an idle connection after 5 seconds; a post that crosses that would be lost.
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=2)
# What runs on this machine is never behind the proxy that the environment names.
WITHOUT_PROXY = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}
LONGEST_BACKOFF = 30.0

Answer = TypeVar("Answer")
Item = TypeVar("Item")
OnPause = Callable[[str, float], None]


class Transport(TypedDict, total=False):
    """Options of the connections, as httpx names them."""

    timeout: httpx.Timeout | float
    limits: httpx.Limits
    verify: SSLContext | bool
    trust_env: bool


def ignore(_reason: str, _seconds: float) -> None:
    """Nobody wants to know of a pause."""


class _Sending:
    """What both ways of sending have in common. The arguments are explained at `Client`."""

    def __init__(self, on_pause: OnPause, busy_patience: float | None) -> None:
        self._on_pause = on_pause
        self._longest_pause = math.inf if busy_patience is None else busy_patience

    def _when_busy(self, error: Exception) -> bool | float:
        if not isinstance(error, Busy) or not error.resendable:
            return False
        if error.retry_after is None:
            return True
        # stamina waits for as long as it is told, however little time is left.
        if error.retry_after > self._longest_pause:
            return False
        self._on_pause(error.complaint, error.retry_after)
        return error.retry_after


def _within(seconds: float | None) -> tuple[int | None, float | None]:
    """Attempts and seconds as stamina takes them, which warns of a limit of no seconds."""
    return (1, None) if seconds == 0 else (None, seconds)


def _when_away(error: Exception) -> bool:
    return isinstance(error, Unreachable | Failed) and error.resendable


@contextmanager
def _out_of_patience(base_url: httpx.URL) -> Iterator[None]:
    """A service that goes on failing is as good as none. Raises Unreachable."""
    try:
        yield
    except Failed as error:
        if not error.resendable:
            raise
        raise Unreachable(str(base_url), error.complaint, type(error).__name__) from error


def credentials_of(url: str, key: str | None, session: str | None) -> dict[str, str]:
    """The headers by which the service knows the caller. Raises UnusableKey."""
    if clean := _clean(key):
        return {"authorization": f"Bearer {clean}"}
    if clean := _clean(session):
        # The service takes a change with a session from a page of its own only, and goes by this header.
        return {"cookie": f"{SESSION_COOKIE}={clean}", "origin": "/".join(url.split("/", 3)[:3])}
    return {}


def _clean(secret: str | None) -> str:
    # Files and consoles leave line ends at a key; httpx would refuse it and print the whole header.
    clean = (secret or "").strip()
    if re.search(r"[^\x21-\x7e]", clean):
        raise UnusableKey
    return clean


def _options(url: str, key: str | None, session: str | None, transport: Transport) -> dict[str, Any]:
    headers = credentials_of(url, key, session)
    return {"timeout": TIMEOUT, "limits": LIMITS, "mounts": WITHOUT_PROXY, "headers": headers, **transport}


class Blocking(_Sending):
    """Sends calls, and returns when the answer is there."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        key: str | None = None,
        session: str | None = None,
        patience: float = 60.0,
        busy_patience: float | None = None,
        on_pause: OnPause = ignore,
        **transport: Unpack[Transport],
    ) -> None:
        super().__init__(on_pause, busy_patience)
        self._http = httpx.Client(base_url=url, **_options(url, key, session, transport))
        busy = stamina.RetryingCaller(*_within(busy_patience), wait_max=LONGEST_BACKOFF)
        away = stamina.RetryingCaller(*_within(patience))
        self._while_busy, self._while_away = busy.on(self._when_busy), away.on(_when_away)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, call: Call[Answer]) -> Answer:
        """The answer to a call, which is sent again for as long as that may help. Raises ClientError."""
        with _out_of_patience(self._http.base_url):
            return self._while_busy(self._reach, call)

    def _reach(self, call: Call[Answer]) -> Answer:
        return self._while_away(self.send_once, call)

    def send_once(self, call: Call[Answer]) -> Answer:
        """The answer to a call that is sent only once. Raises ClientError."""
        try:
            response = self._http.send(wire.request(self._http, call))
        except httpx.RequestError as error:
            raise wire.no_answer(call, self._http, error) from error
        return wire.answer(call, response)

    def save(self, download: Download) -> Path:
        """The file of a download, begun again for as long as that may help. Raises ClientError and OSError."""
        with _out_of_patience(self._http.base_url):
            return self._while_busy(self._save, download)

    def _save(self, download: Download) -> Path:
        return self._while_away(self._save_once, download)

    def _save_once(self, download: Download) -> Path:
        try:
            response = self._http.send(wire.request(self._http, download.call), stream=True)
            with closing(response):
                if not response.is_success:
                    response.read()
                download.check(response)
                with download.opened() as file:
                    for piece in response.iter_bytes():
                        file.write(piece)
        except httpx.RequestError as error:
            raise wire.no_answer(download.call, self._http, error) from error
        return download.path

    def each(self, stream: Stream[Item]) -> Iterator[Item]:
        """What a stream finds, with the calls and pauses that it takes. Raises ClientError."""
        answer: object = None
        with closing(stream):
            while (step := _next(stream, answer)) is not None:
                answer = None
                match step:
                    case Found():
                        yield from step.items
                    case Pause():
                        time.sleep(step.seconds)
                    case Call():
                        answer = self.send(step)

    def first(self, stream: Stream[Item]) -> Item:
        """The one thing that a stream finds. Raises ClientError."""
        return next(self.each(stream))


class Asynchronous(_Sending):
    """Sends calls, many at once where they are awaited together."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        key: str | None = None,
        session: str | None = None,
        patience: float = 60.0,
        busy_patience: float | None = None,
        on_pause: OnPause = ignore,
        **transport: Unpack[Transport],
    ) -> None:
        super().__init__(on_pause, busy_patience)
        self._http = httpx.AsyncClient(base_url=url, **_options(url, key, session, transport))
        busy = stamina.AsyncRetryingCaller(*_within(busy_patience), wait_max=LONGEST_BACKOFF)
        away = stamina.AsyncRetryingCaller(*_within(patience))
        self._while_busy, self._while_away = busy.on(self._when_busy), away.on(_when_away)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, call: Call[Answer]) -> Answer:
        """The answer to a call, which is sent again for as long as that may help. Raises ClientError."""
        with _out_of_patience(self._http.base_url):
            return await self._while_busy(self._reach, call)

    async def _reach(self, call: Call[Answer]) -> Answer:
        return await self._while_away(self.send_once, call)

    async def send_once(self, call: Call[Answer]) -> Answer:
        """The answer to a call that is sent only once. Raises ClientError."""
        try:
            response = await self._http.send(wire.request(self._http, call))
        except httpx.RequestError as error:
            raise wire.no_answer(call, self._http, error) from error
        return wire.answer(call, response)

    async def save(self, download: Download) -> Path:
        """The file of a download, begun again for as long as that may help. Raises ClientError and OSError."""
        with _out_of_patience(self._http.base_url):
            return await self._while_busy(self._save, download)

    async def _save(self, download: Download) -> Path:
        return await self._while_away(self._save_once, download)

    async def _save_once(self, download: Download) -> Path:
        try:
            response = await self._http.send(wire.request(self._http, download.call), stream=True)
            async with aclosing(response):
                if not response.is_success:
                    await response.aread()
                download.check(response)
                with download.opened() as file:
                    async for piece in response.aiter_bytes():
                        file.write(piece)
        except httpx.RequestError as error:
            raise wire.no_answer(download.call, self._http, error) from error
        return download.path

    async def each(self, stream: Stream[Item]) -> AsyncIterator[Item]:
        """What a stream finds, with the calls and pauses that it takes. Raises ClientError."""
        answer: object = None
        with closing(stream):
            while (step := _next(stream, answer)) is not None:
                answer = None
                match step:
                    case Found():
                        for item in step.items:
                            yield item
                    case Pause():
                        await asyncio.sleep(step.seconds)
                    case Call():
                        answer = await self.send(step)

    async def first(self, stream: Stream[Item]) -> Item:
        """The one thing that a stream finds. Raises ClientError."""
        return await anext(self.each(stream))


def _next(stream: Stream[Item], answer: object) -> Call[Any] | Pause | Found[Item] | None:
    try:
        return stream.send(answer)
    except StopIteration:
        return None
