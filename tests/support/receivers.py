"""A receiver of webhooks that answers as it is told, and judges what it gets as Standard Webhooks has it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from benchmarks.support.serving import served
from benchmarks.support.waiting import eventually

Json = dict[str, Any]


class WebhookReceiver:
    """Keeps what it is sent, by path; `status` is what it answers, 0 where it never does."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.content = b""
        self.refuses: set[str] = set()
        """The ids of events that it refuses."""
        self.secret = ""
        """With it signatures are verified as they come: they are good for five minutes only."""
        self.badly_signed: list[str] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.paths: list[str] = []
        self.url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return  # whoever sent it was killed
        headers = dict(request.headers)
        self._verify(headers, body)
        self.got.append((headers, body))
        self.paths.append(request.url.path)
        if not self.status:
            await asyncio.sleep(60)
        refused = headers.get("webhook-id") in self.refuses
        answer = Response(self.content, 500 if refused else self.status, self.headers)
        await answer(scope, receive, send)

    def _verify(self, headers: dict[str, str], body: bytes) -> None:
        try:
            if self.secret:
                Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError as error:
            self.badly_signed.append(f"{headers.get('webhook-id')}: {error}")

    def events(self, secret: str) -> list[Json]:
        """What it was sent, in order, once the signature of each is verified."""
        return [Webhook(secret).verify(body, headers) for headers, body in self.got]

    @property
    def bodies(self) -> dict[str, set[bytes]]:
        """The bodies that came with each id."""
        found: defaultdict[str, set[bytes]] = defaultdict(set)
        for headers, body in [*self.got]:
            found[headers["webhook-id"]].add(body)
        return found

    async def has(self, number: int, seconds: float = 60) -> None:
        """Wait until it has got so many requests."""
        await eventually(lambda: len(self.got) >= number, seconds)


@contextmanager
def receiving(receiver: WebhookReceiver | None = None) -> Iterator[WebhookReceiver]:
    """A receiver on a port of its own."""
    receiver = receiver or WebhookReceiver()
    with served(receiver, grace=0) as server:
        receiver.url = server.url
        yield receiver
