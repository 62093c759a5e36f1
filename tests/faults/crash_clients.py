"""Clients that do not take silence for an answer: they post, post again, delete, and keep what they were told."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from random import Random
from typing import Any

import httpx

from benchmarks.support.process import POSTS, Json, client
from tests.faults.crash_judge import Accepted
from tests.faults.recovery import Some

CLIENTS = 4
LONGEST_THOUGHT = 0.15
"""Seconds between two requests of a client: together they make about forty a second."""
MOST_AT_ONCE = 20
COMMON_TEXTS = 50


class Clients:
    """A steady load on a service that comes and goes.

    Each request is sent until it is answered: what a kill cut off is posted again, and now and then what was
    answered too. Half of the conversations have an id of their sender's; one that has none may be stored twice,
    and is then asked about once all the same.
    """

    def __init__(self, url: str, random: Random, name: str = "") -> None:
        """`name` tells these clients' ids and texts from those of others."""
        self.accepted: list[Accepted] = []
        self.deleted: set[str] = set()
        self.posted: list[Some] = []
        """What was answered 202, by when."""
        self.odd: list[str] = []
        """Answers that nobody should get."""
        self.unanswered = 0
        """Requests that broke off."""
        self.leaving = False
        """Whether to stop once everything is answered."""
        self._http = client(url)
        self._random = random
        self._name = name
        self._numbers = count()
        self._deletable: list[str] = []

    async def run(self) -> None:
        """Until told to leave."""
        async with self._http, asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._work())

    async def _work(self) -> None:
        while not self.leaving:
            items = [self._item() for _ in range(self._size())]
            told = await self._post(items)
            if self._random.random() < 0.1:
                told += await self._post(items)
            # Only what has an id of its own: of another a twin may lie there, and would have to be asked about.
            self._deletable += dict.fromkeys(each.id for each in told if each.external_id)
            if self._deletable and self._random.random() < 0.1:
                await self._delete(self._deletable.pop(self._random.randrange(len(self._deletable))))
            await asyncio.sleep(self._random.uniform(0, LONGEST_THOUGHT))

    def _size(self) -> int:
        return self._random.randint(2, MOST_AT_ONCE) if self._random.random() < 0.3 else 1

    def _item(self) -> Json:
        """Mostly a text of its own; some that come again and again, some too short to be worth a call."""
        count_ = next(self._numbers)
        number = f"{self._name}{count_}"
        item = {"timestamp": f"2026-11-{self._random.randint(1, 20):02}T12:00:00Z"}
        match self._random.random():
            case dice if dice < 0.05:
                return item | {"text": f"ok {number}"}
            case dice if dice < 0.15:
                return item | {
                    "text": f"Where is my invoice of month {self._random.randrange(COMMON_TEXTS)}?"
                }
        own = {"external_id": f"order-{number}"} if count_ % 2 else {}
        return item | own | {"text": f"Parcel {number} is three days late and nobody answers"}

    async def _post(self, items: Sequence[Json]) -> list[Accepted]:
        alone = len(items) == 1
        path, body = (POSTS, items[0]) if alone else (f"{POSTS}/bulk", items)
        answer, _ = await self._answer("POST", path, json=body)
        if answer.status_code != 202:
            self._note(answer)
            return []
        ids = [answer.json()["conversation_id"]] if alone else answer.json()["conversation_ids"]
        told = [Accepted(id_, item.get("external_id")) for id_, item in zip(ids, items, strict=True)]
        self.accepted += told
        self.posted.append(Some(time.monotonic(), len(told)))
        return told

    async def _delete(self, id_: str) -> None:
        answer, tries = await self._answer("DELETE", f"{POSTS}/{id_}")
        # That it is not there is the right answer to who got none the first time.
        if answer.status_code == 204 or (answer.status_code == 404 and tries > 1):
            self.deleted.add(id_)
        else:
            self._note(answer)

    async def _answer(self, method: str, path: str, **how: Any) -> tuple[httpx.Response, int]:
        """The answer, and how often it took to ask: as long as there is none, or it is "not now"."""
        for tries in count(1):
            try:
                answer = await self._http.request(method, path, **how)
                if answer.status_code != 503:
                    return answer, tries
            except httpx.TransportError:
                self.unanswered += 1
            await self._until_it_listens()
        raise AssertionError  # it counts for ever

    async def _until_it_listens(self) -> None:
        """Not by asking: that costs httpx 3 ms of CPU a time, which the service needs while it starts."""
        while True:
            await asyncio.sleep(0.1)
            with suppress(OSError):
                _, writer = await asyncio.open_connection(self._http.base_url.host, self._http.base_url.port)
                writer.close()
                return

    def _note(self, answer: httpx.Response) -> None:
        request = answer.request
        self.odd.append(f"{request.method} {request.url.path}: {answer.status_code} {answer.text[:200]}")
