"""Who waits for which conversation to end, inside this process."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager


class Waiters:
    """Wakes the waiters of a conversation when it has been analysed, skipped or given up."""

    def __init__(self) -> None:
        self._listening: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def tell(self, ids: Iterable[str]) -> None:
        """These conversations have ended."""
        for id_ in ids:
            for event in self._listening.get(id_, ()):
                event.set()

    @asynccontextmanager
    async def listening(self, id_: str) -> AsyncIterator[Callable[[float], Coroutine[None, None, None]]]:
        """Gives a function that waits for the ending, or for so many seconds; an ending is heard from now on."""
        event = asyncio.Event()
        self._listening[id_].add(event)
        try:
            yield lambda seconds: wait_at_most(event, seconds)
        finally:
            self._listening[id_].discard(event)
            if not self._listening[id_]:
                del self._listening[id_]


async def wait_at_most(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, or for so many seconds."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await event.wait()
    except TimeoutError:
        return
