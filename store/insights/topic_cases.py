"""Counts summaries by the topics of their conversations' insights: by outcome, by open questions, by day and month.

A count changes with either side. Whoever files a summary or takes it away calls `count_case`, whoever files insights
under topics `count_moved`, each while the other side still stands as it stood, and with the conversations' rows locked.
The roll-up is locked after `case_counts` and before those of people and insights. Unions have no rows in it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, get_args

from sqlalchemy import Connection, String, select

from domain.buckets import DAY, MONTH, bucket_of
from domain.summaries import Outcome
from models import insights, summaries, topic_case_counts
from store.engine.prepared import Prepared, among
from store.insights import names
from store.insights.rollup_changes import add_changes

OUTCOMES: Sequence[str] = get_args(Outcome)
TOPIC_LEVELS = (MONTH, DAY)
_s = summaries.c
Topics = Mapping[int, AbstractSet[int]]
"""The topics under which the insight of a conversation is filed, by the conversation's intake number."""


class Case(NamedTuple):
    """How a summary is filed."""

    timestamp: int
    outcome: str
    has_open_questions: int


CASES = Prepared(
    select(_s.conversation, *(_s[name] for name in Case._fields)).where(
        among(_s.conversation, "numbers"), among(_s.outcome, "outcomes", of=String)
    )
)
CLUSTERS = Prepared(
    select(insights.c.conversation, insights.c.clusters).where(among(insights.c.conversation, "numbers"))
)


def count_cases_of_topics(connection: Connection, new: Mapping[int, Case], old: Mapping[int, Case]) -> None:
    """Count summaries, by conversation, under the topics of their insights, and `old` ones no longer."""
    if new == old:
        return
    names.hold(connection)
    topics = _topics_of(connection, new.keys() | old.keys())
    _count(connection, [(sign, topics, cases) for sign, cases in ((1, new), (-1, old))])


def count_moved(connection: Connection, new: Topics, old: Topics) -> None:
    """Count the summaries of conversations under other topics, or under none."""
    moved = [number for number in new.keys() | old.keys() if new.get(number) != old.get(number)]
    cases = _cases(connection, moved)
    if cases:
        _count(connection, [(1, new, cases), (-1, old, cases)])


def _cases(connection: Connection, numbers: Sequence[int]) -> dict[int, Case]:
    given = {"numbers": numbers, "outcomes": OUTCOMES}
    return {number: Case(*row) for number, *row in (CASES.rows(connection, given) if numbers else ())}


def _topics_of(connection: Connection, numbers: Iterable[int]) -> Topics:
    rows = CLUSTERS.rows(connection, {"numbers": [*numbers]})
    slugs = {number: json.loads(stored) for number, stored in rows}
    known = names.topic_numbers(connection, {slug for each in slugs.values() for slug in each})
    return {number: {known[slug] for slug in each} for number, each in slugs.items()}


def _count(connection: Connection, parts: Iterable[tuple[int, Topics, Mapping[int, Case]]]) -> None:
    changes: Counter[tuple[Any, ...]] = Counter()
    for sign, topics, cases in parts:
        for number, case in cases.items():
            for topic in topics.get(number, ()) if case.outcome in OUTCOMES else ():
                for level in TOPIC_LEVELS:
                    bucket = bucket_of(level, case.timestamp)
                    changes[topic, level, bucket, case.outcome, case.has_open_questions] += sign
    add_changes(connection, topic_case_counts, [(*key, n) for key, n in changes.items() if n])
