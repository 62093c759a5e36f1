"""Which conversations a re-analysis is about: counted, drawn, or written down block by block."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, select

from database import Database
from domain.reanalysis import sample_mark
from models import conversations, insights, reanalysis_items
from store.reanalysis import choice as choices
from store.reanalysis.choice import ReanalysisChoice
from tests.support.insight_data import an_analysis
from tests.support.rows import NOW, answered, claim, distinct, settle, take_in

ALWAYS = 0, 2**62
NUMBER = 30


@pytest.fixture(scope="module")
def analysed() -> list[int]:
    """The scores of the conversations, in the order of their intake."""
    return [(at % 7 - 3) * 3_000 for at in range(NUMBER)]


async def filled(db: Database, scores: Sequence[int]) -> None:
    def fill(connection: Connection) -> None:
        take_in(connection, *distinct(NUMBER))
        works = claim(connection, limit=NUMBER).work
        outcomes = [
            answered(work, an_analysis(score=score, confidence=50 + at, clusters=("odd", "even")[at % 2 :]))
            for at, (work, score) in enumerate(zip(works, scores, strict=True))
        ]
        settle(connection, works, outcomes)

    await db.write(fill)


def right(connection: Connection, choice: ReanalysisChoice) -> list[int]:
    """The same, found the slow way."""
    found = []
    for row in connection.execute(select(insights).order_by(insights.c.conversation)):
        given = {"analyzer": row.analyzer, "model": row.model, "sentiment": row.sentiment}
        if all(getattr(choice, name) in (None, value) for name, value in given.items()) and (
            choice.max_confidence is None or row.confidence <= choice.max_confidence
        ):
            found.append(row.conversation)
    return found if choice.cluster is None else [each for each in found if each % 2 == 1]


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"sentiment": -1},
        {"max_confidence": 60},
        {"analyzer": "grok", "sentiment": 1},
        {"analyzer": "nobody"},
        {"cluster": "odd"},
    ],
    ids=str,
)
async def test_blocks_and_draws_have_what_the_filters_say(
    db: Database, analysed: list[int], filters: dict[str, Any]
) -> None:
    choice = ReanalysisChoice(*ALWAYS, **filters)
    await filled(db, analysed)

    def choose(connection: Connection) -> tuple[list[int], list[int]]:
        wanted = right(connection, choice)
        after = None
        while True:
            chosen = choices.choose_some(connection, choice, job=1, after=after, now=NOW, block=7)
            if (after := chosen.next) is None:
                break
        rows = select(reanalysis_items.c.conversation).order_by(reanalysis_items.c.conversation)
        return wanted, list(connection.scalars(rows))

    wanted, chosen = await db.write(choose)
    drawn = await db.read(lambda connection: choices.draw_at_random(connection, choice, 5))

    assert chosen == wanted
    assert await db.read(lambda connection: choices.count_chosen(connection, choice)) == len(wanted)
    assert [each.number for each in drawn] == sorted(wanted, key=sample_mark)[:5]


async def test_what_has_no_insight_is_chosen_by_its_status(db: Database, analysed: list[int]) -> None:
    await filled(db, analysed)
    choice = ReanalysisChoice(*ALWAYS, wanted="failed")

    def choose(connection: Connection) -> list[int]:
        c = conversations.c
        connection.execute(conversations.update().where(c.number % 3 == 0).values(status="failed"))
        after = None
        while True:
            chosen = choices.choose_some(connection, choice, job=1, after=after, now=NOW, block=4)
            if (after := chosen.next) is None:
                return list(connection.scalars(select(reanalysis_items.c.conversation)))

    assert sorted(await db.write(choose)) == [n for n in range(1, NUMBER + 1) if n % 3 == 0]


async def test_what_an_earlier_job_has_left_is_taken_over_or_forgotten(
    db: Database, analysed: list[int]
) -> None:
    await filled(db, analysed)
    everything, few = ReanalysisChoice(*ALWAYS), ReanalysisChoice(*ALWAYS, max_confidence=55)

    def choose(connection: Connection) -> tuple[int, int, set[int]]:
        choices.choose_some(connection, everything, job=1, after=None, now=NOW)
        taken = choices.choose_some(connection, few, job=2, after=None, now=NOW).number
        gone = choices.forget_left_over(connection, job=2)
        return taken, gone, {*connection.scalars(select(reanalysis_items.c.job))}

    assert await db.write(choose) == (6, NUMBER - 6, {2})
