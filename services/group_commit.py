"""Group commit: concurrent callers share a commit, whose disk sync costs milliseconds for any number of rows."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from core.errors import Overloaded

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Item, Result]):
    """All items that arrive while one group is being committed form the next group.

    `commit` takes a group and gives one result per item, in the same order; an exception goes to every caller of
    the group. `group` limits the items of a group, `waiting` those that wait for theirs.
    """

    def __init__(
        self, commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], *, group: int, waiting: int
    ) -> None:
        self._commit = commit
        self._group = group
        self._max_waiting = waiting
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._arrived = asyncio.Event()

    async def submit(self, item: Item) -> Result:
        """Wait for the commit that includes `item`. Raises Overloaded, and what `commit` raises."""
        if len(self._waiting) >= self._max_waiting:
            raise Overloaded
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        self._arrived.set()
        return await result

    async def run(self) -> None:
        """Commit group after group until cancelled."""
        while True:
            await self._arrived.wait()
            group = [self._waiting.popleft() for _ in range(min(self._group, len(self._waiting)))]
            if not self._waiting:
                self._arrived.clear()
            await self._commit_group(group)

    async def _commit_group(self, group: Sequence[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        try:
            results = await self._commit([item for item, _ in group])
            for (_, future), result in zip(group, results, strict=True):
                if not future.done():
                    future.set_result(result)
        except Exception as error:  # noqa: BLE001  each caller of the group gets it
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
        finally:
            for _, future in group:  # no effect on those that are done
                future.cancel()
