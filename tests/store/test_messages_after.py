"""The next messages of a chat for whoever reads on: bounded in number and in characters."""

from functools import partial

import pytest

from database import Database
from store.conversations.chat_lists import messages_after
from tests.support.chat_data import added, said

LENGTHS = [10, 20, 30, 500, 1, 1, 1]
"""Of the messages at positions 1 to 7."""


@pytest.mark.parametrize(
    ("after", "limit", "characters", "found"),
    [
        (0, 100, 10_000, [1, 2, 3, 4, 5, 6, 7]),
        (0, 2, 10_000, [1, 2]),
        (0, 100, 59, [1, 2]),
        (0, 100, 60, [1, 2, 3]),
        (0, 100, 5, [1]),
        (3, 100, 100, [4]),
        (4, 100, 2, [5, 6]),
        (7, 100, 100, []),
    ],
)
async def test_they_are_the_first_that_fit_and_at_least_one(
    db: Database, after: int, limit: int, characters: int, found: list[int]
) -> None:
    await db.write(lambda connection: added(connection, *(said("c", "😀" * each) for each in LENGTHS)))
    page = partial(messages_after, id_="c", position=after, limit=limit, characters=characters)

    rows = (await db.read(page)).messages

    assert [row.position for row in rows] == found
    assert [len(row.text) for row in rows] == [LENGTHS[position - 1] for position in found]
    assert (await db.read(partial(messages_after, id_="x", position=0, limit=9, characters=9))).number is None
