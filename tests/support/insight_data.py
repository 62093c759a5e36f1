"""Insights to store, and transactions to try them in."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from core.clock import parse
from database import Database
from domain.analysis import Analysis
from domain.buckets import DAY, HOUR, MICROSECONDS
from domain.fields.fieldsets import FieldAnswers
from models import COMPLETED, SKIPPED, conversations, messages
from store.insights import windows, writing
from store.insights.windows import Selection
from store.insights.writing import Insight
from tests.support.field_data import field_answers

Result = TypeVar("Result")

NOON = parse("2025-03-31T12:00:00Z")
AN_HOUR, A_DAY = MICROSECONDS[HOUR], MICROSECONDS[DAY]
SLUGS = ("delay", "refund", "praise", "billing", "über_uns")

# Every example runs in a transaction of its own that is undone; PostgreSQL is slow to start with.
thorough = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def an_analysis(
    score: int = -6_500,
    confidence: int = 90,
    clusters: Sequence[str] = ("delay",),
    reasoning: str = "It is late.",
    language: str | None = "en",
    fields: FieldAnswers | None = None,
) -> Analysis:
    """What an analyzer says."""
    said = score, confidence, tuple(clusters), reasoning
    return Analysis(*said, raw="{}", language=language, fields=fields)


def an_insight(
    number: int, timestamp: int = NOON, analysis: Analysis | None = None, **fields: Any
) -> Insight:
    """An insight of the conversation with that intake number."""
    given: dict[str, Any] = {
        "revision": 1,
        "author": None,
        "analyzer": "grok",
        "model": "grok-4.3",
        "cached": False,
        "partial": False,
        "analysed_at": timestamp + 1,
        "call": None,
        "cache_key": None,
    }
    return Insight(number, timestamp=timestamp, analysis=analysis or an_analysis(), **{**given, **fields})


def store_conversation(
    connection: Connection,
    number: int,
    timestamp: int = NOON,
    text: str = "Where is my order?",
    **fields: Any,
) -> None:
    """An ended conversation, its insight not included."""
    _store(connection, [(number, timestamp, text, fields)])


def store(connection: Connection, given: Sequence[Insight]) -> None:
    """Insights and the conversations they are of."""
    store_conversations(connection, given)
    writing.store_insights(connection, given)


def store_conversations(connection: Connection, given: Sequence[Insight]) -> None:
    """The conversations that these insights will be of."""
    _store(
        connection, [(each.conversation, each.timestamp, "Late.", {"author": each.author}) for each in given]
    )


def store_skipped(connection: Connection, timestamps: Sequence[int], first: int = 1_000_000) -> None:
    """Conversations that the prefilter skipped, numbered from `first`, and their share of the counts."""
    skipped = {"status": SKIPPED}
    _store(connection, [(number, at, "ok", skipped) for number, at in enumerate(timestamps, first)])
    writing.adjust_skipped(connection, timestamps, 1)


def _store(connection: Connection, given: Sequence[tuple[int, int, str, dict[str, Any]]]) -> None:
    if not given:
        return
    rows = [
        {
            "number": number,
            "id": f"conv_{number}",
            "timestamp": at,
            "received_at": at,
            "is_chat": False,
            "status": COMPLETED,
            **fields,
        }
        for number, at, _, fields in given
    ]
    connection.execute(insert(conversations), rows)
    said = [{"conversation": number, "position": 1, "text": text} for number, _, text, _ in given]
    connection.execute(insert(messages), said)


class _Undo(Exception):
    pass


async def tried(db: Database, fn: Callable[[Connection], object]) -> None:
    """Run `fn` in a transaction that leaves nothing behind."""

    def run(connection: Connection) -> None:
        fn(connection)
        raise _Undo

    with suppress(_Undo):
        await db.write(run)


# --- arbitrary ones -----------------------------------------------------------------------------------------


BORDERS = [
    NOON // A_DAY * A_DAY - days * A_DAY + hours * AN_HOUR // 2 + near
    for days in (0, 1, 2, 30, 31, 59)
    for hours in (0, 10, 11)
    for near in (-1, 0, 1)
]


def timestamps(days: int = 70) -> st.SearchStrategy[int]:
    """Moments in the weeks before NOON, many of them the same ones, where an hour, day or month begins."""
    return st.one_of(st.sampled_from(BORDERS), st.integers(NOON - days * A_DAY, NOON))


UNSURE_ANALYSIS = Analysis(0, 0, ("other_language",), "Swedish.", raw="{}", language="sv", is_unsure=True)
scored = st.builds(
    an_analysis,
    score=st.one_of(st.sampled_from([-2_001, -2_000, 0, 2_000, 2_001]), st.integers(-10_000, 10_000)),
    confidence=st.one_of(st.sampled_from([0, 7, 55, 100]), st.integers(0, 100)),
    clusters=st.lists(st.sampled_from(SLUGS), min_size=1, max_size=3, unique=True),
    language=st.sampled_from([None, "en", "de"]),
    fields=field_answers,
)
analyses = st.one_of(
    scored,
    scored,
    st.builds(UNSURE_ANALYSIS._replace, clusters=st.sampled_from([("delay",), ("other_language",)])),
)


def total_of(connection: Connection, chosen: Selection) -> int:
    """How many insights were chosen."""
    topic = windows.topic_number(connection, chosen.cluster)
    return 0 if topic is None else windows.count_insights(connection, topic, chosen)
