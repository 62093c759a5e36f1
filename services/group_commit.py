"""Many callers, one commit: a sync of the disk costs milliseconds and can carry hundreds of rows."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from core.errors import Overloaded

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class GroupCommit(Generic[Item, Answer]):
    """Whatever arrives while one group is being committed makes up the next.

    `commit` takes a group and answers each item, in the same order; what it raises, each of the group gets.
    """

    def __init__(
        self, commit: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]], *, group: int, waiting: int
    ) -> None:
        self._commit = commit
        self._group = group
        self._most = waiting
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._arrived = asyncio.Event()

    async def submit(self, item: Item) -> Answer:
        """Wait for the commit that carries `item`. Raises Overloaded, and what `commit` raises."""
        if len(self._waiting) >= self._most:
            raise Overloaded
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        self._arrived.set()
        return await answer

    async def run(self) -> None:
        """Commit group after group until cancelled."""
        while True:
            await self._arrived.wait()
            group = [self._waiting.popleft() for _ in range(min(self._group, len(self._waiting)))]
            if not self._waiting:
                self._arrived.clear()
            await self._answer(group)

    async def _answer(self, group: Sequence[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
        try:
            answers = await self._commit([item for item, _ in group])
            for (_, future), answer in zip(group, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
        except Exception as error:  # noqa: BLE001  each caller of the group gets it
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
        finally:
            for _, future in group:  # of those that are done already this is not heard
                future.cancel()
