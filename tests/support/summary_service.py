"""Chats under test: taken in, grown, summarised."""

from collections.abc import Sequence
from typing import Any

import httpx

from benchmarks.support.process import POSTS, Json
from schemas import MAX_BULK
from tests.support.service import Service
from tests.support.summary_data import LATE

SUMMARIZE = "/chats/summarize"


def turns(said: Sequence[tuple[str, str]] = LATE) -> list[Json]:
    """Messages as they are posted."""
    return [{"role": role, "text": text} for role, text in said]


async def a_chat(service: Service, id_: str = "chat-1", said: Sequence[tuple[str, str]] = LATE) -> str:
    """Take in a chat; its id."""
    response = await service.http.post(POSTS, json={"conversation_id": id_, "messages": turns(said)})
    assert response.status_code == 202, response.text
    return id_


async def summarize(service: Service, id_: str, **params: Any) -> httpx.Response:
    """Ask for a summary, and wait as long as the service does unless `wait` says otherwise."""
    return await service.http.post(SUMMARIZE, json={"conversation_id": id_}, params=params)


async def summary_of(service: Service, id_: str) -> Json:
    """The summary, which has to be ready in time."""
    response = await summarize(service, id_)
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body


async def grow(service: Service, id_: str, said: Sequence[tuple[str, str]]) -> None:
    """Add messages to a chat, as many a post as a post may have."""
    for first in range(0, len(said), MAX_BULK):
        some = [{"conversation_id": id_, **message(*each)} for each in said[first : first + MAX_BULK]]
        response = await service.http.post("/chats", json=some)
        assert response.status_code == 201, response.text


def message(role: str, text: str) -> Json:
    """A message as it is sent to a chat."""
    return {"user_id": f"some {role}", "user_type": role, "message_content": text}
