"""Rate limits: inbound (a token bucket, a sliding window per client) and outbound (the pacer).

Policy only: no I/O, and the clock is an argument. Clocks return monotonic seconds.
"""

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv6Address
from typing import NamedTuple

from core.pause import Pause
from core.priority import BATCHES, Lane, PrioritySemaphore
from domain.analysis import Departed

Clock = Callable[[], float]
"""Monotonic seconds, from any origin."""

MAX_CLIENTS = 10_000
MAX_REMEMBERED = 1_000_000
"""Requests remembered across all clients; a float and its slot take 32 bytes, so 32 MB."""

JITTER_MARGIN = 0.025
"""Seconds added to the period, so that a call that arrives 25 ms faster than another is still within the cap.

With 20 ms, one run of the outage benchmark on a busy machine had an eleventh call in a second.
"""
TIMER_LAG = 0.002
"""Seconds by which an event loop's timer may fire late. Without this correction every gap would grow by that much."""


class Decision(NamedTuple):
    """Whether a request is allowed, and the values for its rate-limit headers. Times in seconds."""

    allowed: bool
    limit: int
    """Requests allowed at once; 0 if there is no limit."""
    remaining: int
    reset_seconds: float
    """Until the whole limit is available again, if no more requests come."""
    retry_after: float
    """Until the next request can pass; 0 if this one did."""


UNLIMITED = Decision(allowed=True, limit=0, remaining=0, reset_seconds=0.0, retry_after=0.0)


class TokenBucket:
    """Allows `rate` requests a second with a burst of the same size (at least one). Rate 0 means no limit.

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
    """Allows exactly `limit` requests per client in any `window` seconds. Limit 0 means no limit.

    A client is forgotten when its window has passed. If there are more than `max_clients` clients or
    `max_remembered` requests, the client that has been idle longest is forgotten early and starts afresh. So
    memory is bounded, and many active clients cannot lock out a new one.
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
        # The times of allowed requests by client; the client whose last request is oldest comes first.
        self._passed: OrderedDict[str, deque[float]] = OrderedDict()
        self._remembered = 0

    def __len__(self) -> int:
        """How many clients are remembered."""
        return len(self._passed)

    def take(self, client: str) -> Decision:
        """Count a request of `client` if it is allowed."""
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
        """Undo the client's last `take`, because another limit refused the request."""
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


def client_of(address: str) -> str:
    """The client that an address belongs to: an IPv6 /64 is one client, any other address is one of its own.

    Networks hand out a /64 or more, and its holder may use each of the 2^64 addresses. An IPv4 address written
    as IPv6 (`::ffff:192.0.2.1`) is that IPv4 address.
    """
    if ":" not in address:
        return address
    try:
        ip = IPv6Address(address)
    except ValueError:  # whatever a trusted proxy wrote
        return address
    return str(ip.ipv4_mapped or f"{IPv6Address(int(ip) >> 64 << 64)}/64")


class InboundLimiter:
    """The limits on incoming requests: a bucket for writes, a bucket for reads, and a window per client over both.

    `rate` is in requests a second and applies to each bucket; a client may send `per_client` requests in any
    `window` seconds. 0 turns either limit off.
    """

    def __init__(
        self, rate: float, per_client: int = 0, window: float = 60.0, clock: Clock = time.monotonic
    ) -> None:
        self._writes = TokenBucket(rate, clock)
        self._reads = TokenBucket(rate, clock)
        self._clients = SlidingWindow(per_client, window, clock)

    def take(self, client: str, *, write: bool) -> Decision:
        """Allow a request if both limits do, and return the decision of the tighter one.

        `client` is an address, see `client_of`. A request that one limit refuses is not counted by the other.
        """
        client = client_of(client)
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


class Pace(NamedTuple):
    """The outbound cap as a rule for departures, in seconds on any one clock: `calls` in any `period`.

    No one-second window has more than `rate` calls; a rate below 1 means one call in 1/rate seconds. A window cannot
    hold part of a call, so 2.5 a second means two in any second. Each call starts a period and 25 ms after the call
    `rate` places before it, which yields 0.975 of the cap. It also starts a `gap` after the previous call and a `pair`
    after the one before that, so that calls do not come in bursts.
    """

    calls: int
    period: float
    gap: float
    pair: float

    @classmethod
    def of(cls, rate: float, shortest: float = 0.8) -> "Pace":
        """The pace of `rate` calls a second; `shortest` is the shortest gap as a part of an even one.

        Two gaps in a row are 0.8 of even ones at least. Where a call may leave late, the next makes up for it.
        """
        calls, period = (int(rate), 1.0) if rate >= 1 else (1, 1 / rate)
        even = period / calls
        gap, pair = (max(0.0, part * even - TIMER_LAG) for part in (shortest, 0.8 * min(2, calls)))
        return cls(calls, period + JITTER_MARGIN, gap, pair)

    def wait(self, departures: Sequence[float], now: float) -> float:
        """Seconds until the next call may leave; `departures` are those of the last calls, the oldest first.

        One that lies ahead counts as now: the clock was set back, and nobody waits longer than a period for that.
        """
        rules = (1, self.gap), (min(2, self.calls), self.pair), (self.calls, self.period)
        due = (min(departures[-n], now) + span for n, span in rules if len(departures) >= n)
        return max(0.0, max(due, default=now) - now)

    def recent(self, departures: Sequence[float], now: float) -> list[float]:
        """Those departures that still count."""
        return [min(each, now) for each in departures if now - each < self.period]


class LocalPacer:
    """The outbound cap of a process by itself: spaces the starts of calls, however many calls are in flight."""

    def __init__(
        self,
        rate: float,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pace = Pace.of(rate)
        self._clock = clock
        self._sleep = sleep
        # When calls really started, not when they were due: a late start must not shorten the gaps after it.
        self._departures: deque[float] = deque(maxlen=max(2, self._pace.calls))
        self.pause = Pause(clock)
        # Only the first waiter sleeps; the others wait for the semaphore.
        self._turn = PrioritySemaphore(1)

    async def slot(self, patience: float = math.inf, lane: Lane = BATCHES) -> Departed | None:
        """Wait for a slot. The caller must send its request at once, because the call counts from now.

        Return None, without a slot, if the pacer is paused for more than `patience` seconds. A caller that gives up
        or is cancelled uses up no slot.
        """
        async with self._turn.taken(lane):
            while (wait := self._wait()) > 0:
                if self.pause.left() > patience:
                    return None
                await self._sleep(wait)
            self._departures.append(self._clock())
            return _nobody_waits

    @property
    def withheld(self) -> str:
        """Why `slot` gave none."""
        return self.pause.reason

    def _wait(self) -> float:
        return max(self.pause.left(), self._pace.wait(self._departures, self._clock()))


def _nobody_waits() -> None:
    return
