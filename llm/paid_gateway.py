"""The gateway to a paid provider: paces calls, obeys the circuit breaker and reacts to faults such as a 429."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from core.clock import SECOND, iso
from core.metrics import Metrics
from core.priority import BATCHES, SUMMARIES, Lane
from core.tasks import uninterrupted
from database import Database
from domain.analysis import (
    BatchFault,
    BeforeSend,
    CallFailed,
    Denied,
    Departed,
    ProviderFault,
    RateLimited,
    Reply,
)
from domain.deciding import Decided, Decider
from domain.naming import Nameless, Namer, NamesGiven
from domain.summaries import ChatAnalyzer, DraftListener, Material, Summarised
from llm.budget import Budget, OverBudget
from llm.canary import Canary
from llm.circuit_breaker import CircuitBreaker, CircuitState
from llm.gateway import POLL_SECONDS, Gateway, OnSent
from llm.hold import Hold
from llm.languages import Languages, with_languages
from llm.measured import Send, measured
from llm.pacer import Pacer
from llm.provider_state import Knowledge, OwnKnowledge
from llm.stops import RATE_LIMITED, Stop, circuit_stop

LONG_PAUSE = 1.0
"""A pause longer than this many seconds is not waited out: the conversations go back to `queued`."""

Result = TypeVar("Result")


class Blocked(CallFailed):
    """The call was not sent: the circuit opened, or a pause began, while it waited for its slot."""

    def __init__(self, reason: str) -> None:
        super().__init__("blocked", reason)


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
        knowledge: Knowledge | None = None,
    ) -> None:
        """`backoff` returns the seconds to wait after so many faults in a row. Without `languages` none is known.

        What is learned of the provider goes to `knowledge`; without it, it stays in this process.
        """
        self.analyzer = analyzer
        self.pacer = pacer
        self.breaker = breaker
        self.hold = hold
        self.budget = budget
        self.faults = 0
        self._metrics = metrics
        self._backoff = backoff
        self.languages = languages
        self.knowledge = knowledge or OwnKnowledge()
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
        return self.pacer.pause.reason if self.pacer.pause.left() > LONG_PAUSE else None

    @property
    def stops(self) -> Sequence[Stop]:
        """Why this provider gets no calls: its circuit, or a pause that it asked for."""
        if not self.breaker.may_call():
            return [] if self.breaker.is_in_doubt else [circuit_stop(self.breaker.reason, self.analyzer.name)]
        if self.pacer.pause.left() > LONG_PAUSE:
            return [Stop(RATE_LIMITED, self.pacer.pause.reason, self.analyzer.name)]
        return []

    async def until_free(self) -> None:
        """Wait until hold, pause and cooldown have ended, and send the probe that follows a cooldown."""
        while self.blocked is not None:
            if not await self._probed_after_cooldown():
                longest = max(self.breaker.opens_for(), self.pacer.pause.left())
                await asyncio.sleep(min(longest or POLL_SECONDS, POLL_SECONDS))

    async def _probed_after_cooldown(self) -> bool:
        if self.hold.reason is not None or self.pacer.pause.left() or not self.breaker.is_probe_due:
            return False
        probe = await self.knowledge.learn(lambda: self.breaker.probe if self.breaker.may_probe() else None)
        if probe is not None:
            await self._probe(probe)
        return probe is not None

    async def call(self, texts: Sequence[str], on_sent: OnSent, lane: Lane = BATCHES) -> Reply:
        """Analyse `texts` in the next free slot of the lane. Raises CallFailed."""
        send = partial(self.analyzer.analyse, texts)
        if self.languages is None:
            return await self._call(send, on_sent, lane)
        # Meanwhile, so that nobody waits for it.
        languages = asyncio.ensure_future(self.languages(texts))
        try:
            return with_languages(await self._call(send, on_sent, lane), await languages)
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

        async def before_send() -> Departed:
            nonlocal epoch
            departed, epoch = await self.turn(lane)
            on_sent()
            return departed

        try:
            reply = await measured(self._metrics, send, before_send)
        except CallFailed as fault:
            await self._handle_fault(fault, epoch)
            raise
        await self._succeeded(epoch)
        return reply

    async def turn(self, lane: Lane = BATCHES) -> tuple[Departed, int]:
        """Wait for a slot; return whom to tell that the call has left, and the circuit's epoch. Raises Blocked."""
        departed = await self._wait_for_slot(lane)
        if (reason := self._blocks_reserved) is not None:
            departed()
            raise Blocked(reason)
        return departed, self.breaker.epoch

    async def _wait_for_slot(self, lane: Lane = BATCHES) -> Departed:
        try:
            async with asyncio.timeout(lane.patience):
                departed = await self.pacer.slot(LONG_PAUSE, lane)
        except TimeoutError:
            raise Blocked("other calls went first all the time") from None
        if departed is None:
            raise Blocked(self.pacer.withheld)
        return departed

    async def _succeeded(self, epoch: int) -> None:
        self.faults = 0
        if self.breaker.circuit.faults:
            await self.knowledge.learn(partial(self.breaker.success, epoch))

    async def _handle_fault(self, fault: CallFailed, epoch: int) -> None:
        """Apply what a fault means for all calls. Raises BatchFault if a probe shows that the batch is at fault."""
        match fault:
            case RateLimited():
                await self._pause_after_429(fault)
            case Denied(status=400 | 422) if (probe := await self._doubt(epoch, str(fault))) is not None:
                # The words that mean a wrong key or model may be from a conversation that the server repeats.
                if await self._probe(probe):
                    raise BatchFault(
                        "rejected", fault.detail, status=fault.status, request_id=fault.request_id
                    )
            case Denied():
                await self.knowledge.learn(partial(self.breaker.deny, epoch, str(fault)))
            case ProviderFault():
                self.faults += 1
                await self.knowledge.learn(partial(self.breaker.fault, epoch, str(fault)))

    async def _doubt(self, epoch: int, reason: str) -> int | None:
        """The number of the probe that has to be sent now, or None."""
        return await self.knowledge.learn(
            lambda: self.breaker.probe if self.breaker.doubt(epoch, reason) else None
        )

    async def _pause_after_429(self, fault: RateLimited) -> None:
        """Pause all calls for the server's Retry-After, or for a backoff if it sent none."""
        self.faults += 1
        seconds = self._backoff(self.faults) if fault.retry_after is None else fault.retry_after
        await self.knowledge.learn(partial(self._pause, seconds, fault.detail))

    def _pause(self, seconds: float, detail: str) -> None:
        pause = self.pacer.pause
        with self.hold.changing():
            pause.extend(seconds)
            until = self.budget.clock() // SECOND + round(pause.left())
            pause.reason = f"rate limited by the provider, until {iso(until * SECOND)}: {detail}"

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

        async def wait_to_send() -> Departed:
            nonlocal epoch
            departed, epoch = await self.turn()
            self._canary_sent = True
            return departed

        match fault := await self._canary.send(wait_to_send):
            case None:
                await self._succeeded(epoch)
            case RateLimited():
                await self._pause_after_429(fault)
            case OverBudget() | Blocked():
                pass
            case _:
                await self.knowledge.learn(partial(self.breaker.deny, epoch, str(fault)))
        return fault is None

    async def _probe(self, probe: int) -> bool:
        """Send the canary that decides whether the circuit closes."""
        fault: CallFailed | None = ProviderFault("unfinished", "the probe was cancelled")
        try:
            fault = await self._canary.send(self._wait_for_slot)
        finally:
            await uninterrupted(self._end_probe(probe, fault))
        if fault is None:
            self.faults = 0
        return fault is None

    async def _end_probe(self, probe: int, fault: CallFailed | None) -> None:
        if isinstance(fault, RateLimited):
            await self._pause_after_429(fault)
        reason = None if fault is None else str(fault)
        await self.knowledge.learn(partial(self.breaker.probe_result, fault is None, reason, probe))

    async def _send_canary(self, texts: Sequence[str], before_send: BeforeSend) -> Reply:
        return await measured(self._metrics, partial(self.analyzer.analyse, texts), before_send)
