"""Values of metadata are counted one by one where they are few, along the index where they are many; makers by day."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, update

from database import Database
from models import conversations
from store.insights import metadata, writing
from store.insights.facets import Facet, FacetSelection, list_facets
from tests.support.insight_data import (
    A_DAY,
    NOON,
    an_insight,
    store,
    store_conversation,
    thorough,
    timestamps,
    tried,
)

SHOPS = ("berlin", "Ulm", "berlin", "köln", "Ulm", "berlin", "zürich")
"""Of one conversation a day, the newest first."""


def fill(connection: Connection) -> None:
    metadata.declare(connection, ["shop", "other"])
    for day, shop in enumerate(SHOPS, 1):
        store_conversation(connection, day, NOON - day * A_DAY, "It is late.")
        sent = f'{{"shop": "{shop}", "other": "{day}"}}'
        connection.execute(update(conversations).where(conversations.c.number == day).values(metadata=sent))
    writing.store_insights(
        connection, [an_insight(day, NOON - day * A_DAY) for day in range(1, len(SHOPS) + 1)]
    )


@pytest.mark.parametrize("days", [7, 5, 0])
async def test_values_are_the_same_however_they_are_counted(db: Database, days: int) -> None:
    await db.write(fill)
    expected = Counter(SHOPS[:days])
    ordered = sorted(expected, key=lambda shop: (-expected[shop], shop))
    for few in (0, 3, 4, 1_000):
        for limit in (1, 10):
            chosen = FacetSelection("metadata.shop", NOON - days * A_DAY, NOON)
            found, more = await db.read(lambda c: list_facets(c, chosen, limit=limit, few=few))  # noqa: B023
            assert found == [Facet(shop, expected[shop]) for shop in ordered[:limit]]
            assert more == (len(ordered) > limit)


MAKERS = (("offline", "linear-1"), ("grok", "grok-4.3"), ("grok", "grok-5"))


@settings(thorough, max_examples=40)
@given(
    made=st.lists(st.tuples(st.sampled_from(MAKERS), timestamps()), max_size=25),
    ends=st.tuples(timestamps(), timestamps()),
    field=st.sampled_from(["analyzer", "model"]),
)
async def test_makers_are_counted_in_any_window(
    db: Database, made: list[tuple[tuple[str, str], int]], ends: tuple[int, int], field: str
) -> None:
    start, end = sorted(ends)
    place = ("analyzer", "model").index(field)
    expected = Counter(maker[place] for maker, at in made if start <= at < end)

    def play(connection: Connection) -> None:
        insights = (
            an_insight(number, at, analyzer=maker[0], model=maker[1])
            for number, (maker, at) in enumerate(made, 1)
        )
        store(connection, [*insights])
        found, _ = list_facets(connection, FacetSelection(field, start, end), limit=9)
        assert {each.value: each.n for each in found} == expected

    await tried(db, play)
