"""Several processes that do the same, each a fork of one that has imported everything."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any


def in_processes(count: int, work: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """Do the work in so many processes, each given its number from 0, and wait until all have ended."""
    children = []
    for number in range(count):
        child = os.fork()
        if not child:
            asyncio.run(work(number))
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
