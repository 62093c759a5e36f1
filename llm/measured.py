"""What the metrics say of each call: its outcome, its latency, and how many are in flight."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.metrics import Metrics
from domain.analysis import BeforeSend, CallFailed, Departed
from llm.budget import GIVEN_BACK

Result = TypeVar("Result")
Send = Callable[[BeforeSend], Awaitable[Result]]
"""Makes a call; awaits BeforeSend, then sends the request at once."""


async def measured(metrics: Metrics, send: Send[Result], before_send: BeforeSend) -> Result:
    """Make a call and record its outcome, its latency and that it is in flight. Raises what `send` raises."""
    sent_at: float | None = None

    async def before_send_measured() -> Departed | None:
        nonlocal sent_at
        departed = await before_send()
        if sent_at is None:  # one call sends two requests if the server rejects json_schema
            sent_at = time.perf_counter()
            metrics.calls_in_flight.inc()
        return departed

    outcome = GIVEN_BACK
    try:
        reply = await send(before_send_measured)
        outcome = "ok"
        return reply
    except CallFailed as fault:
        outcome = fault.outcome
        raise
    finally:
        if sent_at is not None:
            metrics.calls_in_flight.dec()
            metrics.call_latency.observe(time.perf_counter() - sent_at)
            metrics.calls.labels(outcome).inc()
