"""What several processes on a PostgreSQL server know of a provider: what one learns, all go by."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import NamedTuple

import pytest
from sqlalchemy.engine import URL

import database
from benchmarks.support.waiting import eventually
from core.crypto import KeyRing
from core.pause import Pause
from database import Database
from llm.circuit_breaker import CircuitBreaker, CircuitState
from llm.provider_state import PROBE_LEASE, SharedKnowledge
from store.queue import outbound
from tests.support.fake_time import FakeTime
from tests.support.log_lines import captured
from tests.support.service import rows

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

THRESHOLD, COOLDOWN = 4, 10.0
PROVIDER = "grok"


class Process(NamedTuple):
    """What a process has of it."""

    breaker: CircuitBreaker
    pause: Pause
    knowledge: SharedKnowledge

    async def fails(self, times: int = 1) -> None:
        """Calls of it fail."""
        for _ in range(times):
            await self.knowledge.learn(partial(self.breaker.fault, self.breaker.epoch, "HTTP 503"))

    async def probes(self) -> int | None:
        """The number of the probe that it may send, if it may."""
        return await self.knowledge.learn(lambda: self.breaker.probe if self.breaker.may_probe() else None)

    async def ends_probe(self, ok: bool, probe: int) -> None:
        """Its probe has come back."""
        await self.knowledge.learn(partial(self.breaker.probe_result, ok, None, probe))


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def a_process(db: Database, time: FakeTime) -> Process:
    breaker = CircuitBreaker(THRESHOLD, COOLDOWN, time, probe_lease=PROBE_LEASE)
    pause = Pause(time)
    return Process(breaker, pause, SharedKnowledge(PROVIDER, db, breaker, pause, nullcontext))


@asynccontextmanager
async def processes(url: URL, time: FakeTime) -> AsyncIterator[tuple[Process, Process]]:
    """Two processes, each with connections of its own."""
    async with database.opened(url) as one, database.opened(url) as other:
        await one.write(partial(outbound.declare_provider, provider=PROVIDER))
        yield a_process(one, time), a_process(other, time)


async def test_faults_of_all_processes_count_together(database_url: URL, time: FakeTime) -> None:
    async with processes(database_url, time) as (one, other):
        await one.fails(THRESHOLD - 1)
        await other.fails()
        await one.knowledge.look()

    for process in (one, other):
        assert (process.breaker.state, process.breaker.reason) == (CircuitState.OPEN, "HTTP 503")
        assert process.breaker.opens_for() == pytest.approx(COOLDOWN)


async def test_a_success_of_one_process_excuses_the_faults_of_another(
    database_url: URL, time: FakeTime
) -> None:
    async with processes(database_url, time) as (one, other):
        await one.fails(THRESHOLD - 1)
        await other.knowledge.look()
        assert other.breaker.circuit.faults == THRESHOLD - 1
        await other.knowledge.learn(partial(other.breaker.success, other.breaker.epoch))
        await one.fails(THRESHOLD - 1)

    assert one.breaker.may_call()


async def test_one_process_probes_and_its_answer_counts_for_all(database_url: URL, time: FakeTime) -> None:
    async with processes(database_url, time) as (one, other):
        await one.fails(THRESHOLD)
        await other.knowledge.look()
        time.now += COOLDOWN
        probes = await asyncio.gather(*(process.probes() for process in (one, other) * 3))
        (probe,) = [each for each in probes if each is not None]
        prober = one if probes.index(probe) % 2 == 0 else other
        await prober.ends_probe(True, probe)
        for process in (one, other):
            await process.knowledge.look()

    assert [process.breaker.state for process in (one, other)] == [CircuitState.CLOSED] * 2
    assert one.breaker.epoch == other.breaker.epoch == 1


async def test_a_probe_whose_process_died_is_lost_and_its_late_answer_ignored(
    database_url: URL, time: FakeTime
) -> None:
    async with processes(database_url, time) as (one, other):
        await one.fails(THRESHOLD)
        time.now += COOLDOWN
        lost = await one.probes()
        assert await other.probes() is None
        time.now += PROBE_LEASE
        found = await other.probes()
        assert lost is not None
        assert found is not None
        await one.ends_probe(True, lost)
        states = [one.breaker.state]
        await other.ends_probe(False, found)
        await one.knowledge.look()
        states.append(one.breaker.state)

    assert states == [CircuitState.HALF_OPEN, CircuitState.OPEN]


async def test_a_probe_that_takes_long_is_not_lost_while_its_process_lives(
    database_url: URL, time: FakeTime
) -> None:
    async with processes(database_url, time) as (one, other):
        await one.fails(THRESHOLD)
        time.now += COOLDOWN
        assert await one.probes() is not None
        time.now += PROBE_LEASE - 1
        running = asyncio.create_task(one.knowledge.run())
        await eventually(partial(is_extended, other, time))
        running.cancel()
        await asyncio.wait([running])
        time.now += 1

        assert await other.probes() is None


async def is_extended(process: Process, time: FakeTime) -> bool:
    """Whether the probe in flight will not be lost in the next second, as a process sees it."""
    await process.knowledge.look()
    return process.breaker.circuit.probe_at > time.now + 1


async def test_a_pause_of_one_process_is_a_pause_of_all_and_the_longest_counts(
    database_url: URL, time: FakeTime
) -> None:
    def pauses(process: Process, seconds: float, reason: str) -> None:
        process.pause.extend(seconds)
        process.pause.reason = reason

    async with processes(database_url, time) as (one, other):
        await one.knowledge.learn(partial(pauses, one, 60, "until noon"))
        await other.knowledge.learn(partial(pauses, other, 5, "until noon at least"))
        await one.knowledge.look()

    for process in (one, other):
        assert process.pause.left() == pytest.approx(60)
        assert process.pause.reason == "until noon at least"


async def test_what_is_read_before_a_change_does_not_undo_it(database_url: URL, time: FakeTime) -> None:
    async with processes(database_url, time) as (one, _):
        await asyncio.gather(one.fails(THRESHOLD), *(one.knowledge.look() for _ in range(20)))

    assert one.breaker.state is CircuitState.OPEN


async def test_while_the_database_is_away_a_process_goes_by_what_it_knows(
    database_url: URL, time: FakeTime
) -> None:
    async with processes(database_url, time) as (one, other):
        await rows(database_url, "ALTER TABLE provider_states RENAME TO away")
        with captured("WARNING") as lines:
            await one.fails(THRESHOLD)
            await one.knowledge.look()
        assert one.breaker.state is CircuitState.OPEN
        await rows(database_url, "ALTER TABLE away RENAME TO provider_states")
        await one.knowledge.look()
        await other.knowledge.look()

    assert one.breaker.circuit == other.breaker.circuit
    assert {line["event"] for line in lines.events()} == {"provider_state_not_shared"}


async def test_what_a_provider_said_is_sealed_in_an_encrypted_database(
    database_url: URL, time: FakeTime
) -> None:
    ring = KeyRing([bytes(32)])
    async with database.opened(database_url, ring=ring) as db:
        await db.write(partial(outbound.declare_provider, provider=PROVIDER))
        one, other = a_process(db, time), a_process(db, time)
        await one.fails(THRESHOLD)
        await other.knowledge.look()
        ((stored,),) = await rows(database_url, "SELECT reason FROM provider_states")

    assert other.breaker.reason == "HTTP 503"
    assert "503" not in stored
