"""The gateway to a paid provider: paces calls, obeys the circuit breaker and reacts to faults such as a 429."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from core.clock import SECOND, iso
from core.metrics import Metrics
from core.priority import BATCHES, SUMMARIES, Lane
from database import Database
from domain.analysis import BatchFault, CallFailed, Denied, Invalid, ProviderFault, RateLimited, Reply
from domain.deciding import Decided, Decider
from domain.naming import Nameless, Namer, NamesGiven
from domain.summaries import ChatAnalyzer, DraftListener, Material, Summarised
from llm.budget import GIVEN_BACK, Budget, OverBudget
from llm.canary import Canary
from llm.circuit_breaker import CircuitBreaker, CircuitState
from llm.gateway import POLL_SECONDS, Gateway, OnSent
from llm.hold import Hold
from llm.stops import RATE_LIMITED, Stop, circuit_stop
from rate_limiter import Pacer

LONG_PAUSE = 1.0
"""A pause longer than this many seconds is not waited out: the conversations go back to `queued`."""

BeforeSend = Callable[[], Awaitable[None]]
Result = TypeVar("Result")
Languages = Callable[[Sequence[str]], Awaitable[Sequence[str | None]]]
"""Finds out the language of each text; never fails."""
Send = Callable[[BeforeSend], Awaitable[Result]]
"""Makes a call; awaits BeforeSend, then sends the request at once."""


class Blocked(CallFailed):
    """The call was not sent: the circuit opened, or a pause began, while it waited for its slot."""

    def __init__(self, reason: str) -> None:
        super().__init__("blocked", reason)


def with_languages(reply: Reply, languages: Sequence[str | None]) -> Reply:
    """The reply with the language of each text in its row."""
    pairs = zip(reply.rows, languages, strict=True)
    rows = [row if isinstance(row, Invalid) else row._replace(language=language) for row, language in pairs]
    return replace(reply, rows=rows)


class PaidGateway:
    """The gateway to one paid provider: sends calls at the pacer's rate while circuit, hold and budget allow it."""

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
        languages: Languages | None = None,
    ) -> None:
        """`backoff` returns the seconds to wait after so many faults in a row. Without `languages` none is known."""
        self.analyzer = analyzer
        self.pacer = pacer
        self.breaker = breaker
        self.hold = hold
        self.budget = budget
        self.faults = 0
        self._metrics = metrics
        self._backoff = backoff
        self._languages = languages
        self._pause_reason = ""
        self._canary = Canary(self._send_canary, budget, hold, database)
        self._canary_task: asyncio.Task[bool] | None = None
        self._canary_sent = False

    @property
    def current(self) -> Gateway:
        """This gateway."""
        return self

    @property
    def circuit(self) -> CircuitState:
        """The state of the circuit."""
        return self.breaker.state

    @property
    def blocked(self) -> str | None:
        """Why no call may start now, or None."""
        return self.hold.reason or self._blocks_reserved

    @property
    def _blocks_reserved(self) -> str | None:
        """Why even a call whose cost is already reserved must not be sent, or None.

        The budget is no such reason: two calls that do not fit into it together would block each other for ever.
        """
        if self.hold.blocks_reserved is not None:
            return self.hold.blocks_reserved
        if not self.breaker.may_call():
            return self.breaker.reason or "circuit open"
        return self._pause_reason if self.pacer.paused_for() > LONG_PAUSE else None

    @property
    def stops(self) -> Sequence[Stop]:
        """Why this provider gets no calls: its circuit, or a pause that it asked for."""
        if not self.breaker.may_call():
            return [] if self.breaker.is_in_doubt else [circuit_stop(self.breaker.reason, self.analyzer.name)]
        if self.pacer.paused_for() > LONG_PAUSE:
            return [Stop(RATE_LIMITED, self._pause_reason, self.analyzer.name)]
        return []

    async def until_free(self) -> None:
        """Wait until hold, pause and cooldown have ended, and send the probe that follows a cooldown."""
        while self.blocked is not None:
            if self.hold.reason is None and not self.pacer.paused_for() and self.breaker.may_probe():
                await self._probe()
            else:
                longest = max(self.breaker.opens_for(), self.pacer.paused_for())
                await asyncio.sleep(min(longest or POLL_SECONDS, POLL_SECONDS))

    async def call(self, texts: Sequence[str], on_sent: OnSent) -> Reply:
        """Analyse `texts` in the next free slot. Raises CallFailed."""
        send = partial(self.analyzer.analyse, texts)
        if self._languages is None:
            return await self._call(send, on_sent, BATCHES)
        # Meanwhile, so that nobody waits for it.
        languages = asyncio.ensure_future(self._languages(texts))
        try:
            return with_languages(await self._call(send, on_sent, BATCHES), await languages)
        finally:
            languages.cancel()

    async def summarise(
        self, material: Material, on_sent: OnSent, on_draft: DraftListener | None = None
    ) -> Summarised:
        """Summarise in the next free slot; summaries go before batches. Raises CallFailed."""
        return await self._call(
            partial(self.analyzer.summarise, material, on_draft=on_draft), on_sent, SUMMARIES
        )

    async def name_groups(self, groups: Sequence[Nameless], on_sent: OnSent) -> NamesGiven:
        """Have groups named in the next free slot. Raises CallFailed, TypeError if the analyzer names nothing."""
        if not isinstance(self.analyzer, Namer):
            raise TypeError(f"{self.analyzer.name} names no groups")
        return await self._call(partial(self.analyzer.name_groups, groups), on_sent, BATCHES)

    async def decide(self, question: str, texts: Sequence[str], on_sent: OnSent) -> Decided:
        """Have a question answered in the next free slot. Raises CallFailed, TypeError if the analyzer answers none."""
        if not isinstance(self.analyzer, Decider):
            raise TypeError(f"{self.analyzer.name} answers no questions")
        return await self._call(partial(self.analyzer.decide, question, texts), on_sent, BATCHES)

    async def _call(self, send: Send[Result], on_sent: OnSent, lane: Lane) -> Result:
        epoch = self.breaker.epoch

        async def before_send() -> None:
            nonlocal epoch
            epoch = await self._wait_to_send(lane)
            on_sent()

        try:
            reply = await self._measured(send, before_send)
        except CallFailed as fault:
            await self._handle_fault(fault, epoch)
            raise
        self._succeeded(epoch)
        return reply

    async def _wait_to_send(self, lane: Lane = BATCHES) -> int:
        """Wait for a slot; return the circuit's epoch in which the call is sent. Raises Blocked."""
        await self._wait_for_slot(lane)
        if (reason := self._blocks_reserved) is not None:
            raise Blocked(reason)
        return self.breaker.epoch

    async def _wait_for_slot(self, lane: Lane = BATCHES) -> None:
        if not await self.pacer.slot(LONG_PAUSE, lane):
            raise Blocked(self._pause_reason)

    def _succeeded(self, epoch: int) -> None:
        self.faults = 0
        self.breaker.success(epoch)

    async def _handle_fault(self, fault: CallFailed, epoch: int) -> None:
        """Apply what a fault means for all calls. Raises BatchFault if a probe shows that the batch is at fault."""
        match fault:
            case RateLimited():
                self._pause_after_429(fault)
            case Denied(status=400 | 422) if self.breaker.doubt(epoch, str(fault)):
                # The words that mean a wrong key or model may be from a conversation that the server repeats.
                if await self._probe():
                    raise BatchFault(
                        "rejected", fault.detail, status=fault.status, request_id=fault.request_id
                    )
            case Denied():
                self.breaker.deny(epoch, str(fault))
            case ProviderFault():
                self.faults += 1
                self.breaker.fault(epoch, str(fault))

    def _pause_after_429(self, fault: RateLimited) -> None:
        """Pause all calls for the server's Retry-After, or for a backoff if it sent none."""
        self.faults += 1
        seconds = self._backoff(self.faults) if fault.retry_after is None else fault.retry_after
        with self.hold.changing():
            self.pacer.pause_until(seconds)
            until = self.budget.clock() // SECOND + round(self.pacer.paused_for())
            self._pause_reason = f"rate limited by the provider, until {iso(until * SECOND)}: {fault.detail}"

    async def canary_passes(self) -> bool:
        """Send a canary and return whether it succeeded. If it failed, the circuit is open.

        Callers that come while a canary waits for its slot share it.
        """
        if self.blocked is not None:
            return False
        if self._canary_task is None or self._canary_task.done() or self._canary_sent:
            self._canary_task = asyncio.create_task(self._check_with_canary())
        return await asyncio.shield(self._canary_task)

    async def close(self) -> None:
        """Cancel the canary in flight, because nobody else waits for its task."""
        if self._canary_task is not None:
            self._canary_task.cancel()
            await asyncio.wait([self._canary_task])

    async def _check_with_canary(self) -> bool:
        self._canary_sent = False
        epoch = self.breaker.epoch

        async def wait_to_send() -> None:
            nonlocal epoch
            epoch = await self._wait_to_send()
            self._canary_sent = True

        match fault := await self._canary.send(wait_to_send):
            case None:
                self._succeeded(epoch)
            case RateLimited():
                self._pause_after_429(fault)
            case OverBudget() | Blocked():
                pass
            case _:
                self.breaker.deny(epoch, str(fault))
        return fault is None

    async def _probe(self) -> bool:
        """Send the canary that decides whether the circuit closes."""
        fault: CallFailed | None = ProviderFault("unfinished", "the probe was cancelled")
        try:
            fault = await self._canary.send(self._wait_for_slot)
        finally:
            if isinstance(fault, RateLimited):
                self._pause_after_429(fault)
            self.breaker.probe_result(fault is None, None if fault is None else str(fault))
        if fault is None:
            self.faults = 0
        return fault is None

    async def _send_canary(self, texts: Sequence[str], before_send: BeforeSend) -> Reply:
        return await self._measured(partial(self.analyzer.analyse, texts), before_send)

    async def _measured(self, send: Send[Result], before_send: BeforeSend) -> Result:
        """Make a call and record its outcome, its latency and that it is in flight."""
        sent_at: float | None = None

        async def before_send_measured() -> None:
            nonlocal sent_at
            await before_send()
            if sent_at is None:  # one call sends two requests if the server rejects json_schema
                sent_at = time.perf_counter()
                self._metrics.calls_in_flight.inc()

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
                self._metrics.calls_in_flight.dec()
                self._metrics.call_latency.observe(time.perf_counter() - sent_at)
                self._metrics.calls.labels(outcome).inc()
