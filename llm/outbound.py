"""The one gate through which every call leaves: pacer, circuit and the count of what is in flight."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from core.clock import SECOND, iso
from core.metrics import Metrics
from core.priority import Lane
from database import Database
from domain.analysis import BatchFault, CallFailed, Denied, ProviderFault, RateLimited, Reply
from domain.summaries import ChatAnalyzer, DraftListener, Material, Summarised
from llm.budget import GIVEN_BACK, Budget, OverBudget
from llm.canary import Canary
from llm.circuit_breaker import CircuitBreaker, CircuitState
from llm.gateway import LOOK_AGAIN, Gateway, OnSent
from llm.hold import Hold
from rate_limiter import Pacer

LONG_PAUSE = 1.0
"""Seconds of pause for which conversations are not held: they go back and are `queued`."""
UNREACHABLE = "unreachable"
"""What a call is counted as that found no connection and so never left."""

BeforeSend = Callable[[], Awaitable[None]]
Came = TypeVar("Came")
Ask = Callable[[BeforeSend], Awaitable[Came]]
"""Makes a call, which awaits what it is given immediately before it leaves."""


class Blocked(CallFailed):
    """The call never left: the circuit opened, or a pause began, while it waited for its turn."""

    def __init__(self, why: str) -> None:
        super().__init__("blocked", why)


class Outbound:
    """To a provider that is paid and may be down: at the pace, and while the circuit allows."""

    def __init__(
        self,
        analyzer: ChatAnalyzer,
        pacer: Pacer,
        breaker: CircuitBreaker,
        hold: Hold,
        budget: Budget,
        database: Database,
        metrics: Metrics,
        backoff: Callable[[int], float],
    ) -> None:
        """`backoff` gives the seconds to wait after so many faults in a row."""
        self.analyzer = analyzer
        self.pacer = pacer
        self.breaker = breaker
        self.hold = hold
        self.budget = budget
        self.faults = 0
        self._metrics = metrics
        self._backoff = backoff
        self._pause = ""
        self._canary = Canary(self._send_canary, budget, hold, database)
        self._canary_task: asyncio.Task[bool] | None = None
        self._canary_left = False

    @property
    def current(self) -> Gateway:
        """Itself."""
        return self

    @property
    def circuit(self) -> CircuitState:
        """Whether calls start."""
        return self.breaker.state

    @property
    def blocked(self) -> str | None:
        """Why no call leaves just now, or None."""
        return self.hold.reason or self._closed

    @property
    def _closed(self) -> str | None:
        """Why not even a call leaves whose cost is reserved.

        Were the budget a reason, two calls that do not fit beside each other would hold up each other for ever.
        """
        if self.hold.held is not None:
            return self.hold.held
        if not self.breaker.may_call():
            return self.breaker.reason or "circuit open"
        return self._pause if self.pacer.paused_for() > LONG_PAUSE else None

    async def until_free(self) -> None:
        """Wait out brake, pause and cooldown, and send the probe that ends a cooldown."""
        while self.blocked is not None:
            if self.hold.reason is None and not self.pacer.paused_for() and self.breaker.may_probe():
                await self._probe()
            else:
                longest = max(self.breaker.opens_for(), self.pacer.paused_for())
                await asyncio.sleep(min(longest or LOOK_AGAIN, LOOK_AGAIN))

    async def call(self, texts: Sequence[str], on_sent: OnSent) -> Reply:
        """Ask about `texts` when it is this call's turn. Raises CallFailed."""
        return await self._call(partial(self.analyzer.analyse, texts), on_sent, Lane.BATCHES)

    async def summarise(
        self, material: Material, on_sent: OnSent, on_draft: DraftListener | None = None
    ) -> Summarised:
        """Ask for a summary when it is this call's turn, which comes before the batches'. Raises CallFailed."""
        return await self._call(
            partial(self.analyzer.summarise, material, on_draft=on_draft), on_sent, Lane.SUMMARIES
        )

    async def _call(self, ask: Ask[Came], on_sent: OnSent, lane: Lane) -> Came:
        epoch = self.breaker.epoch

        async def before_send() -> None:
            nonlocal epoch
            epoch = await self._turn(lane)
            on_sent()

        try:
            reply = await self._observed(ask, before_send)
        except CallFailed as fault:
            await self._react_to(fault, epoch)
            raise
        self._succeeded(epoch)
        return reply

    async def _turn(self, lane: Lane = Lane.BATCHES) -> int:
        """Wait for a call's turn; gives the circuit's epoch in which it leaves. Raises Blocked."""
        await self._slot(lane)
        if (why := self._closed) is not None:
            raise Blocked(why)
        return self.breaker.epoch

    async def _slot(self, lane: Lane = Lane.BATCHES) -> None:
        if not await self.pacer.slot(LONG_PAUSE, lane):
            raise Blocked(self._pause)

    def _succeeded(self, epoch: int) -> None:
        self.faults = 0
        self.breaker.success(epoch)

    async def _react_to(self, fault: CallFailed, epoch: int) -> None:
        """Draw the consequences of a fault for all calls. May raise the same fault as the batch's own."""
        match fault:
            case RateLimited():
                self._pause_calls(fault)
            case Denied(status=400 | 422) if self.breaker.doubt(epoch, str(fault)):
                # The words that mean a wrong key or model may also be a conversation's, repeated by the server.
                if await self._probe():
                    raise BatchFault(
                        "rejected", fault.detail, status=fault.status, request_id=fault.request_id
                    )
            case Denied():
                self.breaker.deny(epoch, str(fault))
            case ProviderFault():
                self.faults += 1
                self.breaker.fault(epoch, str(fault))

    def _pause_calls(self, fault: RateLimited) -> None:
        """Pause all calls, as long as the server asks for or else a backoff."""
        self.faults += 1
        self.pacer.pause_until(self._backoff(self.faults) if fault.retry_after is None else fault.retry_after)
        until = self.budget.clock() // SECOND + round(self.pacer.paused_for())
        self._pause = f"rate limited by the provider, until {iso(until * SECOND)}: {fault.detail}"

    async def canary_passes(self) -> bool:
        """Whether a canary that leaves after now comes back. If it fails the circuit is open.

        Who asks while one waits for its slot shares it.
        """
        if self.blocked is not None:
            return False
        if self._canary_task is None or self._canary_task.done() or self._canary_left:
            self._canary_task = asyncio.create_task(self._check_with_canary())
        return await asyncio.shield(self._canary_task)

    async def close(self) -> None:
        """Give up the canary that is under way; it is nobody else's to wait for."""
        if self._canary_task is not None:
            self._canary_task.cancel()
            await asyncio.wait([self._canary_task])

    async def _check_with_canary(self) -> bool:
        self._canary_left = False
        epoch = self.breaker.epoch

        async def turn() -> None:
            nonlocal epoch
            epoch = await self._turn()
            self._canary_left = True

        match fault := await self._canary.send(turn):
            case None:
                self._succeeded(epoch)
            case RateLimited():
                self._pause_calls(fault)
            case OverBudget() | Blocked():
                pass
            case _:
                self.breaker.deny(epoch, str(fault))
        return fault is None

    async def _probe(self) -> bool:
        """Send the canary that decides whether the circuit closes."""
        fault: CallFailed | None = ProviderFault("unfinished", "the probe was not finished")
        try:
            fault = await self._canary.send(self._slot)
        finally:
            if isinstance(fault, RateLimited):
                self._pause_calls(fault)
            self.breaker.probe_result(fault is None, None if fault is None else str(fault))
        if fault is None:
            self.faults = 0
        return fault is None

    async def _send_canary(self, texts: Sequence[str], before_send: BeforeSend) -> Reply:
        return await self._observed(partial(self.analyzer.analyse, texts), before_send)

    async def _observed(self, ask: Ask[Came], before_send: BeforeSend) -> Came:
        left_at: float | None = None

        async def leave() -> None:
            nonlocal left_at
            await before_send()
            if left_at is None:  # a server without json_schema is asked twice in one call
                left_at = time.perf_counter()
                self._metrics.calls_in_flight.inc()

        outcome = GIVEN_BACK
        try:
            reply = await ask(leave)
            outcome = "ok"
            return reply
        except CallFailed as fault:
            outcome = fault.outcome
            raise
        finally:
            if left_at is not None:
                self._metrics.calls_in_flight.dec()
                self._metrics.call_latency.observe(time.perf_counter() - left_at)
            if left_at is not None or outcome == UNREACHABLE:
                self._metrics.calls.labels(outcome).inc()
