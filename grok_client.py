"""One call to a chat-completions server: texts in, validated rows or one of a closed set of errors out."""

import asyncio
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar

import httpx
from pydantic import SecretStr

from domain.analysis import MAX_RAW, Invalid, ProviderFault, Reply, Usage, storable
from domain.summaries import DraftListener, Material, Summarised, Summary
from llm import prompts, summary_answers, summary_prompts
from llm.canary import CANARY
from llm.completions import (
    ServerAnswer,
    fault_of,
    fields_of,
    one_line,
    read_completion,
    reply_of,
)
from llm.error_rules import SchemaRefused
from llm.sse import assembled, is_stream

MAX_ANSWER = 10_000_000  # bytes, unpacked
# Of an idle connection: servers commonly keep one for 60 s, and the pool gives one up after 5 s.
STALE_SECONDS = 15.0

Read = TypeVar("Read")


class GrokClient:
    """Grok, or another server that speaks chat completions. Opened and closed with `async with`.

    No call is ever repeated here: the queue does that. The one exception is a server that refuses `json_schema`:
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
        self.summary_version = summary_prompts.version()
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
        read = partial(reply_of, count=len(texts), model=self.model)
        body = partial(self._body, texts)
        return await self._asked(_Request(body, read, before_send, quotable=list(texts) == [CANARY]))

    async def summarise(
        self,
        material: Material,
        before_send: Callable[[], Awaitable[None]],
        on_draft: DraftListener | None = None,
    ) -> Summarised:
        """Summarise messages, or merge summaries, in one call; everything else as in `analyse`.

        With `on_draft` the answer comes as it is written.
        """
        return await self._asked(
            _Request(
                partial(self._summary_body, material, stream=on_draft is not None),
                partial(_summarised, material=material, model=self.model),
                before_send,
                {"x-grok-conv-id": f"summaries-{self.summary_version}"},
                on_draft or _unheard,
            )
        )

    def worst_case(self, texts: Sequence[str]) -> Usage:
        """The most that a call with these texts can use up, reasoning apart."""
        prompt = prompts.worst_tokens(self._body(texts, strict=True))
        return Usage(prompt_tokens=prompt, completion_tokens=prompts.output_cap(len(texts)))

    def worst_summary(self, material: Material) -> Usage:
        """The most that a call to summarise this can use up, reasoning apart."""
        prompt = prompts.worst_tokens(self._summary_body(material, strict=True))
        return Usage(prompt_tokens=prompt, completion_tokens=summary_prompts.OUTPUT_CAP)

    def _body(self, texts: Sequence[str], *, strict: bool) -> bytes:
        return prompts.request_body(
            texts, system=self._system, model=self.model, effort=self._effort, strict=strict
        )

    def _summary_body(self, material: Material, *, strict: bool, stream: bool = False) -> bytes:
        return summary_prompts.request_body(
            material, model=self.model, effort=self._effort, strict=strict, stream=stream
        )

    async def _asked(self, request: "_Request[Read]") -> Read:
        if self._strict:
            try:
                return await self._ask(request, strict=True)
            except SchemaRefused:
                reply = await self._ask(request, strict=False)
                self._strict = False  # only now is it known that the schema was to blame
                return reply
        return await self._ask(request, strict=False)

    async def _ask(self, request: "_Request[Read]", *, strict: bool) -> Read:
        gate = _Gate(request.before_send, self._timeout, self._stale_after)
        body = request.body(strict=strict)
        try:
            answer = await self._send(request, body, gate)
        except _StaleConnection:
            answer = await self._send(request, body, gate)  # its turn has come: the gate lets it pass
        if answer.status != 200:
            raise fault_of(answer, key=self._key, now=self._now(), quotable=request.quotable)
        return request.read(answer)

    async def _send(self, request: "_Request[Read]", body: bytes, gate: "_Gate") -> ServerAnswer:
        try:
            async with asyncio.timeout(None) as gate.clock:
                sending = self._http.stream(
                    "POST", self._url, content=body, headers=request.headers, extensions={"trace": gate}
                )
                async with sending as response:
                    read = await _read(response, request.on_draft)
                    return ServerAnswer(response.status_code, response.headers, read)
        except TimeoutError as error:
            if not gate.clock.expired():
                raise  # it was before_send's
            raise ProviderFault("timeout", f"no whole answer within {self._timeout:g} s") from error
        except (httpx.RequestError, ssl.SSLError, zlib.error) as error:
            detail = one_line(f"{type(error).__name__}: {error}", self._key)
            raise ProviderFault("unreachable", detail) from error


def _summarised(answer: ServerAnswer, *, material: Material, model: str) -> Summarised:
    def read(content: str) -> tuple[Summary | Invalid, str]:
        return summary_answers.read(content, material.citable), storable(content[:MAX_RAW])

    (summary, raw), envelope = read_completion(answer, model, read)
    return Summarised(summary=summary, raw=raw, **fields_of(envelope))


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


async def _read(response: httpx.Response, on_draft: DraftListener) -> bytes:
    chunks = _unpacked(response)
    if is_stream(response.headers):
        return await assembled(chunks, on_draft)
    return b"".join([chunk async for chunk in chunks])


async def _unpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body, cut off where it is too large. Raises ProviderFault.

    Not by httpx, which unpacks all that it has read before one can count: 64 KB may then become 66 MB.
    """
    packed = response.headers.get("content-encoding") == "gzip"
    unpacker = zlib.decompressobj(wbits=31)
    left = MAX_ANSWER
    async for chunk in response.aiter_raw():
        unpacked = unpacker.decompress(chunk, left + 1) if packed else chunk
        left -= len(unpacked)
        if left < 0:
            detail = f"more than {MAX_ANSWER:,} bytes"
            raise ProviderFault("too_large", detail, status=response.status_code)
        yield unpacked


def _unheard(_: str) -> None:
    return


@dataclass(frozen=True, slots=True)
class _Request(Generic[Read]):
    """What is asked, and what is made of the answer."""

    body: Callable[..., bytes]
    """Called with `strict`."""
    read: Callable[[ServerAnswer], Read]
    before_send: Callable[[], Awaitable[None]]
    headers: Mapping[str, str] | None = None
    on_draft: DraftListener = _unheard
    quotable: bool = False
    """Whether it carries no conversation."""


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
