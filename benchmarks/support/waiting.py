"""Waiting for a condition, with a deadline."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

SHORTEST, LONGEST = 0.01, 0.25
"""Seconds between two looks."""
SHARE = 0.25
"""Of the time waited, until the next look. A look is often a request, 5 ms of CPU: one each 10 ms took half a core from
the service that was waited for."""


async def eventually(check: Callable[[], Any], seconds: float = 30) -> Any:
    """Poll until `check()`, awaited where it can be, is truthy, and return that; fail after so many seconds."""
    since = time.monotonic()
    while True:
        value = check()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        waited = time.monotonic() - since
        if waited > seconds:
            raise TimeoutError(f"still not so after {seconds:g} s")
        await asyncio.sleep(min(max(SHORTEST, waited * SHARE), LONGEST))
