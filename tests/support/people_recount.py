"""Who wrote in analysed conversations, recounted from the messages themselves."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, select

from domain.analysis import UNSURE
from domain.buckets import DAY, HOUR, MONTH, bucket_of
from models import (
    AGENT,
    CUSTOMER,
    case_counts,
    conversations,
    insight_people,
    insights,
    messages,
    people,
    people_counts,
    summaries,
)
from store.engine.vault import vault_of
from store.insights.people_filing import LEVELS
from tests.support.recount import assert_topic_cases_counted


class Fact(NamedTuple):
    """A person in the conversation of an insight."""

    person: str
    role: int
    conversation: int
    timestamp: int
    sentiment: int
    score: int
    open: int


def facts(connection: Connection) -> set[Fact]:
    """By the messages: whoever wrote at least one in a role."""
    vault = vault_of(connection)
    rows = vault.all_opened(messages, connection.execute(select(messages)).all())
    found = {row.conversation: row for row in connection.execute(select(insights))}
    outcomes = {row.conversation: row.outcome for row in connection.execute(select(summaries))}
    return {
        Fact(
            row.author,
            AGENT if row.role == "support_agent" else CUSTOMER,
            row.conversation,
            found[row.conversation].timestamp,
            found[row.conversation].sentiment,
            found[row.conversation].score,
            int(outcomes.get(row.conversation) == "maybe"),
        )
        for row in rows
        if row.author is not None and row.conversation in found
    }


def filed(connection: Connection) -> set[Fact]:
    """As they are filed; in an encrypted database a person is an HMAC."""
    f = insight_people.c
    names = ("role", "conversation", "timestamp", "sentiment", "score", "open")
    rows = select(people.c.author, *(f[name] for name in names)).join_from(
        insight_people, people, people.c.number == f.person
    )
    return {Fact(*row) for row in connection.execute(rows)}


def assert_people_counted(connection: Connection) -> None:
    """The roll-up is that of the rows, and nobody is kept who is in none."""
    f = insight_people.c
    sums: defaultdict[tuple[int, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    rows = connection.execute(select(insight_people)).all()
    for row in rows:
        for level in LEVELS[row.role]:
            here = sums[row.role, level, bucket_of(level, row.timestamp), row.person]
            one = (1, int(row.sentiment < 0), row.score, row.open, int(row.sentiment == UNSURE))
            here[:] = map(sum, zip(here, one, strict=True))
    stored = [tuple(row) for row in connection.execute(select(people_counts))]
    assert sorted(stored) == sorted((*key, *of_key) for key, of_key in sums.items())
    kept = {*connection.scalars(select(people.c.number))}
    assert kept == {row.person for row in rows} == {*connection.scalars(select(f.person))}


def assert_people_filed(connection: Connection) -> None:
    """Everybody is filed who wrote in a conversation that is analysed to its end."""
    vault = vault_of(connection)
    assert filed(connection) == {
        each._replace(person=vault.authors(each.person)[-1]) for each in facts(connection)
    }
    assert_people_counted(connection)


def within(connection: Connection, role: int, start: int, end: int) -> Iterator[Fact]:
    """Of a window and a role."""
    for each in facts(connection):
        if each.role == role and start <= each.timestamp < end:
            yield each


def assert_cases_counted(connection: Connection) -> None:
    """Summaries are counted by what they say, and the cases of people are open if their summaries say so."""
    rows = connection.execute(select(summaries).where(summaries.c.content.is_not(None))).all()
    said_at = {row.number: row.timestamp for row in connection.execute(select(conversations))}
    counted: Counter[tuple[object, ...]] = Counter()
    for row in rows:
        content = json.loads(row.content)
        is_open = int(any(not question["answered"] for question in content["questions"]))
        assert (row.outcome, row.has_open_questions) == (content["outcome"], is_open)
        assert row.timestamp == said_at[row.conversation]
        for level in (MONTH, DAY, HOUR):
            counted[level, bucket_of(level, row.timestamp), content["outcome"], is_open] += 1
    stored = sorted(tuple(row) for row in connection.execute(select(case_counts)))
    assert stored == sorted((*key, n) for key, n in counted.items())
    unwritten = select(summaries.c.outcome).where(summaries.c.content.is_(None))
    assert not any(connection.scalars(unwritten))
    assert_topic_cases_counted(connection)
    open_ = {row.conversation for row in rows if row.outcome == "maybe"}
    for fact in connection.execute(select(insight_people)):
        assert bool(fact.open) == (fact.conversation in open_)
