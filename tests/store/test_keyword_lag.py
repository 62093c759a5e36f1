"""A keyword's totals say when they are not exact yet, because the index is behind."""

from sqlalchemy import Connection

from database import Database
from store.insights import listing
from store.insights.listing import InsightWindow
from store.insights.windows import Selection
from tests.support.insight_data import A_DAY, NOON, an_insight, store
from tests.support.search_data import index_all


def found(connection: Connection) -> InsightWindow:
    chosen = Selection(start=NOON - A_DAY, end=NOON + A_DAY, keyword="late")
    return listing.list_with_totals(connection, chosen, limit=10)


async def test_the_totals_are_exact_once_all_words_are_indexed(db: Database) -> None:
    await db.write(lambda connection: store(connection, [an_insight(1), an_insight(2)]))
    behind = await db.read(found)
    await db.write(index_all)
    after = await db.read(found)

    assert (behind.total, behind.is_exact) == (0, False)
    assert (after.total, after.is_exact) == (2, True)
