"""The gate by itself: calls that come back when and how the test says, and what that means for all the others."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from sqlalchemy import select

from core.metrics import Metrics
from core.settings import Settings
from database import Database
from domain.analysis import BatchFault, CallFailed, Denied, ProviderFault, RateLimited, Reply
from llm.budget import Budget
from llm.canary import CANARY
from llm.circuit_breaker import CircuitBreaker, CircuitState
from llm.hold import Hold
from llm.paid_gateway import Blocked, PaidGateway
from llm.provider import backoff
from models import grok_calls
from rate_limiter import LocalPacer
from tests.support.fake_time import FakeTime
from tests.support.insight_data import NOON
from tests.support.scripted import WELL, Scripted

COOLDOWN, THRESHOLD = 10.0, 2
DOWN = ProviderFault("server_error", "HTTP 503", status=503)
WRONG_KEY = Denied("credentials", "HTTP 400 Bad Request: Incorrect API key", status=400)


class Bench:
    """A gate with everything that it needs, on a clock that the test moves."""

    def __init__(self, db: Database) -> None:
        self.time = FakeTime()
        self.grok = Scripted()
        self.pacer = LocalPacer(1_000, self.time, self.time.sleep)
        self.breaker = CircuitBreaker(THRESHOLD, COOLDOWN, self.time)
        self.metrics = Metrics()
        self.db = db
        self.gateway = self.built()

    def built(self) -> PaidGateway:
        settings = Settings(_env_file=None, cooldown_seconds=COOLDOWN)  # type: ignore[call-arg]
        longest = backoff(settings, uniform=lambda _, most: most)
        hold, budget = Hold(lambda: NOON), Budget(self.grok, lambda: NOON)
        return PaidGateway(self.grok, self.pacer, self.breaker, hold, budget, self.db, self.metrics, longest)

    def pace_by_hand(self) -> tuple[asyncio.Event, asyncio.Event]:
        """From now on every call but the first waits for its slot: says so, and waits for a word to go on."""
        waits, go_on = asyncio.Event(), asyncio.Event()

        async def sleep(seconds: float) -> None:
            waits.set()
            await go_on.wait()
            self.time.now += seconds

        self.pacer = LocalPacer(1, self.time, sleep)
        self.gateway = self.built()
        return waits, go_on

    def call(self, text: str = "My parcel is late") -> "asyncio.Task[Reply]":
        return asyncio.create_task(self.gateway.call([text], lambda: None))

    async def fails(self, with_: CallFailed, number: int) -> None:
        """Let a call leave, as number so and so, and fail."""
        call = self.call()
        (await self.grok.left(number)).set_exception(with_)
        with pytest.raises(type(with_)):
            await call

    def counted(self) -> dict[str, float]:
        """The calls of `grok_calls_total`, by outcome."""
        (family,) = self.metrics.calls.collect()
        return {
            sample.labels["outcome"]: sample.value
            for sample in family.samples
            if sample.name == "grok_calls_total" and sample.value
        }

    async def outcomes(self) -> Sequence[str | None]:
        """How the calls that were booked ended, in order; the calls of a bench are canaries alone."""
        query = select(grok_calls.c.outcome).order_by(grok_calls.c.number)
        return await self.db.read(lambda connection: connection.scalars(query).all())


@pytest.fixture
def bench(db: Database) -> Bench:
    return Bench(db)


# --- 429 ----------------------------------------------------------------------------------------------------


async def test_a_429_that_names_no_time_pauses_longer_each_time_but_never_longer_than_a_cooldown(
    bench: Bench,
) -> None:
    pauses = []
    for number in range(12):
        await bench.fails(RateLimited("slow down", retry_after=None), number)
        pauses.append(bench.pacer.pause.left())
        bench.time.now += 100

    assert pauses[:3] == [pytest.approx(1), pytest.approx(2), pytest.approx(4)]
    assert all(longer >= shorter for shorter, longer in pairwise(pauses))
    assert max(pauses) == pytest.approx(COOLDOWN)


async def test_a_pause_is_shown_with_its_end_and_what_the_server_said(bench: Bench) -> None:
    await bench.fails(RateLimited("Retry-After 7200, HTTP 429", retry_after=3_600), 0)

    assert bench.gateway.blocked == (
        "rate limited by the provider, until 2025-03-31T13:00:00.000000Z: Retry-After 7200, HTTP 429"
    )
    bench.time.now += 3_600
    assert bench.gateway.blocked is None
    assert bench.breaker.state is CircuitState.CLOSED


async def test_who_waits_for_a_slot_when_a_long_pause_begins_goes_back(bench: Bench) -> None:
    """Else it would be held for up to an hour."""
    waits, go_on = bench.pace_by_hand()
    first, second = bench.call(), bench.call()
    await waits.wait()
    (await bench.grok.left(0)).set_exception(RateLimited("Retry-After 60", retry_after=60))
    with pytest.raises(RateLimited):
        await first

    go_on.set()

    with pytest.raises(Blocked, match="rate limited by the provider"):
        await second
    assert len(bench.grok.calls) == 1


# --- the brake ----------------------------------------------------------------------------------------------


async def test_a_call_whose_cost_is_reserved_leaves_though_the_budget_takes_no_other(bench: Bench) -> None:
    bench.gateway.hold.budget_spent(NOON + 1, settlements=0)
    call = bench.call()
    (await bench.grok.left(0)).set_result(WELL)

    assert await call == WELL
    assert "budget" in str(bench.gateway.blocked)


async def test_what_was_settled_while_the_budget_was_asked_is_not_overheard(bench: Bench) -> None:
    """It may have made the room that was missing; nothing else might be settled before the day is over."""
    hold = bench.gateway.hold
    before = hold.settlements
    hold.reservation_settled()

    hold.budget_spent(NOON + 1, settlements=before)
    assert hold.reason is None
    hold.budget_spent(NOON + 1, settlements=hold.settlements)
    assert "budget" in str(hold.reason)
    hold.reservation_settled()
    assert hold.reason is None


async def test_not_even_a_call_whose_cost_is_reserved_leaves_when_an_operator_paused(bench: Bench) -> None:
    bench.gateway.hold.paused = True

    with pytest.raises(Blocked, match="operator"):
        await bench.call()


# --- late news ----------------------------------------------------------------------------------------------


async def test_calls_that_left_before_an_outage_ended_do_not_open_the_circuit_again(bench: Bench) -> None:
    late = [bench.call() for _ in range(THRESHOLD)]
    waiters = [await bench.grok.left(number) for number in range(THRESHOLD)]
    for number in range(THRESHOLD):
        await bench.fails(DOWN, THRESHOLD + number)
    assert bench.gateway.blocked == "server_error: HTTP 503"
    bench.time.now += COOLDOWN
    waiting = asyncio.create_task(bench.gateway.until_free())
    (await bench.grok.left(2 * THRESHOLD)).set_result(WELL)
    await waiting

    for ending in waiters:
        ending.set_exception(ProviderFault("timeout", "no whole answer within 60 s"))
    await asyncio.gather(*late, return_exceptions=True)

    assert bench.breaker.state is CircuitState.CLOSED
    assert bench.grok.calls[2 * THRESHOLD][0] == [CANARY]


async def test_a_call_that_left_after_an_outage_counts_though_it_was_waiting_before(bench: Bench) -> None:
    waits, go_on = bench.pace_by_hand()
    _, waiting = bench.call(), bench.call()
    await waits.wait()
    bench.breaker.deny(bench.breaker.epoch, "no credit")
    bench.time.now += COOLDOWN
    assert bench.breaker.may_probe()
    bench.breaker.probe_result(True)

    go_on.set()
    (await bench.grok.left(1)).set_exception(Denied("credits", "HTTP 402", status=402))

    with pytest.raises(Denied):
        await waiting
    assert bench.gateway.blocked == "credits: HTTP 402"


# --- the canary ---------------------------------------------------------------------------------------------


async def test_a_canary_that_comes_back_ends_the_growing_of_the_backoff(bench: Bench) -> None:
    await bench.fails(DOWN, 0)
    assert bench.gateway.faults == 1

    canary_passed = asyncio.create_task(bench.gateway.canary_passes())
    (await bench.grok.left(1)).set_result(WELL)

    assert await canary_passed
    assert bench.gateway.faults == 0
    await bench.fails(DOWN, 2)
    assert bench.gateway.blocked is None


async def test_a_canary_that_fails_opens_the_circuit_and_vouches_for_nobody(bench: Bench) -> None:
    canary_passed = asyncio.create_task(bench.gateway.canary_passes())
    (await bench.grok.left(0)).set_exception(DOWN)

    assert not await canary_passed
    assert bench.gateway.blocked == "server_error: HTTP 503"
    assert not await bench.gateway.canary_passes()
    assert len(bench.grok.calls) == 1


async def test_a_canary_stays_when_the_circuit_opens_while_it_waits_for_its_slot(bench: Bench) -> None:
    """It would be one more call into an outage."""
    waits, go_on = bench.pace_by_hand()
    await bench.fails(DOWN, 0)
    canary_passed = asyncio.create_task(bench.gateway.canary_passes())
    await waits.wait()

    bench.breaker.deny(bench.breaker.epoch, "no credit")
    go_on.set()

    assert not await canary_passed
    assert len(bench.grok.calls) == 1
    assert await bench.outcomes() == ["blocked"]
    assert bench.breaker.reason == "no credit"


async def test_a_canary_that_is_under_way_when_the_service_stops_is_given_up_and_booked(bench: Bench) -> None:
    canary_passed = asyncio.create_task(bench.gateway.canary_passes())
    await bench.grok.left(0)

    await bench.gateway.close()

    assert await bench.outcomes() == ["given_back"]
    with pytest.raises(asyncio.CancelledError):
        await canary_passed


# --- how calls are counted ----------------------------------------------------------------------------------


async def test_a_call_that_is_given_up_before_its_answer_counts_as_given_back(bench: Bench) -> None:
    call = bench.call()
    await bench.grok.left(0)

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert bench.counted() == {"given_back": 1}


async def test_a_connection_that_was_never_made_counts_as_unreachable_and_who_was_held_not_at_all(
    bench: Bench,
) -> None:
    bench.grok.gone = ProviderFault("unreachable", "ConnectError")
    with pytest.raises(ProviderFault):
        await bench.call()
    bench.grok.gone = None
    bench.gateway.hold.paused = True
    with pytest.raises(Blocked):
        await bench.call()

    assert bench.counted() == {"unreachable": 1}


# --- words about keys ---------------------------------------------------------------------------------------


async def test_while_a_canary_finds_out_whose_400_it_was_no_call_leaves(bench: Bench) -> None:
    first, in_flight = bench.call(), bench.call()
    waiters = [await bench.grok.left(number) for number in range(2)]
    waiters[0].set_exception(WRONG_KEY)
    canary = await bench.grok.left(2)

    with pytest.raises(Blocked):
        await bench.call()
    waiters[1].set_exception(WRONG_KEY)
    with pytest.raises(Denied):
        await in_flight
    canary.set_exception(WRONG_KEY)
    with pytest.raises(Denied):
        await first

    assert [texts == [CANARY] for texts, _ in bench.grok.calls] == [False, False, True]
    assert bench.breaker.state is CircuitState.OPEN
    assert "API key" in str(bench.gateway.blocked)


SPENT_BUDGET = Denied("credits", "HTTP 422 Unprocessable Entity: budget_exceeded", status=422)


@pytest.mark.parametrize("refused", [WRONG_KEY, SPENT_BUDGET])
async def test_a_400_about_keys_or_a_422_about_budgets_is_the_batchs_own_where_the_canary_comes_back(
    bench: Bench, refused: Denied
) -> None:
    call = bench.call()
    (await bench.grok.left(0)).set_exception(refused)
    (await bench.grok.left(1)).set_result(WELL)

    with pytest.raises(BatchFault):
        await call
    assert bench.gateway.blocked is None
