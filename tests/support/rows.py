"""Conversations on their way through the queue: taken in, claimed, asked about, settled."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from core.clock import SECOND
from domain.analysis import UNSURE, Analysis
from domain.fields.definitions import defined_as
from domain.fields.fieldsets import FieldAnswers
from models import SKIPPED, conversations, field_versions, insights
from store.conversations.intake import Accepted, NewConversation, NewMessage, accept
from store.insights.writing import Insight, parse_clusters
from store.queue import analysis as queue
from store.queue import single_flight
from store.queue.analysis import Completed, Outcome
from tests.support.insight_data import NOON, an_analysis
from tests.support.recount import assert_counted, assert_topic_cases_counted
from worker.claims import Claim, Claimed
from worker.outcomes import Policy, Provenance, Work, completed

NOW = NOON
LEASE = 90 * SECOND
LATE = "My parcel is two weeks late and nobody answers."
POLICY = Policy(
    max_retries=3,
    max_in_flight=8,
    batch_tokens=180_000,
    call_timeout=60,
    flush_after=1,
    backoff=lambda _: 2.0,
    prefilter=True,
    shown=str,
)


def new(id_: str, text: str = LATE, **fields: Any) -> NewConversation:
    """A conversation of one text, as it is handed to the store."""
    given: dict[str, Any] = {
        "messages": [NewMessage(text, None, "customer")],
        "is_chat": False,
        "timestamp": NOW,
        "received_at": NOW,
    }
    return NewConversation(id_, **{**given, **fields})


def take_in(connection: Connection, *group: NewConversation) -> None:
    """Store conversations that are all new."""
    answers = accept(connection, group)
    assert answers == [Accepted(each.id, created=True) for each in group]


def texts(*said: str) -> list[NewConversation]:
    """Conversations `c0`, `c1`, ... with these texts."""
    return [new(f"c{number}", text) for number, text in enumerate(said)]


def distinct(number: int) -> list[NewConversation]:
    """So many conversations, each with a text of its own."""
    return texts(*(f"{LATE} It has number {at}." for at in range(number)))


def claim(
    connection: Connection, token: str = "a", *, now: int = NOW, limit: int = 50, policy: Policy = POLICY
) -> Claimed:
    """Claim what is due, for LEASE."""
    return Claim(now, token, now + LEASE, "grok-4.3/1", policy).take(connection, limit)


def send(connection: Connection, works: Sequence[Work], *, now: int) -> list[Work]:
    """Hold works for a call that leaves now; gives those that are still held."""
    held = {job.number for job in queue.renew(connection, [each.job for each in works], until=now + LEASE)}
    mine = [each for each in works if each.job.number in held]
    single_flight.extend(connection, keys(mine), leases=leases(mine), until=now + LEASE)
    return mine


def settle(
    connection: Connection, works: Sequence[Work], outcomes: Sequence[Outcome], *, now: int = NOW
) -> list[Outcome]:
    """Carry out what came of a call about these works."""
    return queue.settle(connection, outcomes, now=now, asked=keys(works))


def complete(connection: Connection, works: Sequence[Work], *, now: int = NOW) -> list[Outcome]:
    """Every work is answered."""
    return settle(connection, works, [answered(each) for each in works], now=now)


def answered(work: Work, analysis: Analysis | None = None) -> Completed:
    """The work with an answer of Grok's."""
    return completed(work, analysis or an_analysis(), Provenance("grok", "grok-4.3", 7, NOW, "1"))


def keys(works: Iterable[Work]) -> set[bytes]:
    return {each.key for each in works}


def leases(works: Iterable[Work]) -> set[str]:
    return {each.job.lease for each in works if each.job.lease is not None}


def ids(works: Iterable[Work]) -> list[str]:
    return [each.job.id for each in works]


def stored(connection: Connection, id_: str) -> Row[Any]:
    """The row of a conversation."""
    return connection.execute(select(conversations).where(conversations.c.id == id_)).one()


def statuses(connection: Connection) -> dict[str, str]:
    """The status of every conversation, by id."""
    rows = connection.execute(select(conversations).order_by(conversations.c.number))
    return {row.id: row.status for row in rows}


def filed(connection: Connection) -> list[Insight]:
    """The insights as they are stored."""
    known = {row.version: defined_as(row.definition) for row in connection.execute(select(field_versions))}
    return [
        _insight(
            row, None if row.fields is None else known[row.fields_version].answers(json.loads(row.fields))
        )
        for row in connection.execute(select(insights))
    ]


def _insight(row: Row[Any], fields: FieldAnswers | None) -> Insight:
    analysis = Analysis(
        row.score,
        row.confidence,
        parse_clusters(row.clusters),
        row.reasoning,
        row.raw,
        row.language,
        row.sentiment == UNSURE,
        fields,
    )
    columns = ("revision", "timestamp", "author", "analyzer", "model", "cached", "partial")
    more = ("analysed_at", "call", "cache_key", "prompt_version")
    given = {name: getattr(row, name) for name in (*columns, *more)}
    return Insight(conversation=row.conversation, analysis=analysis, **given)


def assert_rolled_up(connection: Connection) -> None:
    """The counts are those of what is stored."""
    c = conversations.c
    skipped = connection.scalars(select(c.timestamp).where(c.status == SKIPPED)).all()
    assert_counted(connection, filed(connection), skipped)
    assert_topic_cases_counted(connection)
