"""Who made the insights of a stretch of time, against plain looking."""

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from database import Database
from store.insights.makers import Maker, makers_between
from store.insights.writing import Insight
from tests.support.in_memory import in_memory, steps
from tests.support.insight_data import (
    A_DAY,
    AN_HOUR,
    NOON,
    an_insight,
    store,
    thorough,
    timestamps,
    tried,
)

MIDNIGHT = NOON - 12 * AN_HOUR
MAKERS = [Maker("offline", "vader", ""), Maker("grok", "grok-4.3", "1"), Maker("grok", "grok-4.3", "2")]
filed = st.lists(st.tuples(timestamps(4), st.sampled_from(MAKERS)), max_size=20).map(
    lambda given: [an_insight(number, at, **maker._asdict()) for number, (at, maker) in enumerate(given, 1)]
)
borders = st.one_of(timestamps(4), st.integers(0, 9).map(lambda n: MIDNIGHT - 4 * A_DAY + n * A_DAY // 2))


@thorough
@given(stored=filed, moments=st.lists(borders, max_size=8, unique=True).map(sorted))
async def test_the_makers_of_each_stretch_are_those_of_its_insights(
    db: Database, stored: list[Insight], moments: list[int]
) -> None:
    def check(connection: Connection) -> None:
        store(connection, stored)
        found = makers_between(connection, moments)

        assert len(found) == max(0, len(moments) - 1)
        for start, end, makers in zip(moments, moments[1:], found, strict=False):
            expected = {each.maker for each in stored if start <= each.timestamp < end}
            assert makers == expected or (not expected and len(makers) == 1)

    await tried(db, check)


def test_a_year_of_two_makers_is_told_without_reading_every_insight() -> None:
    """The cost is by the days: an index of the insights would be read row by row, 20 instructions each."""
    days, a_day = 120, 40
    stored = [
        an_insight(
            day * a_day + each + 1, MIDNIGHT - day * A_DAY + each * AN_HOUR // 2, **MAKERS[each % 2]._asdict()
        )
        for day in range(days)
        for each in range(a_day)
    ]
    local_days = [MIDNIGHT - day * A_DAY - 5 * AN_HOUR for day in range(days, -1, -1)]

    with in_memory() as connection:
        store(connection, stored)
        found, taken = steps(connection, lambda: makers_between(connection, local_days))

    assert found[1:-1] == [{*MAKERS[:2]}] * (days - 2)
    assert taken < 100 * days
