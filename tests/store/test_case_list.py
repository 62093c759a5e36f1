"""Summaries are found along the window, a topic or a person: whichever way, they are the same, and counted alike."""

from dataclasses import replace
from itertools import product
from typing import NamedTuple

from sqlalchemy import Connection, insert

from database import Database
from models import summaries
from store.insights import case_filing, writing
from store.insights.case_list import CaseSelection, count_cases, list_cases, way_of
from store.insights.case_statements import Along
from store.insights.topic_cases import OUTCOMES
from store.insights.windows import find_topic
from tests.support.insight_data import A_DAY, NOON, an_analysis, an_insight, store_conversation


class Said(NamedTuple):
    """A conversation: its topics, who wrote it, and what its summary says, if it has one."""

    topics: tuple[str, ...]
    author: str
    outcome: str | None = None
    is_open: bool = False


SAID = (
    Said(("common", "rare"), "ann", "maybe", is_open=True),
    Said(("common",), "bob", "yes"),
    Said(("common",), "ann"),
    Said(("common", "other"), "bob", "maybe"),
    Said(("common",), "cy", "no", is_open=True),
    Said(("common", "other"), "ann", "maybe"),
    Said(("common",), "ann", "curious", is_open=True),
    Said(("common", "rare"), "ann", "no"),
)
"""One a day, the newest first; the last one lies before the window."""
WINDOW = CaseSelection(NOON - 7 * A_DAY, NOON)


def fill(connection: Connection) -> None:
    for day, said in enumerate(SAID, 1):
        store_conversation(connection, day, NOON - day * A_DAY, "It is late.", author=said.author)
    writing.store_insights(
        connection,
        [
            an_insight(day, NOON - day * A_DAY, an_analysis(clusters=said.topics), author=said.author)
            for day, said in enumerate(SAID, 1)
        ],
    )
    for day, said in enumerate(SAID, 1):
        if said.outcome is not None:
            row = {"conversation": day, "revision": 1, "status": "completed", "made_from": 1, "content": "{}"}
            connection.execute(insert(summaries).values(row))
            content = {"outcome": said.outcome, "questions": [{"answered": not said.is_open}]}
            case_filing.file_summary(connection, day, content)


def check(connection: Connection, chosen: CaseSelection, topic: str | None) -> Along:
    """Compare with what Python finds; gives which way was taken."""
    if topic is not None:
        found = find_topic(connection, topic)
        assert found is not None
        chosen = replace(chosen, topic=found.counted_as)
    fits = [
        (day, each.outcome)
        for day, each in enumerate(SAID[:7], 1)
        if each.outcome is not None and (topic is None or topic in each.topics)
        if chosen.person in (None, each.author) and chosen.has_open_questions in (None, each.is_open)
    ]
    counted = {name: sum(name == outcome for _, outcome in fits) for name in OUTCOMES}
    assert count_cases(connection, chosen) == counted
    expected = [day for day, outcome in fits if chosen.outcome in (None, outcome)]
    first = list_cases(connection, chosen, limit=2)
    rest = list_cases(connection, chosen, limit=9, after=first.next).cases if first.next else ()
    assert [each.conversation.number for each in [*first.cases, *rest]] == expected
    return way_of(connection, chosen).along


async def test_every_filter_finds_and_counts_what_it_should(db: Database) -> None:
    await db.write(fill)
    people, topics = (None, "ann", "nobody"), (None, "common", "other", "rare")
    kinds = [*product((None, "maybe", "no"), (None, True, False))]

    def read(connection: Connection) -> set[tuple[Along, str | None]]:
        return {
            (
                check(
                    connection,
                    replace(WINDOW, person=person, outcome=outcome, has_open_questions=is_open),
                    topic,
                ),
                topic,
            )
            for person in people
            for topic in topics
            for outcome, is_open in kinds
        }

    taken = await db.read(read)
    assert {(Along.TOPIC, "rare"), (Along.WINDOW, "common"), (Along.PERSON, "common")} <= taken
