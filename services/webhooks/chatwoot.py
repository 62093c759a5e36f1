"""The way back to Chatwoot: after an analysis its labels, after a summary a private note.

It is one more receiver of the outbox, with the tries and the order of all others. The address is the operator's own, so
it may be a private one. What is done twice is there once: labels are put together, and a note is looked for first.
"""

import json
import ssl
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
from sqlalchemy import Connection

from core.errors import ChatwootRefused
from domain.events import INSIGHT_COMPLETED, SUMMARY_COMPLETED
from domain.receivers import Outcome, Outgoing, Send, Tried
from domain.write_back import CHATWOOT, CONVERSATION, labels_after, mark_of, note_of
from store.webhooks import registry

SECONDS = 15.0
MOST_BYTES = 2_000_000
SIDE = "wh_chatwoot"
"""The id under which it is listed among the webhooks."""
ADDRESS = f"{CHATWOOT}:"
"""In place of a URL: where the outbox sends what is for Chatwoot."""


@dataclass
class ChatwootSide:
    """Writes to the conversations of an account. `account` is the address of its API, up to the account's number."""

    account: str
    token: str

    async def __call__(self, outgoing: Outgoing) -> Tried:
        """Write once what an event says; raises nothing."""
        event = json.loads(outgoing.body)
        found = CONVERSATION.fullmatch(event["data"]["conversation_id"])
        if found is None:
            return Tried(Outcome.DELIVERED, error="it is no conversation of Chatwoot's")
        try:
            async with httpx.AsyncClient(
                base_url=f"{self.account}/conversations/{found[1]}",
                headers={"api_access_token": self.token},
                timeout=SECONDS / 2,
                verify=self._tls,
            ) as http:
                await (self._label if event["type"] == INSIGHT_COMPLETED else self._note)(
                    http, event["data"], outgoing.id
                )
        except ChatwootRefused as refused:
            return _refused(refused.status)
        except (httpx.HTTPError, ValueError, TypeError, KeyError) as error:
            return Tried(Outcome.UNREACHABLE, error=type(error).__name__)
        return Tried(Outcome.DELIVERED, httpx.codes.OK)

    async def _label(self, http: httpx.AsyncClient, data: Any, _event: str) -> None:
        present = (await _answer(await http.get("/labels")))["payload"]
        labels = labels_after(present, data["insight"])
        if labels != present:
            await _answer(await http.post("/labels", json={"labels": labels}))

    async def _note(self, http: httpx.AsyncClient, data: Any, event: str) -> None:
        newest = (await _answer(await http.get("/messages")))["payload"]
        if any(mark_of(event) in (each.get("content") or "") for each in newest):
            return
        note = {"content": note_of(data["summary"], event), "message_type": "outgoing", "private": True}
        await _answer(await http.post("/messages", json=note))

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()


def declare_side(connection: Connection, *, wanted: bool, now: int) -> None:
    """Have the outbox write for Chatwoot, or no longer."""
    if wanted:
        types = [f"{CHATWOOT}/{each}" for each in (INSIGHT_COMPLETED, SUMMARY_COMPLETED)]
        registry.declare_receiver(connection, SIDE, ADDRESS, types, now=now)
    else:
        registry.delete_webhook(connection, SIDE)


async def _answer(response: httpx.Response) -> Any:
    """What Chatwoot answers. Raises ChatwootRefused, and ValueError for what is no JSON."""
    if not response.is_success:
        raise ChatwootRefused(response.status_code)
    if len(response.content) > MOST_BYTES:
        raise ValueError("the answer is too long")
    return response.json()


def _refused(status: int) -> Tried:
    if status == httpx.codes.NOT_FOUND:
        return Tried(Outcome.DELIVERED, status, "the conversation is gone")
    return Tried(Outcome.REFUSED, status)


@dataclass
class Receivers:
    """Sends what is for Chatwoot there, and everything else as a webhook."""

    webhooks: Send
    chatwoot: Send | None

    async def __call__(self, outgoing: Outgoing) -> Tried:
        """Send once; raises nothing."""
        if outgoing.url != ADDRESS:
            return await self.webhooks(outgoing)
        if self.chatwoot is None:
            return Tried(Outcome.UNREACHABLE, error="CHATWOOT_URL is not set")
        return await self.chatwoot(outgoing)
