"""Conditions: each state that an operator has to know is a line in the log when it begins and one when it ends.

`/health`, `/metrics` and the log are fed from the one list that `look` makes, so they cannot contradict each other.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field

import structlog

from core.clock import SECOND, Clock
from core.metrics import Metrics
from core.supervision import Supervised
from llm.gateway import Gateway
from llm.stops import Stop
from services.capacity import REFUSALS, Capacity
from store.engine.faults import Fault

log = structlog.get_logger()

EVERY_SECONDS = 0.25
NAMES = {Fault.STORAGE_FULL: "storage_full", Fault.UNAVAILABLE: "writes_refused"}
SUMMARY_SECONDS = 60.0
"""A summary line this often while something is wrong: whoever opens the log late need not look for the beginning."""


@dataclass(frozen=True, slots=True)
class _Begun:
    stop: Stop
    at: int


@dataclass
class Conditions:
    """What keeps the service from its work now. `clock` gives UTC microseconds."""

    capacity: Capacity
    gateway: Gateway
    workers: Sequence[Supervised]
    metrics: Metrics
    clock: Clock
    others: Callable[[], Iterable[Stop]] = tuple
    """What other processes say is wrong."""
    _begun: dict[tuple[str, str | None], _Begun] = field(default_factory=dict)
    _summary_at: int | None = None

    async def run(self) -> None:
        """Look four times a second until cancelled, at what the clock ends and begins.

        Everything else is looked at when it changes (`core/changes.py`).
        """
        while True:
            self.tick()
            await asyncio.sleep(EVERY_SECONDS)

    def tick(self) -> None:
        """Look, and sum up once a minute while something is wrong."""
        self.look()
        self._summarise()

    def look(self, *, caused: bool = False) -> list[Stop]:
        """What is wrong now; logs what has begun and ended since the last look.

        `caused` is whether the caller has just brought it about, so that the lines carry the id of its request.
        """
        stops = {(stop.name, stop.provider): stop for stop in self._present()}
        keys = set(self._begun)
        context = copy_context() if caused else Context()
        for key in self._begun.keys() - stops.keys():
            context.run(self._ended, self._begun.pop(key))
        for key, stop in stops.items():
            if key not in self._begun:
                context.run(self._began, stop)
            self._begun[key] = _Begun(stop, self._begun[key].at if key in self._begun else self.clock())
        if keys != self._begun.keys():
            self.metrics.show_conditions(name for name, _ in stops)
        return list(stops.values())

    def reasons(self) -> list[str]:
        """In words, what analysis or intake is stopped by; empty while both go on."""
        return [stop.reason for stop in self.halting()]

    def halting(self) -> list[Stop]:
        """What analysis or intake is stopped by."""
        return [stop for stop in self.look() if self._halts(stop)]

    def _halts(self, stop: Stop) -> bool:
        # While the second provider stands in, analysis goes on without the first.
        return stop.provider is None or self.gateway.blocked is not None

    def _present(self) -> Iterator[Stop]:
        if (fault := self.capacity.database_fault) is not None:
            yield Stop("database_unavailable", fault)
        for worker in self.workers:
            if not worker.running and worker.last_death is not None:
                yield Stop("worker_restarting", f"the worker is being restarted after {worker.last_death}")
        # Asked once: it looks at the disk, which may have room the next moment.
        if (refusal := self.capacity.refusal) is not None:
            yield Stop(NAMES[refusal], REFUSALS[refusal])
        yield from self.gateway.hold.stops
        yield from self.gateway.stops
        yield from self.others()

    def _began(self, stop: Stop) -> None:
        goes_on = {} if self._halts(stop) else {"analysis": "goes on with the other provider"}
        log.warning(stop.name, state="began", reason=stop.reason, **_provider(stop), **goes_on)

    def _ended(self, begun: _Begun) -> None:
        stop, seconds = begun.stop, round((self.clock() - begun.at) / SECOND, 1)
        log.warning(stop.name, state="ended", reason=stop.reason, seconds=seconds, **_provider(stop))

    def _summarise(self) -> None:
        reasons = [each.stop.reason for each in self._begun.values() if self._halts(each.stop)]
        now = self.clock()
        if not reasons:
            self._summary_at = None
            return
        if self._summary_at is not None and now >= self._summary_at:
            log.warning("degraded", reasons=reasons, queue_size=self.capacity.depth)
            self._summary_at = None
        if self._summary_at is None:
            self._summary_at = now + round(SUMMARY_SECONDS * SECOND)


def _provider(stop: Stop) -> dict[str, str]:
    return {} if stop.provider is None else {"provider": stop.provider}
