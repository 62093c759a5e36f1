"""Posts at a steady rate, so that how long one takes is what waits for the service and not what a fast driver makes."""

import asyncio
import time
from collections.abc import Sequence

import httpx

from benchmarks.support.process import POSTS


async def post_steadily(http: httpx.AsyncClient, count: int, per_second: float) -> Sequence[float]:
    """Send so many posts at this rate, whether or not those before have been answered; milliseconds of each."""

    async def post(number: int, at: float) -> float:
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        # From when it should have been sent: waiting in line here is waiting, too.
        body = {"text": f"Where is order {number}? Thank you for an answer."}
        try:
            answer = await http.post(POSTS, json=body)
        except httpx.TransportError:  # the service ended a connection that was idle
            answer = await http.post(POSTS, json=body)
        answer.raise_for_status()
        return (time.perf_counter() - at) * 1_000

    begin = time.perf_counter()
    return await asyncio.gather(*(post(n, begin + n / per_second) for n in range(count)))
