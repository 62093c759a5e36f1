"""Rates: what comes in (a token bucket, a sliding window per client) and what goes out (the pacer).

Policy only: no I/O, and time is an argument. Clocks give monotonic seconds.
"""

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from core.priority import BATCHES, Lane, PrioritySemaphore

Clock = Callable[[], float]
"""Monotonic seconds, from any origin."""

MAX_CLIENTS = 10_000
MAX_REMEMBERED = 1_000_000
"""Requests remembered over all clients; a float and its slot are 32 bytes, so 32 MB."""

JITTER_MARGIN = 0.025
"""Seconds beyond the period: a call that travels 25 ms faster than another still arrives within the cap.

With 20 ms one run of the outage benchmark, on a machine busy elsewhere, had an eleventh call in a second.
"""
TIMER_LAG = 0.002
"""Seconds an event loop's timer may fire late; without it the gaps between calls grow by that much each."""


class Decision(NamedTuple):
    """Whether a request may pass, and what its client is told. Times in seconds."""

    allowed: bool
    limit: int
    """Requests that may come at once; 0 where there is no limit to tell of."""
    remaining: int
    reset_seconds: float
    """Until the whole limit is there again, if nothing more is asked."""
    retry_after: float
    """Until the next request can pass; 0 where this one did."""


UNLIMITED = Decision(allowed=True, limit=0, remaining=0, reset_seconds=0.0, retry_after=0.0)


class TokenBucket:
    """`rate` requests a second with a burst of the same (at least one). Rate 0 lets everything pass.

    In any `t` seconds at most `burst + rate * t` requests pass.
    """

    def __init__(self, rate: float, clock: Clock = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._burst = max(rate, 1.0)
        self._tokens = self._burst
        self._filled_at = clock()

    def take(self) -> Decision:
        """Take a token if there is one."""
        if not self._rate:
            return UNLIMITED
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        allowed = self._tokens >= 1
        self._tokens -= allowed
        return Decision(
            allowed=allowed,
            limit=int(self._burst),
            remaining=int(self._tokens),
            reset_seconds=(self._burst - self._tokens) / self._rate,
            retry_after=0.0 if allowed else (1 - self._tokens) / self._rate,
        )


class SlidingWindow:
    """At most `limit` requests of each client in any `window` seconds, exactly. Limit 0 lets everything pass.

    A client is forgotten when its window has passed. Where more than `max_clients` are active, or more than
    `max_remembered` requests, the client that has been quiet longest is forgotten early and starts afresh:
    memory is bounded, and nobody is locked out by a crowd.
    """

    def __init__(
        self,
        limit: int,
        window: float,
        clock: Clock = time.monotonic,
        *,
        max_clients: int = MAX_CLIENTS,
        max_remembered: int = MAX_REMEMBERED,
    ) -> None:
        self._limit = limit
        self._window = window
        self._clock = clock
        self._max_clients = max_clients
        self._max_remembered = max(max_remembered, limit)
        # The times of what passed, by client; the client whose last request is oldest comes first.
        self._passed: OrderedDict[str, deque[float]] = OrderedDict()
        self._remembered = 0

    def __len__(self) -> int:
        """How many clients are remembered."""
        return len(self._passed)

    def take(self, client: str) -> Decision:
        """Count a request of `client` if it may pass."""
        if not self._limit:
            return UNLIMITED
        now = self._clock()
        times = self._recent(client, now)
        allowed = len(times) < self._limit
        if allowed:
            times.append(now)
            self._remembered += 1
            self._passed[client] = times
            self._passed.move_to_end(client)
            self._forget(now)
        return Decision(
            allowed=allowed,
            limit=self._limit,
            remaining=self._limit - len(times),
            reset_seconds=times[-1] + self._window - now,
            retry_after=0.0 if allowed else times[0] + self._window - now,
        )

    def give_back(self, client: str) -> None:
        """Undo the client's last `take`, for a request that something else refused."""
        if times := self._passed.get(client):
            times.pop()
            self._remembered -= 1
            if not times:
                del self._passed[client]

    def _recent(self, client: str, now: float) -> deque[float]:
        times = self._passed.get(client, deque())
        while times and times[0] + self._window <= now:
            times.popleft()
            self._remembered -= 1
        return times

    def _forget(self, now: float) -> None:
        while self._has_idle_client(now) or self._is_crowded():
            _, times = self._passed.popitem(last=False)
            self._remembered -= len(times)

    def _has_idle_client(self, now: float) -> bool:
        times = next(iter(self._passed.values()))
        return not times or times[-1] + self._window <= now

    def _is_crowded(self) -> bool:
        return len(self._passed) > self._max_clients or self._remembered > self._max_remembered


class InboundLimiter:
    """What this process takes in: one bucket for writes, one for reads, and a window per client over both.

    `rate` is in requests a second and goes for each bucket; `per_client` requests in any `window` seconds.
    0 turns either off.
    """

    def __init__(
        self, rate: float, per_client: int = 0, window: float = 60.0, clock: Clock = time.monotonic
    ) -> None:
        self._writes = TokenBucket(rate, clock)
        self._reads = TokenBucket(rate, clock)
        self._clients = SlidingWindow(per_client, window, clock)

    def take(self, client: str, *, write: bool) -> Decision:
        """Let a request pass if both limits do; the answer is the tighter one's.

        What one limit refuses is not counted by the other.
        """
        own = self._clients.take(client)
        if not own.allowed:
            return own
        shared = (self._writes if write else self._reads).take()
        if not shared.allowed:
            self._clients.give_back(client)
            return shared
        return _tighter(own, shared)


def _tighter(one: Decision, other: Decision) -> Decision:
    if not (one.limit and other.limit):
        return one if one.limit else other
    return one if one.remaining < other.remaining else other


class Pacer:
    """The outbound cap: spaces the moments at which calls leave, however many are in flight.

    No one-second window holds more than `rate` calls, measured when `slot` returns; below 1, one call in
    1/rate seconds. A window cannot hold part of a call, so 2.5 a second means two in any second. Each call
    leaves a period and 25 ms after the one `rate` places before it, which yields 0.975 of the cap, and most
    of an interval after the last one, so that they do not come in a bunch.
    """

    def __init__(
        self,
        rate: float,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        calls, period = (int(rate), 1.0) if rate >= 1 else (1, 1 / rate)
        self._clock = clock
        self._sleep = sleep
        self._period = period + JITTER_MARGIN
        self._gap = max(0.0, 0.8 * period / calls - TIMER_LAG)
        # When calls really left, not when they were due: a late one must not shorten what follows.
        self._departures: deque[float] = deque(maxlen=calls)
        self._paused_until = clock()
        # Only the caller whose turn it is sleeps.
        self._turn = PrioritySemaphore(1)

    async def slot(self, patience: float = math.inf, lane: Lane = BATCHES) -> bool:
        """Wait for this caller's turn. Write the request at once: the call counts from now.

        False, and no turn is taken, where a pause lasts longer than `patience` more seconds. A caller that gives up
        so, or is cancelled while waiting, takes nothing from the others.
        """
        async with self._turn.taken(lane):
            while (wait := self._next_departure() - self._clock()) > 0:
                if self.paused_for() > patience:
                    return False
                await self._sleep(wait)
            self._departures.append(self._clock())
            return True

    def pause_until(self, seconds_from_now: float) -> None:
        """Let no call leave for so many seconds. A longer pause that was asked for before stays."""
        self._paused_until = max(self._paused_until, self._clock() + seconds_from_now)

    def paused_for(self) -> float:
        """Seconds until the pause ends; 0 where there is none."""
        return max(0.0, self._paused_until - self._clock())

    def _next_departure(self) -> float:
        if not self._departures:
            return self._paused_until
        due = max(self._paused_until, self._departures[-1] + self._gap)
        if len(self._departures) == self._departures.maxlen:
            due = max(due, self._departures[0] + self._period)
        return due
