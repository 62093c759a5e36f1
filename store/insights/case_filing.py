"""Files summaries by their outcome and by whether a question is open, and counts them by time.

A summary is filed in the transaction that stores it, and those that were stored by an earlier version by the service.
Whoever calls this holds the row lock of the conversation. Its timestamp never changes.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from core.errors import DoesNotOpen
from domain.buckets import DAY, HOUR, MONTH, bucket_of
from models import NOT_FILED, case_counts, conversations, summaries
from store.engine.vault import at, vault_of
from store.insights import corrections, people_filing
from store.insights.rollup_changes import add_changes
from store.insights.topic_cases import OUTCOMES, Case, count_cases_of_topics

LEVELS = (MONTH, DAY, HOUR)
UNKNOWN = "unknown"
"""The outcome of a summary that does not open. It is in no list and no count."""
_c, _s = conversations.c, summaries.c


def file_summary(connection: Connection, number: int, content: Mapping[str, Any] | None) -> None:
    """File the summary of a conversation, by its intake number; `content` is None if nobody can read it."""
    old = _filed(connection, [number])
    timestamp = connection.scalar(select(_c.timestamp).where(_c.number == number)) or 0
    new = Case(timestamp, *_said(content))
    if new.outcome != UNKNOWN:
        new = new._replace(outcome=corrections.outcome_of(connection, number) or new.outcome)
    connection.execute(update(summaries).where(_s.conversation == number).values(new._asdict()))
    _count(connection, {number: new}, old)
    people_filing.mark_case(connection, number, is_open=new.outcome == people_filing.OPEN)


def _said(content: Mapping[str, Any] | None) -> tuple[str, int]:
    outcome: str = (content or {}).get("outcome", UNKNOWN)
    if content is None or outcome not in OUTCOMES:
        return UNKNOWN, 0
    return outcome, int(any(not question["answered"] for question in content["questions"]))


def remove_summaries(connection: Connection, numbers: Collection[int]) -> None:
    """Take the summaries of these conversations, which are about to be deleted or emptied, out of the counts."""
    old = _filed(connection, numbers)
    if old:
        nothing = dict.fromkeys(Case._fields)
        connection.execute(update(summaries).where(_s.conversation.in_(numbers)).values(nothing))
        _count(connection, {}, old)


def file_older_summaries(connection: Connection, *, limit: int) -> bool:
    """File up to `limit` summaries that an earlier version stored; return whether there were any."""
    waiting = select(_s.conversation).where(NOT_FILED).order_by(_s.conversation).limit(limit)
    numbers = connection.scalars(waiting).all()
    locked = select(_c.number).where(_c.number.in_(numbers)).order_by(_c.number).with_for_update()
    for number in connection.scalars(locked).all() if numbers else ():
        stored = select(_s.content).where(_s.conversation == number, NOT_FILED)
        content = connection.scalar(stored)
        if content is not None:
            file_summary(connection, number, _opened(connection, number, content))
    return bool(numbers)


def _opened(connection: Connection, number: int, stored: str) -> Mapping[str, Any] | None:
    try:
        content: Mapping[str, Any] = json.loads(
            vault_of(connection).open("summaries.content", at(number), stored)
        )
    except (DoesNotOpen, ValueError):
        return None
    return content


def _filed(connection: Connection, numbers: Collection[int]) -> dict[int, Case]:
    columns = (_s[name] for name in ("conversation", *Case._fields))
    found = select(*columns).where(_s.conversation.in_(numbers), _s.outcome.is_not(None))
    return {number: Case(*row) for number, *row in connection.execute(found)}


def _count(connection: Connection, new: Mapping[int, Case], old: Mapping[int, Case]) -> None:
    changes: Counter[tuple[Any, ...]] = Counter()
    for sign, cases in ((1, new), (-1, old)):
        for case in cases.values():
            for level in LEVELS if case.outcome in OUTCOMES else ():
                key = (level, bucket_of(level, case.timestamp), case.outcome, case.has_open_questions)
                changes[key] += sign
    add_changes(connection, case_counts, [(*key, n) for key, n in changes.items() if n])
    count_cases_of_topics(connection, new, old)
