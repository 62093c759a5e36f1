"""One call to a chat-completions server: texts in, validated rows or one of a closed set of errors out."""

import asyncio
import ssl
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx
from pydantic import SecretStr

import prompts
from analysis import ProviderFault, Reply, Usage
from completions import Answer, SchemaRefused, fault_of, one_line, reply_of

MAX_ANSWER = 10_000_000  # bytes, unpacked
# Of an idle connection: servers commonly keep one for 60 s, and the pool gives one up after 5 s.
STALE_SECONDS = 15.0


class GrokClient:
    """Grok, or another server that speaks chat completions. Opened and closed with `async with`.

    `analyse` never repeats a call: the queue does. The one exception is a server that refuses `json_schema`:
    it is asked again for any JSON object, through `before_send`, and once that works, for no schema any more.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: SecretStr,
        model: str,
        topics: Mapping[str, str],
        reasoning_effort: str | None = None,
        timeout: float = 60,
        max_in_flight: int = 64,
        name: str = "grok",
        cache_id: str | None = None,
        stale_after: float = STALE_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`timeout` is of the whole call, in seconds. Raises ValueError for a key that no header can carry.

        `cache_id` is sent as `x-grok-conv-id`: calls that share it share a server and its prompt cache.
        """
        self.name = name
        self.model = model
        self.prompt_version = prompts.prompt_version(topics)
        self._key = api_key.get_secret_value().strip()
        self._system = prompts.system_message(topics)
        self.fixed_tokens = len(self._system) // 4
        self._effort = prompts.reasoning_effort(model, reasoning_effort)
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._timeout = timeout
        self._stale_after = stale_after
        self._now = now
        self._strict = True
        self._http = httpx.AsyncClient(
            headers=_headers(self._key, cache_id or f"insights-{self.prompt_version}"),
            limits=httpx.Limits(max_connections=max_in_flight, max_keepalive_connections=max_in_flight),
            # Connecting has a bound of its own; from the turn on one clock runs over the whole call, see _Gate.
            timeout=httpx.Timeout(None, connect=timeout, pool=timeout),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def analyse(self, texts: Sequence[str], before_send: Callable[[], Awaitable[None]]) -> Reply:
        """Analyse 1 to 256 texts in one call.

        `before_send` is awaited once the connection stands and immediately before the request is written; the
        time-out counts from its end. What it raises, this raises. Raises CallFailed.
        """
        if self._strict:
            try:
                return await self._ask(texts, before_send, strict=True)
            except SchemaRefused:
                reply = await self._ask(texts, before_send, strict=False)
                self._strict = False  # only now is it known that the schema was to blame
                return reply
        return await self._ask(texts, before_send, strict=False)

    def worst_case(self, texts: Sequence[str]) -> Usage:
        """The most that a call with these texts can use up, reasoning apart."""
        prompt = prompts.worst_tokens(self._body(texts, strict=True))
        return Usage(prompt_tokens=prompt, completion_tokens=prompts.output_cap(len(texts)))

    def _body(self, texts: Sequence[str], *, strict: bool) -> bytes:
        return prompts.request_body(
            texts, system=self._system, model=self.model, effort=self._effort, strict=strict
        )

    async def _ask(
        self, texts: Sequence[str], before_send: Callable[[], Awaitable[None]], *, strict: bool
    ) -> Reply:
        gate = _Gate(before_send, self._timeout, self._stale_after)
        body = self._body(texts, strict=strict)
        try:
            answer = await self._send(body, gate)
        except _StaleConnection:
            answer = await self._send(body, gate)  # its turn has come: the gate lets it pass
        if answer.status != 200:
            raise fault_of(answer, key=self._key, now=self._now())
        return reply_of(answer, count=len(texts), model=self.model)

    async def _send(self, body: bytes, gate: "_Gate") -> Answer:
        try:
            async with asyncio.timeout(None) as gate.clock:
                request = self._http.stream("POST", self._url, content=body, extensions={"trace": gate})
                async with request as response:
                    return Answer(response.status_code, response.headers, await _read(response))
        except TimeoutError as error:
            if not gate.clock.expired():
                raise  # it was before_send's
            raise ProviderFault("timeout", f"no whole answer within {self._timeout:g} s") from error
        except (httpx.RequestError, ssl.SSLError, zlib.error) as error:
            detail = one_line(f"{type(error).__name__}: {error}", self._key)
            raise ProviderFault("unreachable", detail) from error


def _headers(key: str, cache_id: str) -> dict[str, str]:
    if not key or not key.isascii() or not key.isprintable():
        raise ValueError("the API key is empty or has characters that no HTTP header can carry")
    return {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "x-grok-conv-id": cache_id,
    }


async def _read(response: httpx.Response) -> bytes:
    """The body, unpacked, and cut off where it is too large.

    Not by httpx, which unpacks all that it has read before one can count: 64 KB may then become 66 MB.
    """
    packed = response.headers.get("content-encoding") == "gzip"
    unpacker = zlib.decompressobj(wbits=31)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += unpacker.decompress(chunk, MAX_ANSWER + 1 - len(body)) if packed else chunk
        if len(body) > MAX_ANSWER:
            detail = f"more than {MAX_ANSWER:,} bytes"
            raise ProviderFault("too_large", detail, status=response.status_code)
    return bytes(body)


class _StaleConnection(Exception):
    """The call waited so long for its turn that the server may have closed the idle connection meanwhile."""


@dataclass(slots=True)
class _Gate:
    """Stands between a connection and the request on it: a call is paced here, and its clock starts here.

    httpcore announces each of its steps to a `trace` callable and waits for it. So what is paced is what
    arrives: neither the set-up of a connection nor the wait for a free one lies between pacer and wire.
    """

    before_send: Callable[[], Awaitable[None]]
    timeout: float
    stale_after: float
    clock: asyncio.Timeout = field(init=False)
    paced: bool = False

    async def __call__(self, event: str, info: Mapping[str, object]) -> None:
        if event != "http11.send_request_headers.started":
            return
        if not self.paced:
            await self._pace()
        self.clock.reschedule(asyncio.get_running_loop().time() + self.timeout)

    async def _pace(self) -> None:
        loop = asyncio.get_running_loop()
        since = loop.time()
        await self.before_send()
        self.paced = True
        if loop.time() - since > self.stale_after:
            raise _StaleConnection
