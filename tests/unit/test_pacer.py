"""The outbound cap, on a clock that the tests move and once on the machine's."""

import asyncio
import math
import time
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rate_limiter import JITTER_MARGIN, LocalPacer
from tests.support.virtual_time import LoopTime, VirtualLoop, run

RATES = st.one_of(st.integers(1, 300).map(float), st.floats(0.2, 60, allow_nan=False))
unhurried = settings(deadline=None, max_examples=60)


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualLoop}


def cap(rate: float) -> tuple[int, float]:
    """So many calls in so many seconds."""
    return (math.floor(rate), 1.0) if rate >= 1 else (1, 1 / rate)


def dice(seed: int) -> Random:
    return Random(seed)  # noqa: S311  it decides how late things are, nothing secret


def within_cap(times: list[float], rate: float) -> bool:
    """No window of a second holds more than `rate` of the times."""
    calls, period = cap(rate)
    return all(later - earlier > period for earlier, later in zip(times, times[calls:], strict=False))


class Callers:
    """Tasks that wait for a slot; when each left, and in which order."""

    def __init__(self, rate: float, late: Random | None = None, most_late: float = 0.0) -> None:
        self.time = LoopTime(lambda: late.uniform(0, most_late) if late else 0.0)
        self.pacer = LocalPacer(rate, self.time, self.time.sleep)
        self.left_at: list[float] = []
        self.left: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    def arrive(self, count: int) -> None:
        first = len(self.tasks)
        self.tasks += [asyncio.ensure_future(self._call(first + number)) for number in range(count)]

    async def _call(self, number: int) -> None:
        await self.pacer.slot()
        self.left_at.append(self.time())
        self.left.append(number)

    async def send_home(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def saturated(rate: float, seconds: float, most_late: float = 0.0, seed: int = 0) -> list[float]:
    """When calls left of so many that there is always one waiting."""
    callers = Callers(rate, dice(seed), most_late)
    callers.arrive(math.ceil(rate * seconds * 1.1) + 1)
    await callers.time.run(seconds)
    await callers.send_home()
    return callers.left_at


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.integers(1, 40)),
        st.tuples(st.just("pass"), st.floats(0, 3)),
        st.tuples(st.just("pause"), st.floats(0, 5)),
        st.tuples(st.just("cancel"), st.integers(0, 1000)),
    ),
    max_size=25,
)


@unhurried
@given(rate=RATES, events=EVENTS, seed=st.integers(0, 99), most_late=st.sampled_from([0.0, 0.003, 0.05, 0.7]))
def test_no_second_holds_more_calls_than_the_cap_whatever_happens(
    rate: float, events: list[tuple[str, float]], seed: int, most_late: float
) -> None:
    async def scenario() -> list[float]:
        callers = Callers(rate, dice(seed), most_late)
        for kind, value in events:
            match kind:
                case "arrive":
                    callers.arrive(int(value))
                case "pass":
                    await callers.time.run(value)
                case "pause":
                    callers.pacer.pause.extend(value)
                case "cancel" if callers.tasks:
                    callers.tasks[int(value) % len(callers.tasks)].cancel()
        await callers.time.run(3)
        await callers.send_home()
        return callers.left_at

    assert within_cap(run(scenario()), rate)


@unhurried
@given(rate=RATES, seed=st.integers(0, 99))
def test_calls_that_travel_up_to_25_ms_longer_than_others_still_arrive_within_the_cap(
    rate: float, seed: int
) -> None:
    travel = dice(seed)
    left = run(saturated(rate, seconds=max(3.0, 3 / rate), most_late=0.002, seed=seed))

    arrived = sorted(moment + travel.uniform(0, JITTER_MARGIN * 0.99) for moment in left)

    assert within_cap(arrived, rate)


@pytest.mark.parametrize("rate", [0.2, 1, 2.5, 5, 10, 50, 100, 400])
async def test_a_saturated_pacer_uses_at_least_0_97_of_the_cap(rate: float) -> None:
    calls, period = cap(rate)
    seconds = max(20.0, 20 * period)

    left = await saturated(rate, seconds, most_late=0.002)

    assert len(left) >= 0.97 * calls / period * seconds


async def test_calls_do_not_leave_in_a_bunch() -> None:
    left = await saturated(10, seconds=5)

    assert min(later - earlier for earlier, later in pairwise(left)) >= 0.07


async def test_below_one_a_second_one_call_leaves_in_each_interval() -> None:
    left = await saturated(0.5, seconds=9)

    assert len(left) == 5
    assert all(2 <= later - earlier < 2.05 for earlier, later in pairwise(left))


async def test_a_late_departure_shortens_no_later_gap_and_costs_no_more_than_its_lateness() -> None:
    lateness = iter([0.0] * 14 + [0.5])
    callers = Callers(10)
    callers.time = LoopTime(lambda: next(lateness, 0.0))
    callers.pacer = LocalPacer(10, callers.time, callers.time.sleep)
    callers.arrive(400)

    await callers.time.run(30)
    await callers.send_home()

    gaps = [later - earlier for earlier, later in pairwise(callers.left_at)]
    assert max(gaps) > 0.5
    assert min(gaps) >= 0.07
    assert len(callers.left_at) >= 0.97 * 10 * (30 - 0.5)


async def test_waiters_leave_in_the_order_in_which_they_came() -> None:
    callers = Callers(20)
    callers.arrive(10)
    await callers.time.run(0.2)
    callers.arrive(10)

    await callers.time.run(2)

    assert callers.left == list(range(20))


async def test_a_cancelled_waiter_blocks_nobody_and_uses_up_nothing() -> None:
    callers = Callers(1)
    callers.arrive(6)
    await callers.time.run(0.5)
    started_at = callers.left_at[0]

    for doomed in (1, 2, 4):  # the one that sleeps and others behind it
        callers.tasks[doomed].cancel()
    await callers.time.run(10)

    assert callers.left == [0, 3, 5]
    period = 1 + JITTER_MARGIN
    assert [moment - started_at for moment in callers.left_at] == pytest.approx([0, period, 2 * period])


async def test_a_pause_holds_back_every_waiter_also_those_that_wait_already() -> None:
    callers = Callers(10)
    callers.arrive(5)
    await callers.time.run(0.1)
    left_before = len(callers.left)
    began = callers.time()

    callers.pacer.pause.extend(30)
    await callers.time.run(29.9)
    left_meanwhile = len(callers.left)
    await callers.time.run(2)

    assert 0 < left_before == left_meanwhile < 5
    assert len(callers.left) == 5
    after = callers.left_at[left_before:]
    assert after[0] == pytest.approx(began + 30)
    assert all(later - earlier >= 0.07 for earlier, later in pairwise(after))


async def test_who_has_not_the_patience_for_a_pause_gives_up_also_who_waits_already() -> None:
    callers = Callers(1)
    callers.arrive(1)
    await callers.time.run(0)
    hasty = [asyncio.ensure_future(callers.pacer.slot(2)) for _ in range(2)]
    await callers.time.run(0.5)

    callers.pacer.pause.extend(5)
    patient = asyncio.ensure_future(callers.pacer.slot(60))
    await callers.time.run(1)

    assert [await task for task in hasty] == [None, None]
    await callers.time.run(10)
    assert await patient


async def test_a_shorter_pause_does_not_shorten_a_longer_one() -> None:
    callers = Callers(10)
    callers.pacer.pause.extend(10)
    callers.pacer.pause.extend(1)
    callers.arrive(1)

    await callers.time.run(9.9)
    assert callers.left == []
    assert callers.pacer.pause.left() == pytest.approx(0.1)

    await callers.time.run(0.2)
    assert callers.left == [0]
    assert callers.pacer.pause.left() == 0


async def test_a_first_call_leaves_at_once() -> None:
    callers = Callers(0.2)
    callers.arrive(1)

    await callers.time.run(0)

    assert callers.left == [0]


def test_the_cap_holds_on_the_machines_clock_though_the_event_loop_stalls() -> None:
    left = asyncio.run(left_on_the_machines_clock(LocalPacer(25), calls=46))

    assert within_cap(left, 25)


async def left_on_the_machines_clock(pacer: LocalPacer, calls: int) -> list[float]:
    """When so many calls left; the loop stalls twice, each time with a whole second of calls to come."""
    left: list[float] = []

    async def call() -> None:
        await pacer.slot()
        left.append(time.monotonic())
        if len(left) in (5, 20):
            time.sleep(0.15)  # noqa: ASYNC251  a stalled event loop is what this is about

    async with asyncio.timeout(20):
        await asyncio.gather(*(call() for _ in range(calls)))
    return left
