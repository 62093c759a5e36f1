"""Statements that are put into words once, on both databases."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import BigInteger, Connection, bindparam, event, func, literal_column, select
from sqlalchemy.exc import DBAPIError

from database import Database
from models import topics
from store.engine.prepared import Prepared, among, listed
from tests.support.insight_data import an_analysis, an_insight, store, tried

SLUGS = [f"topic_{number}" for number in range(6)]
FILED = [an_insight(number, analysis=an_analysis(clusters=[slug])) for number, slug in enumerate(SLUGS, 1)]
c = topics.c
NAMED = Prepared(
    select(c.slug)
    .where(among(c.number, "numbers"), c.slug != bindparam("but"), func.length(c.slug) > 2)
    .order_by(c.slug)
)
GIVEN = {"numbers": range(0), "but": "", "more": "than it takes"}


def slugs(connection: Connection, **given: Any) -> list[str]:
    return [slug for (slug,) in NAMED.rows(connection, GIVEN | given)]


@pytest.mark.parametrize("picked", [[], [2], [0, 3, 3, 5], range(6)])
async def test_a_list_of_any_length_is_looked_among(db: Database, picked: Sequence[int]) -> None:
    def check(connection: Connection) -> None:
        store(connection, FILED)
        numbers = {row.slug: row.number for row in connection.execute(select(c.slug, c.number))}
        asked = [numbers[SLUGS[place]] for place in picked]

        assert slugs(connection, numbers=asked) == sorted({SLUGS[place] for place in picked})
        assert slugs(connection, numbers=asked, but="topic_5") == sorted(
            {SLUGS[place] for place in picked} - {"topic_5"}
        )

    await tried(db, check)


async def test_a_lists_numbers_are_rows_to_select_from(db: Database) -> None:
    number = listed("numbers")
    doubled = Prepared(select(number * bindparam("times", type_=BigInteger)).order_by(number))

    def check(connection: Connection) -> None:
        assert [*map(tuple, doubled.rows(connection, {"numbers": [3, 10**15, 1], "times": 2}))] == [
            (2,),
            (6,),
            (2 * 10**15,),
        ]

    await tried(db, check)


async def test_the_words_are_the_same_whatever_is_asked(db: Database) -> None:
    said: list[str] = []

    def check(connection: Connection) -> None:
        event.listen(connection, "before_cursor_execute", lambda *given: said.append(given[2]))
        for asked in ([], [1], [1, 2, 3]):
            slugs(connection, numbers=asked)

    await tried(db, check)

    assert len(said) == 3
    assert len(set(said)) == 1


async def test_what_the_driver_refuses_is_an_error_like_any_others(db: Database) -> None:
    wrong = Prepared(select(literal_column("nowhere")))

    with pytest.raises(DBAPIError):
        await db.read(lambda connection: wrong.rows(connection, {}))


async def test_a_parameter_that_is_missing_is_no_null(db: Database) -> None:
    with pytest.raises(KeyError, match="but"):
        await db.read(lambda connection: NAMED.rows(connection, {"numbers": []}))
