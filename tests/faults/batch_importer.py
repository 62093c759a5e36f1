"""Who sends a lane of batches its work while it is killed: posts, adds, cancels and deletes, until each is answered."""

import asyncio
from collections import Counter, deque
from contextlib import suppress
from random import Random

import httpx

from benchmarks.support.process import POSTS, Json, client


class Importer:
    """Posts what can wait and a little that cannot, each until it is answered, and deletes some of it."""

    def __init__(self, url: str, random: Random) -> None:
        self.accepted: set[str] = set()
        self.deleted: set[str] = set()
        self.said: Counter[str] = Counter()
        """Messages that were added to a conversation, by its id."""
        self.odd: list[str] = []
        self._url, self._random = url, random
        self._numbers = iter(range(10**9))
        self._last: deque[str] = deque(maxlen=200)

    async def run(self, until: asyncio.Event) -> None:
        """Until told to leave."""
        async with client(self._url) as http:
            while not until.is_set():
                ids = await self._post(http)
                if ids and self._random.random() < 0.3:
                    await self._delete(http, self._random.choice(ids))
                if self._random.random() < 0.4:
                    await self._say(http)
                if self._random.random() < 0.03:
                    await self._cancel(http)
                with suppress(TimeoutError):
                    await asyncio.wait_for(until.wait(), self._random.uniform(0.1, 0.6))

    async def _post(self, http: httpx.AsyncClient) -> list[str]:
        is_fresh = self._random.random() < 0.1
        items = [self._item() for _ in range(self._random.randint(1, 4 if is_fresh else 40))]
        path = f"{POSTS}/bulk" if is_fresh else f"{POSTS}/bulk?freshness=day"
        answer = await answer_in_the_end(http, "POST", path, json=items)
        if answer.status_code != 202:
            self.odd.append(f"POST {path}: {answer.status_code} {answer.text[:200]}")
            return []
        ids: list[str] = answer.json()["conversation_ids"]
        self.accepted.update(ids)
        self._last.extend(ids)
        return ids

    async def _say(self, http: httpx.AsyncClient) -> None:
        """Add a message to one of the last, which are mostly in a batch."""
        ids = [id_ for id_ in self._last if id_ not in self.deleted]
        if not ids:
            return
        id_, number = self._random.choice(ids), next(self._numbers)
        message = {
            "conversation_id": id_,
            "message_id": f"m-{number}",
            "user_id": "customer",
            "user_type": "customer",
            "message_content": f"Parcel {number} is late, too",
        }
        answer = await answer_in_the_end(http, "POST", "/chats", json=message)
        if answer.status_code == 201:
            self.said[id_] += 1
        else:
            self.odd.append(f"POST /chats: {answer.status_code} {answer.text[:200]}")

    async def _cancel(self, http: httpx.AsyncClient) -> None:
        """Cancel one of the batches that are open, if it still is."""
        found = (await answer_in_the_end(http, "GET", "/api/v1/batches")).json()["batches"]
        is_open = [each["id"] for each in found if each["ended_at"] is None]
        if is_open:
            path = f"/api/v1/batches/{self._random.choice(is_open)}/cancel"
            answer = await answer_in_the_end(http, "POST", path)
            if answer.status_code not in (200, 409):
                self.odd.append(f"POST {path}: {answer.status_code} {answer.text[:200]}")

    def _item(self) -> Json:
        number = next(self._numbers)
        text = f"Parcel {number} is three days late and nobody answers my mails about it"
        return {"external_id": f"order-{number}", "text": text}

    async def _delete(self, http: httpx.AsyncClient, id_: str) -> None:
        if id_ in self.deleted:
            return
        answer = await answer_in_the_end(http, "DELETE", f"{POSTS}/{id_}")
        if answer.status_code in (204, 404):  # a try before may have done it
            self.deleted.add(id_)
        else:
            self.odd.append(f"DELETE: {answer.status_code} {answer.text[:200]}")


async def answer_in_the_end(http: httpx.AsyncClient, method: str, path: str, **how: object) -> httpx.Response:
    """The answer, after as many tries as it takes."""
    while True:
        with suppress(httpx.TransportError):
            answer = await http.request(method, path, **how)  # type: ignore[arg-type]
            if answer.status_code != 503:
                return answer
        await asyncio.sleep(0.2)
