"""How calls leave to a provider: with whose cap and whose circuit. Processes on one PostgreSQL server share them."""

from contextlib import AsyncExitStack
from functools import partial
from typing import NamedTuple

from core.clock import SECOND, Clock
from core.pause import Pause
from core.settings import Settings
from database import Database
from llm.circuit_breaker import CircuitBreaker
from llm.hold import Hold
from llm.pacer import Pacer, SharedPacer
from llm.provider_state import PROBE_LEASE, Knowledge, OwnKnowledge, SharedKnowledge
from rate_limiter import LocalPacer
from store.engine.open_transactions import OpenTransactions
from store.queue.outbound import declare_provider


class WayOut(NamedTuple):
    """What every call to a provider goes through."""

    pacer: Pacer
    breaker: CircuitBreaker
    knowledge: Knowledge


async def way_out(
    provider: str, settings: Settings, database: Database, hold: Hold, clock: Clock, stack: AsyncExitStack
) -> WayOut:
    """The way out to a provider; `stack` closes it. `clock` gives the UTC microseconds that all processes go by.

    Raises SQLAlchemyError, OSError.
    """
    if database.turns is None:
        return _own(settings, hold)
    await database.write(partial(declare_provider, provider=provider))
    made = _shared(provider, settings, database, database.turns, hold, clock)
    stack.push_async_callback(made.pacer.close)
    await made.knowledge.look()
    return WayOut(made.pacer, made.breaker, made.knowledge)


class _Shared(NamedTuple):
    pacer: SharedPacer
    breaker: CircuitBreaker
    knowledge: SharedKnowledge


def _own(settings: Settings, hold: Hold) -> WayOut:
    breaker = CircuitBreaker(settings.error_threshold, settings.cooldown_seconds, changing=hold.changing)
    return WayOut(LocalPacer(settings.outbound_rps), breaker, OwnKnowledge())


def _shared(
    provider: str, settings: Settings, database: Database, turns: OpenTransactions, hold: Hold, clock: Clock
) -> _Shared:
    def seconds() -> float:
        return clock() / SECOND

    breaker = CircuitBreaker(
        settings.error_threshold, settings.cooldown_seconds, seconds, hold.changing, PROBE_LEASE
    )
    pause = Pause(seconds)
    knowledge = SharedKnowledge(provider, database, breaker, pause, hold.changing)
    pacer = SharedPacer(provider, settings.outbound_rps, turns, pause, knowledge.refresh)
    return _Shared(pacer, breaker, knowledge)
