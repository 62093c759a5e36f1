"""Sends a request over HTTP: one clock over connecting, writing and reading, and connections that are reused."""

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import httpx

from domain.analysis import Departed, ProviderFault, Unsent
from domain.summaries import DraftListener
from llm.completions import ServerResponse, one_line
from llm.sse import assemble, is_stream

MAX_ANSWER = 10_000_000  # bytes, unpacked
# httpcore 1.0.9 leaves the socket open if a TLS handshake is cancelled. Each of the two steps of connecting therefore
# has a time-out of its own, and together they are shorter than the whole call's.
CONNECT_STEPS = 3
BROKEN = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


@dataclass(frozen=True, slots=True)
class Post:
    """A request: its body, headers beside those of every request, and who hears a streamed answer."""

    body: bytes
    headers: Mapping[str, str] | None
    on_draft: DraftListener = lambda _: None
    departed: Departed = lambda: None
    """Told once it is written, or will not be."""
    method: str = "POST"
    path: str = ""
    """What follows the transport's URL."""


class Transport:
    """Posts to one URL, and to what is below it. Open and close it with `async with`.

    A server may close an idle connection in the same moment in which it is used again. A request that was answered
    with no byte on a reused connection has therefore not left: it is sent once more, on a new connection.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], *, timeout: float, max_idle: int, secrets: Sequence[str]
    ) -> None:
        """`timeout` is in seconds, for a whole call. No error repeats one of the `secrets`.

        SSL_CERT_FILE and SSL_CERT_DIR name the authorities that are trusted. HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and
        NO_PROXY are obeyed, but no proxy is asked for an address of this machine. Raises ValueError if one of them is
        unusable.
        """
        self._url = url
        self._timeout = timeout
        self._secrets = secrets
        context = _trusted()
        self._pooled, self._unpooled = (
            _client(url, headers, context, timeout, idle) for idle in (max_idle, 0)
        )

    async def __aenter__(self) -> Self:
        await self._pooled.__aenter__()
        await self._unpooled.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pooled.aclose()
        await self._unpooled.aclose()

    async def post(self, post: Post) -> ServerResponse:
        """Send it at once and return the whole response.

        Raises Unsent if it never left, and otherwise ProviderFault if no complete response came.
        """
        passage = _Passage(post.departed)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._sent(post, passage)
        except TimeoutError as error:
            raise passage.timed_out(self._timeout) from error
        except zlib.error as error:
            detail = "the body is not packed as content-encoding says"
            raise ProviderFault("no_completion", detail, status=passage.status) from error
        except (httpx.RequestError, ssl.SSLError) as error:
            raise passage.broken(one_line(f"{type(error).__name__}: {error}", *self._secrets)) from error
        finally:
            post.departed()

    async def _sent(self, post: Post, passage: "_Passage") -> ServerResponse:
        try:
            return await self._exchanged(self._pooled, post, passage)
        except BROKEN:
            if not passage.is_stale:
                raise
            passage.begin_again()
            return await self._exchanged(self._unpooled, post, passage)

    async def _exchanged(self, http: httpx.AsyncClient, post: Post, passage: "_Passage") -> ServerResponse:
        sending = http.stream(
            post.method,
            f"{self._url}{post.path}",
            content=post.body,
            headers=post.headers,
            extensions={"trace": passage},
        )
        async with sending as response:
            passage.status = response.status_code
            content = await _read_body(response, post.on_draft)
            return ServerResponse(response.status_code, response.headers, content)


def _trusted() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"SSL_CERT_FILE or SSL_CERT_DIR: {error.strerror or 'not certificates'}") from error


def _client(
    url: str, headers: Mapping[str, str], context: ssl.SSLContext, timeout: float, max_idle: int
) -> httpx.AsyncClient:
    try:
        return httpx.AsyncClient(
            headers=dict(headers),
            verify=context,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=max_idle),
            timeout=httpx.Timeout(None, connect=timeout / CONNECT_STEPS),
            trust_env=not is_loopback(httpx.URL(url).host),
        )
    except (ValueError, httpx.InvalidURL, ImportError):
        # Their words may repeat the proxy's password.
        raise ValueError(
            "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: must be http://HOST:PORT or https://HOST:PORT"
        ) from None


def is_loopback(host: str) -> bool:
    """Whether the host is this machine, which a proxy elsewhere could not reach."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@dataclass(slots=True)
class _Passage:
    """How far a request has got. httpcore reports each step to a `trace` callable and awaits it."""

    departed: Departed
    connected: bool = False
    """Whether a connection was opened for it."""
    written: bool = False
    """Whether writing began."""
    status: int | None = None
    """The response's status, once its headers have come."""

    async def __call__(self, event: str, info: Mapping[str, object]) -> None:
        match event:
            case "connection.connect_tcp.started":
                self.connected = True
            case "http11.send_request_headers.started":
                # Through a proxy, CONNECT is written first and reported in the same way.
                self.written = getattr(info["request"], "method", b"CONNECT") != b"CONNECT"
            case "http11.send_request_headers.complete" if self.written:
                self.departed()

    @property
    def is_stale(self) -> bool:
        """Whether its connection was a reused one, on which no byte came back."""
        return self.written and not self.connected and self.status is None

    def begin_again(self) -> None:
        self.written = False

    def timed_out(self, seconds: float) -> ProviderFault:
        if not self.written:
            return Unsent(f"no connection within {seconds:g} s")
        return ProviderFault("timeout", f"no complete answer within {seconds:g} s", status=self.status)

    def broken(self, detail: str) -> ProviderFault:
        if not self.written:
            return Unsent(detail)
        if self.status is None:
            return ProviderFault("unreachable", detail)
        return ProviderFault("cut_off", detail, status=self.status)


async def _read_body(response: httpx.Response, on_draft: DraftListener) -> bytes:
    chunks = _unpacked(response)
    if is_stream(response.headers):
        return await assemble(chunks, on_draft)
    return b"".join([chunk async for chunk in chunks])


async def _unpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the unpacked body. Raises ProviderFault if it exceeds MAX_ANSWER or cannot be unpacked.

    httpx would unpack everything it has read before we can count bytes: 64 KB may become 66 MB.
    """
    unpacker = _unpacker(response)
    left = MAX_ANSWER
    async for chunk in response.aiter_raw():
        unpacked = chunk if unpacker is None else unpacker.decompress(chunk, left + 1)
        left -= len(unpacked)
        if left < 0:
            detail = f"more than {MAX_ANSWER:,} bytes"
            raise ProviderFault("too_large", detail, status=response.status_code)
        yield unpacked


def _unpacker(response: httpx.Response) -> "zlib._Decompress | None":
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        return None
    if coding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # finds out which of them it is
    detail = one_line(f"the body is packed as {coding}, and gzip was asked for")
    raise ProviderFault("no_completion", detail, status=response.status_code)
