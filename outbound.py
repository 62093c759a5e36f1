"""The one gate through which every call leaves: pacer, circuit and the count of what is in flight."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from analysis import Analyzer, CallFailed, Denied, ProviderFault, RateLimited, Reply
from circuit_breaker import CircuitBreaker, State
from metrics import Metrics
from rate_limiter import Pacer

LONG_PAUSE = 1.0
"""Seconds of pause for which conversations are not held: they go back and are `queued`."""
CANARY = "The parcel came two days late and the box was torn, but support sorted it out quickly."
Departed = Callable[[], None]


class Blocked(CallFailed):
    """The call never left: the circuit opened, or a pause began, while it waited for its turn."""

    def __init__(self, why: str) -> None:
        super().__init__("blocked", why)


class Gate(Protocol):
    """How the processor sees whoever analyses."""

    analyzer: Analyzer

    @property
    def blocked(self) -> str | None:
        """Why no call leaves just now, or None."""
        ...

    @property
    def billed(self) -> bool:
        """Whether calls cost money and are logged."""
        ...

    @property
    def faults(self) -> int:
        """How many calls in a row failed by nobody's fault; what they carried waits the longer."""
        ...

    async def until_free(self) -> None:
        """Wait until calls may leave; what it takes to find out is done here."""
        ...

    async def call(self, texts: Sequence[str], departed: Departed) -> Reply:
        """Ask about `texts`; `departed` is called as the request leaves. Raises CallFailed."""
        ...


class Direct:
    """To the offline analyzer: neither paced nor behind a circuit."""

    blocked = None
    billed = False
    faults = 0

    def __init__(self, analyzer: Analyzer) -> None:
        self.analyzer = analyzer

    async def until_free(self) -> None:
        """It is always free."""

    async def call(self, texts: Sequence[str], departed: Departed) -> Reply:
        """Ask at once."""

        async def before_send() -> None:
            departed()

        return await self.analyzer.analyse(texts, before_send)


class Outbound:
    """To a provider that is paid and may be down: at the pace, and while the circuit allows."""

    billed = True

    def __init__(
        self,
        analyzer: Analyzer,
        pacer: Pacer,
        breaker: CircuitBreaker,
        metrics: Metrics,
        backoff: Callable[[int], float],
    ) -> None:
        """`backoff` gives the seconds to wait after so many faults in a row."""
        self.analyzer = analyzer
        self.pacer = pacer
        self.breaker = breaker
        self._metrics = metrics
        self._backoff = backoff
        self.faults = 0

    @property
    def blocked(self) -> str | None:
        """Why no call leaves just now, or None."""
        if not self.breaker.may_call():
            return self.breaker.reason or "circuit open"
        return "rate limited by the provider" if self.pacer.paused_for() > LONG_PAUSE else None

    async def until_free(self) -> None:
        """Wait out pause and cooldown, and send the probe that ends a cooldown."""
        while self.blocked is not None:
            await asyncio.sleep(max(self.breaker.opens_for(), self.pacer.paused_for()))
            if self.breaker.may_probe():
                await self._probe()
            elif self.breaker.state is State.HALF_OPEN:
                await asyncio.sleep(0.1)  # the probe is another caller's

    async def call(self, texts: Sequence[str], departed: Departed) -> Reply:
        """Ask about `texts` when it is this call's turn. Raises CallFailed."""

        async def before_send() -> None:
            await self.pacer.slot()
            if (why := self.blocked) is not None:
                raise Blocked(why)
            departed()

        try:
            reply = await self._observed(texts, before_send)
        except RateLimited as fault:
            self._pause(fault)
            raise
        except Denied as fault:
            self.breaker.deny(str(fault))
            raise
        except ProviderFault as fault:
            self.faults += 1
            self.breaker.fault(str(fault))
            raise
        self.faults = 0
        self.breaker.success()
        return reply

    def _pause(self, fault: RateLimited) -> None:
        self.faults += 1
        wait = fault.retry_after if fault.retry_after is not None else self._backoff(self.faults)
        self.pacer.pause_until(wait)

    async def _probe(self) -> None:
        try:
            await self._observed([CANARY], self.pacer.slot)
        except CallFailed as fault:
            self.breaker.probe_result(False, str(fault))
        except BaseException:
            self.breaker.probe_result(False, "the probe was not finished")
            raise
        else:
            self.breaker.probe_result(True)

    async def _observed(self, texts: Sequence[str], before_send: Callable[[], Awaitable[None]]) -> Reply:
        left_at: float | None = None

        async def leave() -> None:
            nonlocal left_at
            await before_send()
            if left_at is None:  # a server without json_schema is asked twice in one call
                left_at = time.perf_counter()
                self._metrics.calls_in_flight.inc()

        outcome = "cancelled"
        try:
            reply = await self.analyzer.analyse(texts, leave)
            outcome = "ok"
            return reply
        except CallFailed as fault:
            outcome = fault.outcome
            raise
        finally:
            if left_at is not None:
                self._metrics.calls_in_flight.dec()
                self._metrics.call_latency.observe(time.perf_counter() - left_at)
                self._metrics.calls.labels(outcome).inc()
