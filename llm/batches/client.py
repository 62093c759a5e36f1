"""The HTTP client for xAI's Batch API. It retries nothing and keeps nothing."""

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from collections.abc import Sequence as Several
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from domain.analysis import BeforeSend, ProviderFault
from llm.batches.faults import classify_refusal
from llm.batches.limits import LIST_PAGE, PAGE
from llm.batches.progress import BatchProgress, parse_progress
from llm.batches.rows import BatchRequest, BatchRow, add_body, parse_row
from llm.completions import ServerResponse, classify_error
from llm.transport import Post, Transport

MIN_SECRET = 6
Document = Mapping[str, object]


class XaiBatches:
    """Client of the Batch API. Open and close it with `async with`.

    Every method raises CallFailed: what the live client raises, and BatchRefused where only this batch is at fault. A
    call that got no answer may be made again as it was, but `create`: look for the name with `find` first.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: SecretStr,
        before_send: BeforeSend,
        timeout: float = 60,
        max_in_flight: int = 4,
        page: int = PAGE,
        extra_headers: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`base_url` is that of chat completions, `timeout` in seconds for each request, `page` the rows of a page.

        `before_send` is awaited before each request, which is then sent at once. Raises ValueError if the key cannot be
        sent in a header.
        """
        key, extra = api_key.get_secret_value().strip(), extra_headers or {}
        if not key or not key.isascii() or not key.isprintable():
            raise ValueError("the API key is empty or has characters that are not allowed in an HTTP header")
        self._secrets = key, *(value for value in extra.values() if len(value) >= MIN_SECRET)
        self._before_send, self._page, self._now = before_send, page, now
        headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        self._transport = Transport(
            f"{base_url.rstrip('/')}/batches",
            {**extra, **headers},
            timeout=timeout,
            max_idle=max_in_flight,
            secrets=self._secrets,
        )

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    async def create(self, name: str) -> str:
        """Create an empty batch; its id. Called twice it creates two."""
        batch, _ = await self._asked("POST", "", json.dumps({"name": name}).encode())
        return _id_of(batch)

    async def find(self, name: str) -> str | None:
        """The id of a batch with this name; None if the team has none. Of several the first that is listed."""
        async for batch in self._listed("", "batches", LIST_PAGE):
            if isinstance(batch, dict) and batch.get("name") == name:
                return _id_of(batch)
        return None

    async def add(self, batch_id: str, requests: Several[BatchRequest]) -> None:
        """Add requests, all or none. Adding what is there already, with the same body, changes nothing."""
        await self._asked("POST", f"/{_path(batch_id)}/requests", add_body(requests))

    async def progress(self, batch_id: str) -> BatchProgress:
        """How far a batch is."""
        batch, _ = await self._asked("GET", f"/{_path(batch_id)}")
        return parse_progress(batch)

    async def rows(self, batch_id: str) -> AsyncIterator[BatchRow]:
        """The rows that are there now, page by page; a batch that runs has some of them."""
        async for written in self._listed(f"/{_path(batch_id)}/results", "results", self._page):
            row = parse_row(written)
            if row is not None:
                yield row

    async def cancel(self, batch_id: str) -> BatchProgress:
        """Cancel what has not been answered. What is being answered may still come, and is paid for."""
        batch, _ = await self._asked("POST", f"/{_path(batch_id)}:cancel")
        return parse_progress(batch)

    async def _listed(self, path: str, name: str, limit: int) -> AsyncIterator[object]:
        """What a list has, page by page. A page without a token or without anything is the last."""
        token: object = None
        while True:
            query = {"limit": limit} | ({"pagination_token": token} if token else {})
            page, answer = await self._asked("GET", f"{path}?{urlencode(query)}")
            rows = page.get(name)
            if rows is not None and not isinstance(rows, list):
                raise _no_document(answer)
            for row in rows or ():
                yield row
            before, token = token, page.get("pagination_token")
            if not rows or not token or token == before:
                return

    async def _asked(self, method: str, path: str, body: bytes = b"") -> tuple[Document, ServerResponse]:
        """The JSON object that answers a request. Raises CallFailed."""
        departed = await self._before_send()
        post = Post(body, None, departed=departed or _tell_nobody, method=method, path=path)
        answer = await self._transport.post(post)
        if not 200 <= answer.status < 300:
            is_of_one = path.startswith("/")
            classify = classify_refusal if is_of_one else classify_error
            quotable = not path.endswith("/requests")
            raise classify(answer, secrets=self._secrets, now=self._now(), quotable=quotable)
        try:
            document = json.loads(answer.text)
        except (ValueError, RecursionError):
            raise _no_document(answer) from None
        if not isinstance(document, dict):
            raise _no_document(answer)
        return document, answer


def _path(batch_id: str) -> str:
    return quote(batch_id, safe="")


def _id_of(batch: Document) -> str:
    number = batch.get("batch_id")
    if not isinstance(number, str) or not number:
        raise ProviderFault("no_completion", "a batch without batch_id")
    return number


def _no_document(answer: ServerResponse) -> ProviderFault:
    detail = f"HTTP {answer.status}: what came is not what the Batch API answers"
    return ProviderFault("no_completion", detail, status=answer.status, request_id=answer.request_id)


def _tell_nobody() -> None:
    return
