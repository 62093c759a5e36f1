"""Sends a webhook: signed, to an address that was looked up and checked for this very try.

The connection is made to the address that was checked and not to its name, so that a second look, which might find
another one, is never taken. No connection is used twice, or the next try would go where the last one looked.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from ipaddress import ip_address
from threading import Thread

import httpcore
import httpx
from standardwebhooks import Webhook

from core.clock import SECOND, Clock
from core.errors import ForbiddenAddress
from core.version import VERSION
from domain.receivers import Address, Outcome, Outgoing, Tried, is_reachable

SECONDS = 15.0
"""For a whole try: the look-up, the connection, the request and the beginning of the answer."""
MOST_READ = 65_536
"""Bytes of an answer; what it says does not matter, and the connection is closed then."""
OK, REDIRECTION, BAD_REQUEST, GONE = 200, 300, 400, 410
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host. Raises OSError."""


class Resolver:
    """Looks names up, as the system does, each in one thread at a time however many ask for it.

    So a name that nobody answers for takes a single thread, which ends with the process.
    """

    def __init__(self) -> None:
        self._asked: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host. Raises OSError."""
        place = host, port
        if place not in self._asked:
            found = self._asked[place] = asyncio.get_running_loop().create_future()
            found.add_done_callback(partial(self._answered, place))
            Thread(target=_look_up, args=(place, found), name="lookup", daemon=True).start()
        return await asyncio.shield(self._asked[place])

    def _answered(self, place: tuple[str, int], found: "asyncio.Future[Sequence[str]]") -> None:
        del self._asked[place]
        if not found.cancelled():
            found.exception()  # whoever asked may be gone


def _look_up(place: tuple[str, int], found: "asyncio.Future[Sequence[str]]") -> None:
    try:
        rows = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        failure = error if isinstance(error, OSError) else OSError("the name cannot be looked up")
        _tell(found, partial(found.set_exception, failure))
    else:
        _tell(found, partial(found.set_result, [str(row[4][0]) for row in rows]))


def _tell(found: "asyncio.Future[Sequence[str]]", how: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the process ends
        found.get_loop().call_soon_threadsafe(how)


@dataclass
class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to addresses that a name leads to now, if all of them may be reached."""

    resolve: Resolve
    is_allowed: Callable[[Address], bool]
    network: httpcore.AsyncNetworkBackend = field(default_factory=httpcore.AnyIOBackend)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect. Raises ForbiddenAddress, OSError, and what httpcore raises."""
        addresses = [ip_address(each.partition("%")[0]) for each in await self.resolve(host, port)]
        if not addresses or not all(self.is_allowed(each) for each in addresses):
            raise ForbiddenAddress
        for address in addresses[:-1]:
            try:
                return await self.network.connect_tcp(str(address), port, timeout, local_address)
            except httpcore.NetworkError:
                continue
        return await self.network.connect_tcp(str(addresses[-1]), port, timeout, local_address)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's interface
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never: no receiver is a file. Raises ForbiddenAddress."""
        raise ForbiddenAddress

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


@dataclass
class Sending:
    """Sends webhooks. `allow_private` also to private addresses, and over http to this machine."""

    clock: Clock
    allow_private: bool
    resolve: Resolve
    seconds: float = SECONDS

    async def __call__(self, outgoing: Outgoing) -> Tried:
        """Send once; raises nothing."""
        try:
            async with asyncio.timeout(self.seconds):
                return await self._answer(outgoing)
        except TimeoutError:
            return Tried(Outcome.TIMEOUT, error=f"no answer within {self.seconds:g} s")
        except ForbiddenAddress:
            return Tried(Outcome.FORBIDDEN_ADDRESS, error="the name leads to an address that is not public")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            return Tried(Outcome.UNREACHABLE, error=f"{type(error).__name__}: {error}")
        except ValueError:
            return Tried(Outcome.UNREACHABLE, error="the address cannot be used")

    async def _answer(self, outgoing: Outgoing) -> Tried:
        url = httpx.URL(outgoing.url)
        port = url.port or (80 if url.scheme == "http" else 443)
        origin = httpcore.Origin(url.raw_scheme, url.raw_host, port)

        def is_allowed(address: Address) -> bool:
            only_loopback = url.scheme == "http"
            return is_reachable(address, allow_private=self.allow_private, only_loopback=only_loopback)

        network = CheckedNetwork(self.resolve, is_allowed)
        async with httpcore.AsyncHTTPConnection(
            origin, ssl_context=self._tls, network_backend=network
        ) as connection:
            target = httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            )
            headers = {**self._headers(outgoing), "Host": url.netloc.decode(), "Connection": "close"}
            body = outgoing.body.encode()
            async with connection.stream(
                "POST", target, headers=[*headers.items()], content=body
            ) as response:
                await _read_on(response)
                return _outcome(response.status)

    def _headers(self, outgoing: Outgoing) -> dict[str, str]:
        """The time is that of the try, or a receiver would refuse what it was not there for as too old."""
        seconds = self.clock() // SECOND
        signed = Webhook(outgoing.secret).sign(
            outgoing.id, datetime.fromtimestamp(seconds, UTC), outgoing.body
        )
        return {
            "Content-Type": "application/json",
            "Content-Length": str(len(outgoing.body.encode())),
            "User-Agent": f"insights-platform/{VERSION}",
            "webhook-id": outgoing.id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": signed,
        }

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # Made with the first webhook, because it takes 22 ms and reads all authorities.
        return httpx.create_ssl_context()


async def _read_on(response: httpcore.Response) -> None:
    """Read the answer, as a receiver may expect, but not more than there is room for."""
    size = 0
    async for chunk in response.aiter_stream():
        size += len(chunk)
        if size > MOST_READ:
            return


def _outcome(status: int) -> Tried:
    if OK <= status < REDIRECTION:
        return Tried(Outcome.DELIVERED, status)
    if status == GONE:
        return Tried(Outcome.GONE, status)
    if REDIRECTION <= status < BAD_REQUEST:
        return Tried(Outcome.REDIRECTED, status, "redirections are not followed")
    return Tried(Outcome.REFUSED, status)
