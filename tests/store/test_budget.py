"""The money, under a hundred senders at once whose calls end in every way that there is."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Row, select

from database import Database
from domain.analysis import Usage
from llm.budget import Budget, End, Reservation
from llm.prices import TICKS_PER_USD
from models import spending
from store.money.spending import DAY, day_of
from tests.support.insight_data import NOON, thorough
from tests.support.money import KNOWN, UNKNOWN, Priced, Way, served

SENDERS = 100
BUDGET = TICKS_PER_USD // 2
NAMES = count()


@dataclass
class World:
    """One provider, one budget, and a clock that the senders move."""

    db: Database
    midnight_after: int
    """How many calls are made before the next day begins."""
    now: int
    made: int = 0
    billed: Counter[int] = field(default_factory=Counter)
    known: Counter[int] = field(default_factory=Counter)
    unknown: Counter[int] = field(default_factory=Counter)
    abandoned: Counter[int] = field(default_factory=Counter)
    """By day, in ticks: what the provider bills; of it what the service learns of; the most that the calls may
    have cost of which it does not; and of that, what was never settled.
    """
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.budget = Budget(Priced(), lambda: self.now, limit=BUDGET)

    async def send(self, way: Way, carried: int, share: float) -> None:
        """One sender's call. It costs a share of the worst case, if it is billed at all."""
        reservation = await self.db.write(partial(self._open, ["x" * 400] * carried))
        self._pass_time()
        if reservation is None:
            return
        cost = round(reservation.reserved * share) if way.billed else 0
        self.billed[reservation.day] += cost
        assert self.billed[reservation.day] <= BUDGET
        self.known[reservation.day] += cost if way.known else 0
        self.unknown[reservation.day] += 0 if way.known else reservation.reserved
        self.abandoned[reservation.day] += reservation.reserved if way.end is None else 0
        await asyncio.sleep(0)
        if way.end is not None:
            end = way.end(Usage(100, 0, 100, 0, cost_ticks=cost))
            await self.db.write(partial(self._close, reservation, end, way.leaves))

    def _pass_time(self) -> None:
        self.made += 1
        if self.made == self.midnight_after:
            self.now += DAY

    def _open(self, texts: Sequence[str], connection: Connection) -> Reservation | None:
        _, reservation = self.budget.reserve_for(connection, texts, conversations=len(texts))
        self._look(connection)
        return reservation

    def _close(self, reservation: Reservation, end: End, left: bool, connection: Connection) -> None:
        self.budget.record(connection, reservation, end, sent=left)
        self._look(connection)

    def _look(self, connection: Connection) -> None:
        """Every change of a day's row is seen by who made it: no moment goes unseen."""
        for day in self.days(connection):
            assert 0 <= day.spent + day.reserved <= BUDGET
            assert day.spent + day.reserved >= self.unknown[day.day]

    def days(self, connection: Connection) -> Sequence[Row[tuple[int, ...]]]:
        """The rows of the two days."""
        since = day_of(self.now) - 1
        return connection.execute(select(spending).where(spending.c.day >= since)).all()


PLANS = st.lists(
    st.tuples(st.sampled_from([*KNOWN, *UNKNOWN]), st.integers(1, 20), st.floats(0, 1)),
    min_size=SENDERS,
    max_size=SENDERS,
)
"""As many calls as there are senders: how each ends, how many texts it carries, what it costs of the most."""


# A hundred calls made smaller one by one would take minutes to say what the first example says as well.
@settings(thorough, max_examples=3, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(plan=PLANS, midnight_after=st.integers(1, SENDERS + SENDERS // 4))
async def test_whatever_becomes_of_calls_the_budget_holds_and_the_ledger_is_the_bill_where_that_is_known(
    db: Database, plan: Sequence[tuple[Way, int, float]], midnight_after: int
) -> None:
    # Two days that no other example has.
    world = World(db, midnight_after, NOON + 10 * DAY * next(NAMES))

    async with asyncio.TaskGroup() as senders:
        for call in plan:
            senders.create_task(world.send(*call))

    days = await db.read(world.days)
    assert days
    for day in days:
        assert day.spent + day.reserved == world.known[day.day] + world.unknown[day.day] <= BUDGET
        assert day.reserved == world.abandoned[day.day]
        assert world.billed[day.day] <= day.spent + day.reserved


@pytest.mark.parametrize("way", UNKNOWN[:-2])
async def test_a_call_whose_cost_nobody_knows_costs_the_most_on_the_day_it_was_made(
    db: Database, way: Way
) -> None:
    world = World(db, 1, NOON)

    await world.send(way, 3, 0.5)

    (day,) = await db.read(world.days)
    assert (day.day, day.spent, day.reserved) == (day_of(NOON), world.unknown[day.day], 0)
    assert day.spent > 0


async def test_a_call_is_booked_once_though_its_end_be_stored_twice(db: Database) -> None:
    """As after a commit that failed and was one all the same."""
    world = World(db, 1, NOON)
    reservation = await db.write(partial(world._open, ["x"]))
    assert reservation is not None
    end = served(Usage(100, 0, 100, 0, cost_ticks=7))

    for _ in range(2):
        await db.write(partial(world._close, reservation, end, True))

    (day,) = await db.read(world.days)
    assert (day.spent, day.reserved) == (7, 0)
