"""Databases of earlier versions are brought up to date with what is in them, and can go back."""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, func, insert, inspect, select, text
from structlog.testing import capture_logs

from benchmarks.support.process import ROOT
from database import Database
from domain.buckets import DAY, MONTH, bucket_of
from models import (
    ALL_TOPICS,
    LAST_FIELD_VALUE,
    SKIPPED_CONVERSATIONS,
    conversations,
    counts,
    insight_fields,
    participants,
    summaries,
    topic_case_counts,
    topic_names,
    topics,
)
from store.conversations.chat_lists import ChatFilter, list_chats
from store.conversations.records import delete_conversation
from store.engine import migration
from store.insights import case_filing
from store.insights.rollups import LEVELS
from store.insights.writing import Insight, store_insights
from store.search import index
from store.topics import changes
from tests.support.chat_data import added, said
from tests.support.field_data import FIELDS, SAID
from tests.support.insight_data import (
    AN_HOUR,
    NOON,
    SLUGS,
    UNSURE_ANALYSIS,
    an_analysis,
    an_insight,
    store,
    store_conversation,
    store_skipped,
    tried,
)
from tests.support.partitioned import needs_plain_tables
from tests.support.people_data import analyse_all, turn
from tests.support.people_recount import assert_people_filed, facts
from tests.support.recount import assert_counted, assert_topic_cases_counted
from tests.support.rows import new, take_in

FIRST, A_ROW_FOR_EACH_SENTIMENT, BEFORE_TOPICS_HAD_NAMES = "0001", "0006", "0017"
BEFORE_PEOPLE, THREE_SENTIMENTS, BEFORE_CASES_BY_TOPIC = "0020", "0018", "0038"


def go_back(connection: Connection, revision: str = FIRST) -> None:
    needs_plain_tables(connection, "there is no way back from partitions")
    config = Config()
    config.set_main_option("script_location", str(migration.MIGRATIONS))
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


OPENING = """
import asyncio, sys, database
from sqlalchemy.engine import make_url

async def once() -> None:
    async with database.opened(make_url(sys.argv[1])):
        print("alembic" in sys.modules)

asyncio.run(once())
"""


def test_a_database_that_is_up_to_date_is_opened_without_alembic(tmp_path: Path) -> None:
    opening = [sys.executable, "-c", OPENING, f"sqlite:///{tmp_path}/x.db"]
    runs = [subprocess.run(opening, cwd=ROOT, capture_output=True, check=True) for _ in range(2)]

    # A line before it says that the database was created.
    assert [run.stdout.splitlines()[-1] for run in runs] == [b"True", b"False"]


async def test_bringing_an_older_database_up_to_date_is_told(db: Database) -> None:
    def play(connection: Connection) -> None:
        go_back(connection)
        with capture_logs() as told:
            migration.migrate(connection)
            migration.migrate(connection)
        assert [(line["event"], line["found"], line["newest"]) for line in told] == [
            ("migrating", FIRST, migration.NEWEST)
        ]

    await db.write(play)


def store_the_old_way(connection: Connection) -> None:
    """A text and two dialogues, one of them without times and names."""
    rows = [
        {
            "number": number,
            "id": id_,
            "author": author,
            "timestamp": NOON,
            "received_at": NOON,
            "is_chat": is_chat,
        }
        for number, id_, author, is_chat in (
            (1, "text", "x", False),
            (2, "chat", "x", True),
            (3, "bare", None, True),
        )
    ]
    connection.execute(insert(conversations), [{**row, "status": "queued", "run_at": NOON} for row in rows])
    said = [
        (1, 1, "x", None, "It is late"),
        (2, 1, "x", NOON - 5, "It is late"),
        (2, 2, "agent", NOON + 5, "Sorry"),
        (2, 3, "x", None, "Late still"),
        (3, 1, None, None, "Late as well"),
    ]
    names = ("conversation", "position", "author", "timestamp", "text")
    statement = "INSERT INTO messages (conversation, position, author, timestamp, text)"
    values = " VALUES (:conversation, :position, :author, :timestamp, :text)"
    connection.execute(text(statement + values), [dict(zip(names, each, strict=True)) for each in said])


async def test_what_was_taken_in_before_there_were_chats_is_one(db: Database) -> None:
    def play(connection: Connection) -> None:
        go_back(connection)
        store_the_old_way(connection)
        migration.migrate(connection)

        rows = connection.execute(select(conversations).order_by(conversations.c.number)).all()
        assert [(row.id, row.message_count, row.indexed, row.said_from, row.said_until) for row in rows] == [
            ("text", 1, 0, None, None),
            ("chat", 3, 0, NOON - 5, NOON + 5),
            ("bare", 1, 0, NOON, NOON),
        ]
        found = connection.execute(select(participants).order_by(participants.c.position))
        assert [(row.conversation, row.author, row.position) for row in found] == [
            (2, "x", 1),
            (2, "agent", 2),
        ]
        assert [chat.row.id for chat in list_chats(connection, ChatFilter("x"), offset=0, limit=9).chats] == [
            "chat",
            "text",
        ]
        assert len(index.list_unindexed(connection, limit=9)) == 5
        added(connection, said("text"), said("chat"))
        assert delete_conversation(connection, "chat")

    await db.write(play)


async def test_the_way_back_leaves_nothing_of_chats(db: Database) -> None:
    def play(connection: Connection) -> None:
        go_back(connection)

        tables = {*inspect(connection).get_table_names()}
        columns = {column["name"] for column in inspect(connection).get_columns("conversations")}
        assert not {table for table in tables if table.startswith("search")} | tables & {"participants"}
        assert "message_count" not in columns
        migration.migrate(connection)

    await db.write(play)


def by_sentiment(filed: Iterable[Insight], skipped: Iterable[int]) -> dict[tuple[object, ...], list[int]]:
    """What `totals` was: for each topic by its slug, level, bucket and sentiment how many, and their scores."""
    found: defaultdict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0])

    def count(slug: str, levels: Iterable[int], at: int, sentiment: int = 0, score: int = 0) -> None:
        for level in levels:
            sums = found[slug, level, bucket_of(level, at), sentiment]
            sums[:] = sums[0] + 1, sums[1] + score

    for each in filed:
        a = each.analysis
        count("all", LEVELS, each.timestamp, a.sentiment, a.score)
        for slug in a.clusters:
            count(slug, (DAY, MONTH), each.timestamp, a.sentiment, a.score)
    for at in skipped:
        count("skipped", LEVELS, at)
    return found


async def test_sentiments_are_counted_alike_in_rows_of_their_own_and_side_by_side(db: Database) -> None:
    times_ = [NOON - number * 7 * AN_HOUR for number in range(300)]
    filed = [
        an_insight(number, at, an_analysis(number * 61 % 20_001 - 10_000, number % 101, SLUGS[: number % 4]))
        for number, at in enumerate(times_, 1)
    ]
    names = {ALL_TOPICS: "all", SKIPPED_CONVERSATIONS: "skipped"}

    def play(connection: Connection) -> None:
        store(connection, filed)
        store_skipped(connection, times_[::9])
        go_back(connection, A_ROW_FOR_EACH_SENTIMENT)
        stored = connection.execute(select(topics.c.number, topics.c.slug))
        names.update((row.number, row.slug) for row in stored)
        rows = connection.execute(text("SELECT topic, level, bucket, sentiment, n, score_sum FROM totals"))
        found = {(names[topic], *key): [n, score_sum] for topic, *key, n, score_sum in rows}
        assert found == by_sentiment(filed, times_[::9])
        migration.migrate(connection)
        assert_counted(connection, filed, times_[::9])

    await tried(db, play)


async def test_people_of_older_insights_are_filed_and_counted(db: Database) -> None:
    months = 62

    def play(connection: Connection) -> None:
        for at in range(months):
            said_ = [
                turn(f"It is late and nobody answers, {at}", f"customer{at % 7}"),
                turn("Sorry", "agent7", "support_agent"),
                turn("I am one of both", f"customer{at % 3}", "support_agent" if at % 2 else None),
            ]
            moment = NOON - at * 17 * 24 * AN_HOUR
            both: dict[str, Any] = {
                "messages": said_,
                "is_chat": True,
                "timestamp": moment,
                "author": f"customer{at % 7}",
            }
            take_in(connection, new(f"chat{at}", **both))
            alone = [turn(f"Nobody answers, {at} is late", f"customer{at % 7}")]
            one: dict[str, Any] = {"messages": alone, "timestamp": moment + 1, "author": f"customer{at % 7}"}
            take_in(connection, new(f"text{at}", **one))
        analyse_all(connection)
        before = facts(connection)
        go_back(connection, BEFORE_PEOPLE)
        migration.migrate(connection)

        assert len(before) > 2 * months
        assert facts(connection) == before
        assert_people_filed(connection)

    await tried(db, play)


async def test_summaries_of_before_are_counted_by_topic(db: Database) -> None:
    filed, outcomes = (("delay", "refund"), ("delay",), ("refund",)), ("maybe", "yes", "no")

    def play(connection: Connection) -> None:
        for at in range(1, 61):
            moment = NOON - at * 9 * 24 * AN_HOUR
            store_conversation(connection, at, moment, "It is late.")
            analysis = an_analysis(clusters=filed[at % 3])
            store_insights(connection, [an_insight(at, moment, analysis)])
            row = {"conversation": at, "revision": 1, "status": "completed", "made_from": 1, "content": "{}"}
            connection.execute(insert(summaries).values(row))
            said = {"outcome": outcomes[at // 3 % 3], "questions": [{"answered": bool(at % 5)}]}
            case_filing.file_summary(connection, at, None if at % 4 == 3 else said)
        assert_topic_cases_counted(connection)
        go_back(connection, BEFORE_CASES_BY_TOPIC)
        migration.migrate(connection)

        assert_topic_cases_counted(connection)
        assert (connection.scalar(select(func.count()).select_from(topic_case_counts)) or 0) > 40

    await tried(db, play)


async def test_what_is_unsure_was_neutral_before_there_was_a_word_for_it(db: Database) -> None:
    kinds = (UNSURE_ANALYSIS, an_analysis(0, 0, ["other_language"]), an_analysis(-6_500))
    filed = [an_insight(number, NOON - number * AN_HOUR, kinds[number % 3]) for number in range(1, 60)]
    told_before = [
        each._replace(analysis=each.analysis._replace(is_unsure=False, language=None)) for each in filed
    ]

    def play(connection: Connection) -> None:
        store(connection, filed)
        go_back(connection, THREE_SENTIMENTS)
        found = connection.execute(text("SELECT conversation, sentiment FROM insights ORDER BY conversation"))
        assert [tuple(row) for row in found] == [
            (each.conversation, each.analysis.sentiment) for each in told_before
        ]
        migration.migrate(connection)
        assert_counted(connection, told_before, ())

    await tried(db, play)


async def test_topics_of_before_keep_their_numbers_and_go_by_their_slugs(db: Database) -> None:
    def play(connection: Connection) -> None:
        go_back(connection, BEFORE_TOPICS_HAD_NAMES)
        connection.execute(text("INSERT INTO topics (number, slug) VALUES (3, 'delay'), (9, 'refund')"))
        migration.migrate(connection)

        t, n = topics.c, topic_names.c
        stored = select(t.number, t.slug, t.state, t.origin, t.counted_as, t.merged_into).order_by(t.number)
        assert [tuple(row) for row in connection.execute(stored)] == [
            (3, "delay", "active", "proposed", 3, None),
            (9, "refund", "active", "proposed", 9, None),
        ]
        named = connection.execute(select(n.name, n.topic, n.is_filed).order_by(n.name))
        assert [tuple(row) for row in named] == [("delay", 3, True), ("refund", 9, True)]

    await tried(db, play)


async def test_the_way_back_leaves_insights_under_the_slugs_of_their_topics(db: Database) -> None:
    filed = [an_insight(number, NOON, an_analysis(clusters=("delay",))) for number in (1, 2)]

    def play(connection: Connection) -> None:
        store(connection, filed[:1])
        changes.edit(connection, "delay", {"slug": "late"}, changes.By("key:1", NOON))
        store(connection, [filed[1]])
        go_back(connection, BEFORE_TOPICS_HAD_NAMES)
        found = connection.execute(text("SELECT clusters FROM insights"))
        assert {row.clusters for row in found} == {'["late"]'}
        migration.migrate(connection)
        as_now = [each._replace(analysis=an_analysis(clusters=("late",))) for each in filed]
        assert_counted(connection, as_now, ())

    await tried(db, play)


async def test_values_of_fields_are_counted_by_confidence_in_versions_before(db: Database) -> None:
    def play(connection: Connection) -> None:
        answers = FIELDS.read(SAID)
        store(
            connection, [an_insight(n, at, an_analysis(fields=answers)) for n, at in enumerate((NOON, 0), 1)]
        )
        of_values = select(counts).where(counts.c.topic <= LAST_FIELD_VALUE)
        go_back(connection, "0039")

        found = {tuple(row) for row in connection.execute(of_values)}
        assert found == {
            (number, level, bucket_of(level, at), -1, 90, 1)
            for number in connection.scalars(select(insight_fields.c.value).distinct())
            for level in (DAY, MONTH)
            for at in (NOON, 0)
        }
        migration.migrate(connection)
        assert connection.execute(of_values).all() == []

    await db.write(play)
