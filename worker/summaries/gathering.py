"""Several pieces of work at once, so many at a time."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

Each = TypeVar("Each")
Result = TypeVar("Result")


async def gathered(
    items: AsyncGenerator[Each, None], work: Callable[[Each], Coroutine[Any, Any, Result]], *, at_once: int
) -> list[Result]:
    """What `work` makes of each item, in order.

    After the first failure none is begun any more; what is under way comes to its end, and the failure is raised.
    """
    tasks: list[asyncio.Task[Result]] = []
    try:
        try:
            async with aclosing(items):
                async for item in items:
                    tasks.append(asyncio.create_task(work(item)))
                    await _room(tasks, at_once)
                    if any(map(_has_failed, tasks)):
                        break
        except Exception:
            await _end_of(tasks)
            raise
        await _end_of(tasks)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await _end_of(tasks)
        raise
    return [task.result() for task in tasks]


async def _room(tasks: Sequence[asyncio.Task[Any]], at_once: int) -> None:
    under_way = [task for task in tasks if not task.done()]
    if len(under_way) >= at_once:
        await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)


async def _end_of(tasks: Sequence[asyncio.Task[Any]]) -> None:
    if tasks:
        await asyncio.wait(tasks)
    # Looked at, or asyncio would log each failure but the first as never retrieved.
    for task in tasks:
        _has_failed(task)


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
