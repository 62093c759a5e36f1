"""Waiting for a condition, with a deadline."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any


async def eventually(check: Callable[[], Any], seconds: float = 30) -> Any:
    """Poll until `check()`, awaited where it can be, is truthy, and return that; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"still not so after {seconds:g} s")
        await asyncio.sleep(0.01)
