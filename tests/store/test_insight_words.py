"""The conversations that are searched for the keyword of a window of insights."""

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from database import Database
from models import ALL_TOPICS
from store.insights import words
from store.insights.windows import Selection
from store.search import index
from tests.support.insight_data import (
    A_DAY,
    NOON,
    an_analysis,
    an_insight,
    store,
    thorough,
    timestamps,
    tried,
)

STORED = st.lists(st.tuples(timestamps(40), st.sampled_from(["late", "late", "lost"])), max_size=12)


@thorough
@given(stored=STORED, window=st.tuples(timestamps(40), st.integers(0, 40 * A_DAY)))
async def test_a_big_window_is_searched_from_its_first_number_to_its_last(
    db: Database, stored: list[tuple[int, str]], window: tuple[int, int]
) -> None:
    """Numbers in no order of time, as an import of old files gives them."""
    insights = [an_insight(number, at, an_analysis()) for number, (at, _) in enumerate(stored, 1)]
    start, end = window[0], window[0] + window[1]
    inside = [number for number, (at, _) in enumerate(stored, 1) if start <= at < end]
    late = [number for number, (_, text) in enumerate(stored, 1) if text == "late"]

    def check(connection: Connection) -> None:
        store(connection, insights)
        index.add(
            connection, [index.entry(number, 1, text, None) for number, (_, text) in enumerate(stored, 1)]
        )
        chosen = Selection(start, end, keyword="late")

        found = words.search_words(connection, chosen, ALL_TOPICS, few=-1)
        assert list(found or ()) == [each for each in late if inside and inside[0] <= each <= inside[-1]]
        of_window = words.search_words(connection, chosen, ALL_TOPICS)
        assert list(of_window or ()) == [each for each in late if each in inside]

    await tried(db, check)


async def test_a_window_without_insights_is_not_searched(db: Database) -> None:
    def check(connection: Connection) -> None:
        chosen = Selection(NOON, NOON + A_DAY, keyword="late")
        assert list(words.search_words(connection, chosen, ALL_TOPICS, few=-1) or ()) == []

    await tried(db, check)
