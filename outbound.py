"""The one gate through which every call leaves: pacer, circuit and the count of what is in flight."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from analysis import Analyzer, BatchFault, CallFailed, Denied, ProviderFault, RateLimited, Reply
from brake import Brake
from circuit_breaker import CircuitBreaker
from database import Database
from ledger import End, Ledger, OverBudget, next_day
from metrics import Metrics
from rate_limiter import Pacer

LONG_PAUSE = 1.0
"""Seconds of pause for which conversations are not held: they go back and are `queued`."""
LOOK_AGAIN = 0.25
"""Seconds after which somebody may have released the brake."""
CANARY = "The parcel came two days late and the box was torn, but support sorted it out quickly."
Departed = Callable[[], None]


class Blocked(CallFailed):
    """The call never left: the circuit opened, or a pause began, while it waited for its turn."""

    def __init__(self, why: str) -> None:
        super().__init__("blocked", why)


class Gate(Protocol):
    """How the processor sees whoever analyses."""

    analyzer: Analyzer
    brake: Brake

    @property
    def blocked(self) -> str | None:
        """Why no call leaves just now, or None."""
        ...

    @property
    def ledger(self) -> Ledger | None:
        """Where calls are booked, None where they cost nothing."""
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

    async def vouch(self) -> bool:
        """Whether somebody else's call gets through just now: if so, a fault is the conversation's own."""
        ...


class Direct:
    """To the offline analyzer: neither paced nor billed nor behind a circuit; only an operator holds it."""

    ledger = None
    faults = 0

    def __init__(self, analyzer: Analyzer, brake: Brake) -> None:
        self.analyzer = analyzer
        self.brake = brake

    @property
    def blocked(self) -> str | None:
        """Why no call leaves just now, or None."""
        return self.brake.reason

    async def until_free(self) -> None:
        """Wait until nobody holds it."""
        while self.blocked is not None:  # noqa: ASYNC110  a brake is released by the clock as well as by hand
            await asyncio.sleep(LOOK_AGAIN)

    async def call(self, texts: Sequence[str], departed: Departed) -> Reply:
        """Ask at once."""

        async def before_send() -> None:
            departed()

        return await self.analyzer.analyse(texts, before_send)

    async def vouch(self) -> bool:
        """Nobody else can be at fault here."""
        return True


class Outbound:
    """To a provider that is paid and may be down: at the pace, and while the circuit allows."""

    def __init__(
        self,
        analyzer: Analyzer,
        pacer: Pacer,
        breaker: CircuitBreaker,
        brake: Brake,
        ledger: Ledger,
        database: Database,
        metrics: Metrics,
        backoff: Callable[[int], float],
    ) -> None:
        """`backoff` gives the seconds to wait after so many faults in a row."""
        self.analyzer = analyzer
        self.pacer = pacer
        self.breaker = breaker
        self.brake = brake
        self.ledger = ledger
        self.faults = 0
        self._database = database
        self._metrics = metrics
        self._backoff = backoff
        self._canary: asyncio.Task[bool] | None = None
        self._canary_left = False

    @property
    def blocked(self) -> str | None:
        """Why no call leaves just now, or None."""
        if self.brake.reason is not None:
            return self.brake.reason
        if not self.breaker.may_call():
            return self.breaker.reason or "circuit open"
        return "rate limited by the provider" if self.pacer.paused_for() > LONG_PAUSE else None

    async def until_free(self) -> None:
        """Wait out brake, pause and cooldown, and send the probe that ends a cooldown."""
        while self.blocked is not None:
            if self.brake.reason is None and not self.pacer.paused_for() and self.breaker.may_probe():
                await self._probe()
            else:
                longest = max(self.breaker.opens_for(), self.pacer.paused_for())
                await asyncio.sleep(min(longest or LOOK_AGAIN, LOOK_AGAIN))

    async def call(self, texts: Sequence[str], departed: Departed) -> Reply:
        """Ask about `texts` when it is this call's turn. Raises CallFailed."""

        async def before_send() -> None:
            await self.pacer.slot()
            if (why := self.blocked) is not None:
                raise Blocked(why)
            departed()

        try:
            reply = await self._observed(texts, before_send)
        except CallFailed as fault:
            await self._heed(fault)
            raise
        self.faults = 0
        self.breaker.success()
        return reply

    async def _heed(self, fault: CallFailed) -> None:
        """Draw the consequences of a fault for all calls. May raise the same fault as the batch's own."""
        match fault:
            case RateLimited(retry_after=seconds):
                self.faults += 1
                self.pacer.pause_until(self._pause() if seconds is None else seconds)
            case Denied(status=400) if await self.vouch():
                # The words that mean a wrong key or model may also be a conversation's, repeated by the server.
                raise BatchFault("rejected", fault.detail, status=fault.status, request_id=fault.request_id)
            case Denied():
                self.breaker.deny(str(fault))
            case ProviderFault():
                self.faults += 1
                self.breaker.fault(str(fault))

    def _pause(self) -> float:
        # Longer than a cooldown it would outlast the outage: seen were 3 s of silence where 0.5 were due.
        return min(self._backoff(self.faults), self.breaker.cooldown)

    async def vouch(self) -> bool:
        """Whether a canary that leaves after now comes back. If it fails the circuit is open.

        Who asks while one waits for its slot shares it.
        """
        if self.blocked is not None:
            return False
        if self._canary is None or self._canary.done() or self._canary_left:
            self._canary = asyncio.create_task(self._send_canary())
        return await asyncio.shield(self._canary)

    async def _send_canary(self) -> bool:
        self._canary_left = False
        fault = await self._sing()
        match fault:
            case None:
                self.breaker.success()
            case RateLimited():
                await self._heed(fault)
            case OverBudget():
                pass
            case _:
                self.breaker.deny(str(fault))
        return fault is None

    async def _probe(self) -> None:
        fault: CallFailed | None = ProviderFault("unfinished", "the probe was not finished")
        try:
            fault = await self._sing()
        finally:
            if isinstance(fault, RateLimited):
                await self._heed(fault)
            self.breaker.probe_result(fault is None, None if fault is None else str(fault))

    async def _sing(self) -> CallFailed | None:
        """Send the canary, paced, budgeted and booked like any call; gives what went wrong, or None."""
        left = False

        async def before_send() -> None:
            nonlocal left
            await self.pacer.slot()
            left = self._canary_left = True

        _, entry = await self._database.write(lambda c: self.ledger.open(c, [CANARY], conversations=0))
        if entry is None:
            self.brake.spent(next_day(self.ledger.clock()))
            return OverBudget()
        end: End = None
        try:
            end = await self._observed([CANARY], before_send)
        except CallFailed as fault:
            end = fault
        finally:
            close = partial(self.ledger.close, entry=entry, end=end, left=left)
            await asyncio.shield(self._database.write(close))
        return end if isinstance(end, CallFailed) else None

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
