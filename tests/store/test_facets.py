"""The values of metadata: counted one by one where they are few, and along the index where they are many."""

from collections import Counter

import pytest
from sqlalchemy import Connection, update

from database import Database
from models import conversations
from store.insights import metadata, writing
from store.insights.facets import Facet, FacetSelection, list_facets
from tests.support.insight_data import A_DAY, NOON, an_insight, store_conversation

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
