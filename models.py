"""All tables. Times are UTC microseconds, scores 1/10,000, confidence percent, money 1/10,000,000,000 USD."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TextClause,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# INTEGER PRIMARY KEY is SQLite's rowid; BIGINT would need a second index.
Number = BigInteger().with_variant(Integer, "sqlite")


def partial_index(
    name: str, *columns: Column[Any], where: ColumnElement[bool] | TextClause, unique: bool = False
) -> Index:
    """A partial index over the rows that match `where`, on both databases."""
    return Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


ENCRYPTED, HASHED = {"encrypted": True}, {"hashed": True}
"""Marks columns whose values are sealed in an encrypted database, and hashes that are HMACs there; so are the texts
of columns with the mark `digest`.

What has neither mark is readable in the file. The `place` of a table are the columns that a sealed value belongs to.
"""


def author_columns(**options: Any) -> list[Column[Any]]:
    """The author, or in an encrypted database the HMAC by which the author is found, with the name sealed beside it."""
    author = Column("author", String(255), info={"digest": "author"}, **options)
    return [author, Column("sealed_author", Text, info=ENCRYPTED)]


def queue_columns() -> list[Column[object]]:
    """The columns of a job queue. A row is due at `run_at`, and never if that is NULL.

    While `lease` is set, `run_at` is the end of the lease, so the work of a dead process becomes due by itself.
    """
    return [
        Column("status", String(10), nullable=False),
        Column("run_at", BigInteger),
        Column("lease", String(32)),
        Column("failures", Integer, nullable=False, server_default=text("0")),
        Column("revision", Integer, nullable=False, server_default=text("1")),
    ]


def chat_columns() -> list[Column[object]]:
    """The columns of a conversation that can grow. Times in UTC microseconds."""
    return [
        # The position of the last message. Erased ones still count, so that no position is used twice.
        Column("message_count", Integer, nullable=False, server_default=text("1")),
        # How many messages were erased; their positions stay empty.
        Column("erased", Integer, nullable=False, server_default=text("0")),
        # The position up to which messages are in the full-text index. The next position has a message, unless this is
        # the last.
        Column("indexed", Integer, nullable=False, server_default=text("0")),
        # The times of the first and the last message. NULL for a text, which has only `timestamp`.
        Column("said_from", BigInteger),
        Column("said_until", BigInteger),
        # When messages were last added; NULL if none were added after intake.
        Column("updated_at", BigInteger),
        # The arrival of the first message that is not analysed, unless it is the conversation's first.
        Column("waiting_since", BigInteger),
        # When the quiet period ends. NULL from the claim until the next message.
        Column("quiet_at", BigInteger),
    ]


STATUSES = ("queued", "processing", "completed", "failed", "skipped")
QUEUED, PROCESSING, COMPLETED, FAILED, SKIPPED = STATUSES

DAY, LATER = "day", "later"
"""Freshness: an answer within a day will do, so that a batch at the provider may have it; or it goes live, and behind
everything fresh, because no batch takes it, or has brought no answer."""

LONG = 86_400_000_000
"""Microseconds between the first and last message from which a chat counts as long: a day. Most chats are shorter."""
# Literal SQL, because a partial index serves only queries that repeat its condition word for word.
NOT_COMPLETED = text("status != 'completed'")
IS_SKIPPED = text("status = 'skipped'")
IS_TEXT = text("NOT is_chat")
CAN_WAIT = text("freshness IS NOT NULL AND status = 'queued'")
NOT_INDEXED = text("indexed < message_count")
IS_LONG = text(f"said_until - said_from >= {LONG}")

CUSTOMER, AGENT = 1, 2
"""The roles in which people write. Whoever is not an agent counts as a customer."""

ALL_TOPICS = 0
SKIPPED_CONVERSATIONS = -1
"""Pseudo topics in `counts` and `totals`: all insights, and the conversations that the prefilter skipped."""
LAST_FIELD_VALUE = -2
"""Numbers from here on down are of values of fields, which are counted like topics."""

conversations = Table(
    "conversations",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String(128), nullable=False, unique=True),
    Column("external_id", String(255)),
    Column("idempotency_key", String(270)),
    # Whose external_id and idempotency_key these are; empty for those stored while the service was open.
    Column("owner", String(100), nullable=False, server_default=text("''")),
    Column("content_hash", LargeBinary(33), info=HASHED),
    *author_columns(),
    Column("timestamp", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("is_chat", Boolean, nullable=False),
    Column("raw_data", Text, info=ENCRYPTED),
    Column("metadata", Text, info=ENCRYPTED),
    *queue_columns(),
    *chat_columns(),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("pack_limit", Integer),
    Column("waits_for", LargeBinary(33), info=HASHED),
    Column("pass_prefilter", Boolean, nullable=False, server_default=text("false")),
    Column("pass_cache", Boolean, nullable=False, server_default=text("false")),
    Column("error", Text, info=ENCRYPTED),
    Column("finished_at", BigInteger),
    # How many of each kind of personal data were found in it, JSON; NULL if none were.
    Column("redactions", Text),
    # NULL if it goes as soon as it is due. Else it can wait until `run_at`, and is asked about before.
    Column("freshness", String(5)),
    CheckConstraint("status IN ('queued', 'processing', 'completed', 'failed', 'skipped')", name="status"),
    CheckConstraint("(run_at IS NOT NULL) = (status IN ('queued', 'processing'))", name="ended_is_never_due"),
    CheckConstraint("(lease IS NOT NULL) = (status = 'processing')", name="processing_is_leased"),
    # AUTOINCREMENT: the number of a deleted row must not be reused, or a late result would be stored for another row.
    sqlite_autoincrement=True,
    info={"place": ("id",)},
)

partial_index(
    "ix_conversations_external_id_owner",
    conversations.c.external_id,
    conversations.c.owner,
    where=conversations.c.external_id.is_not(None),
    unique=True,
)
partial_index(
    "ix_conversations_idempotency_key_owner",
    conversations.c.idempotency_key,
    conversations.c.owner,
    where=conversations.c.idempotency_key.is_not(None),
    unique=True,
)
partial_index(
    "ix_conversations_due",
    conversations.c.run_at,
    conversations.c.number,
    where=conversations.c.run_at.is_not(None),
)
partial_index(
    "ix_conversations_waits_for", conversations.c.waits_for, where=conversations.c.waits_for.is_not(None)
)
# The authors of a chat are in `participants`; for a text this index covers every query by author.
partial_index(
    "ix_conversations_author",
    *(conversations.c[name] for name in ("author", "number", "is_chat", "timestamp")),
    where=conversations.c.author.is_not(None),
)
# Nearly all rows end as completed, and a list of those is read by number.
partial_index(
    "ix_conversations_status",
    *(conversations.c[name] for name in ("status", "number", "freshness")),
    where=NOT_COMPLETED,
)
partial_index(
    "ix_conversations_can_wait",
    *(conversations.c[name] for name in ("freshness", "run_at", "number")),
    where=CAN_WAIT,
)
partial_index("ix_conversations_skipped", conversations.c.timestamp, where=IS_SKIPPED)

messages = Table(
    "messages",
    metadata,
    Column("conversation", Number, ForeignKey(conversations.c.number, ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("message_id", String(255)),
    *author_columns(),
    Column("role", String(13)),
    Column("timestamp", BigInteger),
    Column("received_at", BigInteger),
    Column("text", Text, nullable=False, info=ENCRYPTED),
    CheckConstraint("role IN ('customer', 'support_agent')", name="role"),
    sqlite_with_rowid=False,
    info={"place": ("conversation", "position")},
)
partial_index(
    "ix_messages_message_id",
    messages.c.conversation,
    messages.c.message_id,
    where=messages.c.message_id.is_not(None),
    unique=True,
)

grok_calls = Table(
    "grok_calls",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("provider", String(20), nullable=False),
    Column("model", String(100), nullable=False),
    Column("conversations", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("outcome", String(20)),
    Column("status", Integer),
    Column("request_id", String(200)),
    Column("prompt_tokens", Integer),
    Column("cached_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("reasoning_tokens", Integer),
    Column("cost_ticks", BigInteger),
    Column("reserved_ticks", BigInteger, nullable=False, server_default=text("0")),
    Column("error", Text, info=ENCRYPTED),
    Column("body", Text, info=ENCRYPTED),
    sqlite_autoincrement=True,
    info={"place": ("number",)},
)
partial_index("ix_grok_calls_body", grok_calls.c.started_at, where=text("body IS NOT NULL"))

# One row per conversation: the version that counts. The key is the intake number, by which lists are ordered.
insights = Table(
    "insights",
    metadata,
    Column(
        "conversation",
        Number,
        ForeignKey(conversations.c.number, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("revision", Integer, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    *author_columns(),
    Column("score", SmallInteger, nullable=False),
    Column("sentiment", SmallInteger, nullable=False),
    Column("confidence", SmallInteger, nullable=False),
    Column("clusters", Text, nullable=False),
    Column("reasoning", Text, nullable=False, info=ENCRYPTED),
    Column("analyzer", String(20), nullable=False),
    Column("model", String(100), nullable=False),
    Column("cached", Boolean, nullable=False),
    Column("partial", Boolean, nullable=False),
    Column("analysed_at", BigInteger, nullable=False),
    Column("call", Number),
    Column("raw", Text, nullable=False, info=ENCRYPTED),
    Column("cache_key", LargeBinary(33), info=HASHED),
    # ISO 639-1; NULL if not known, and for insights of before it was looked for.
    Column("language", String(2)),
    # Empty for insights of before it was noted.
    Column("prompt_version", String(40), nullable=False, server_default=text("''")),
    # Answers to the operator's fields, JSON by their names, and the version of the fields; NULL if there were none.
    Column("fields", Text, info=ENCRYPTED),
    Column("fields_version", String(12)),
    # What of them it is filed under: pairs of the number of a value and, of a number, itself; JSON.
    Column("filed_fields", Text),
    info={"place": ("conversation",)},
)
# Covers the counts at a window's edges and of a language, so that no row is read for them.
Index(
    "ix_insights_window",
    insights.c.timestamp,
    insights.c.conversation,
    insights.c.sentiment,
    insights.c.confidence,
    insights.c.score,
    insights.c.language,
)
partial_index(
    "ix_insights_author",
    insights.c.author,
    insights.c.timestamp,
    insights.c.conversation,
    insights.c.sentiment,
    insights.c.confidence,
    where=insights.c.author.is_not(None),
)
# By value, for lists that are sorted by one; with the columns that most filters need.
Index(
    "ix_insights_score",
    *(insights.c[name] for name in ("score", "timestamp", "conversation", "sentiment", "confidence")),
)
Index(
    "ix_insights_confidence",
    *(insights.c[name] for name in ("confidence", "timestamp", "conversation", "sentiment")),
)
Index(
    "ix_insights_maker",
    *(
        insights.c[name]
        for name in ("analyzer", "model", "timestamp", "conversation", "sentiment", "confidence", "score")
    ),
)
Index("ix_insights_analysed_at", insights.c.analysed_at, insights.c.conversation)
# The newest answer to a text is at the end of its entries, however often the text occurs.
partial_index(
    "ix_insights_cache_key",
    insights.c.cache_key,
    insights.c.analysed_at,
    where=insights.c.cache_key.is_not(None),
)

VERSION_ORIGINS = ("analysis", "correction")
OF_ANALYSIS, OF_CORRECTION = VERSION_ORIGINS
"""What made a version of an insight: an analyzer, or a person who corrected it."""

# Earlier versions of insights, numbered by conversation, oldest first. They are in no count.
insight_versions = Table(
    "insight_versions",
    metadata,
    Column("conversation", Number, ForeignKey(conversations.c.number, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("origin", String(10), nullable=False),
    Column("revision", Integer, nullable=False),
    *(Column(name, SmallInteger, nullable=False) for name in ("score", "sentiment", "confidence")),
    Column("clusters", Text, nullable=False),
    # NULL for a correction.
    Column("reasoning", Text, info=ENCRYPTED),
    Column("analyzer", String(20), nullable=False),
    Column("model", String(100), nullable=False),
    Column("prompt_version", String(40), nullable=False),
    Column("language", String(2)),
    Column("made_at", BigInteger, nullable=False),
    # Who corrected it; NULL for an analysis.
    Column("made_by", String(100)),
    Column("replaced_at", BigInteger, nullable=False),
    Column("fields", Text, info=ENCRYPTED),
    Column("fields_version", String(12)),
    CheckConstraint("origin IN ('analysis', 'correction')", name="origin"),
    sqlite_with_rowid=False,
    info={"place": ("conversation", "number")},
)

# What people have said of conversations, the last word of each revision; NULL where they said nothing. Beside it, what
# the analyzer says of the same text: `insights` has the corrected values.
corrections = Table(
    "corrections",
    metadata,
    Column("conversation", Number, ForeignKey(conversations.c.number, ondelete="CASCADE"), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("sentiment", SmallInteger),
    Column("clusters", Text),
    Column("outcome", String(10)),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", String(100), nullable=False),
    *(Column(f"model_{name}", SmallInteger, nullable=False) for name in ("score", "sentiment", "confidence")),
    Column("model_clusters", Text, nullable=False),
    # Of the summary; NULL without one.
    Column("model_outcome", String(10)),
    Column("analyzer", String(20), nullable=False),
    Column("model", String(100), nullable=False),
    Column("prompt_version", String(40), nullable=False),
    # JSON by the names of fields: what the person answers, and with it all that the analyzer answers.
    *(Column(name, Text, info=ENCRYPTED) for name in ("fields", "model_fields")),
    Column("model_fields_version", String(12)),
    CheckConstraint("sentiment IN (-1, 0, 1)", name="sentiment"),
    CheckConstraint(
        "sentiment IS NOT NULL OR clusters IS NOT NULL OR outcome IS NOT NULL OR fields IS NOT NULL",
        name="says_something",
    ),
    sqlite_with_rowid=False,
    info={"place": ("conversation", "revision")},
)

# Insights that were drawn at random to be checked, each with the probability with which it was.
quality_items = Table(
    "quality_items",
    metadata,
    Column("conversation", Number, ForeignKey(conversations.c.number, ondelete="CASCADE"), primary_key=True),
    Column("draw", Integer, primary_key=True, autoincrement=False),
    Column("revision", Integer, nullable=False),
    Column("chance", Float, nullable=False),
    Column("drawn_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

TOPIC_STATES = ("active", "hidden", "merged")
ACTIVE, HIDDEN, MERGED = TOPIC_STATES
TOPIC_ORIGINS = ("built_in", "proposed", "discovered", "human")
BUILT_IN, PROPOSED, DISCOVERED, HUMAN = TOPIC_ORIGINS
"""Where a topic came from: the list that analyzers are given, an analyzer, discovery, a person."""

# A row is never deleted, so that insights stay filed under it whatever becomes of the topic.
topics = Table(
    "topics",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("slug", String(64), nullable=False, unique=True),
    Column("label", String(100)),
    # The label as one that is looked up: the slug of it.
    Column("label_slug", String(64), index=True),
    Column("description", Text, nullable=False, server_default=text("''")),
    Column("parent", Integer, ForeignKey("topics.number")),
    Column("state", String(6), nullable=False, server_default=text("'active'")),
    Column("origin", String(10), nullable=False, server_default=text("'proposed'")),
    # Whether a person has changed it: a list of topics that is read at start then leaves it alone.
    Column("edited", Boolean, nullable=False, server_default=text("false")),
    # The number under which it is counted: its own, or that of a union. NULL exactly while it is merged.
    Column("counted_as", Integer),
    # The topic that it was merged into, which is not merged itself.
    Column("merged_into", Integer, ForeignKey("topics.number"), index=True),
    # NULL for those of versions that did not note it.
    Column("created_at", BigInteger),
    CheckConstraint("number > 0", name="pseudo_topics_are_not_stored"),
    CheckConstraint("state IN ('active', 'hidden', 'merged')", name="state"),
    CheckConstraint("origin IN ('built_in', 'proposed', 'discovered', 'human')", name="origin"),
    sqlite_autoincrement=True,
)

Index("ix_topics_counted_as", topics.c.counted_as, unique=True)
# All that `/trends` asks of a topic: without it each of 20,000 was looked up in the table, 4 times as long.
Index("ix_topics_shown", topics.c.counted_as, topics.c.state, topics.c.slug)

# The slug and the aliases of every topic: by these names insights are filed, so one that was used is never given up.
topic_names = Table(
    "topic_names",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("topic", Integer, ForeignKey(topics.c.number), nullable=False, index=True),
    # Whether an insight was ever filed under this name.
    Column("is_filed", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

FIRST_UNION = 1_000_000_000
"""Numbers from here on are of unions, which have counts but no insights of their own."""
UNION_STATES = ("building", "live", "dropped", "gone")
BUILDING, LIVE, DROPPED, GONE = UNION_STATES
"""Of a union: its counts are not complete, are read, are deleted, are deleted completely."""

# Several topics that are counted together, each conversation once. Rows are never deleted: no number is used twice.
topic_unions = Table(
    "topic_unions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(8), nullable=False),
    # The place before which conversations are counted, while it is being built; NULL when all are.
    Column("built_at", BigInteger),
    Column("built_number", BigInteger),
    CheckConstraint("state IN ('building', 'live', 'dropped', 'gone')", name="state"),
)

union_topics = Table(
    "union_topics",
    metadata,
    Column("whole", Integer, ForeignKey(topic_unions.c.number), primary_key=True, autoincrement=False),
    Column("topic", Integer, ForeignKey(topics.c.number), primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# What people made of topics. `before` and `after` are JSON and say what to put back.
topic_changes = Table(
    "topic_changes",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", String(100), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("topic", Integer, ForeignKey(topics.c.number), nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("undone_at", BigInteger),
    Column("undone_by", String(100)),
    sqlite_autoincrement=True,
)
partial_index("ix_topic_changes_standing", topic_changes.c.number, where=text("undone_at IS NULL"))

# All topics that a change concerns.
topic_change_topics = Table(
    "topic_change_topics",
    metadata,
    Column("topic", Integer, ForeignKey(topics.c.number), primary_key=True, autoincrement=False),
    Column("change", Integer, ForeignKey(topic_changes.c.number), primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# The conversations that a split has moved: under which names each was filed before, and afterwards.
topic_moves = Table(
    "topic_moves",
    metadata,
    Column("change", Integer, ForeignKey(topic_changes.c.number), primary_key=True, autoincrement=False),
    Column(
        "conversation",
        Number,
        ForeignKey(conversations.c.number, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_topic_moves_conversation", topic_moves.c.conversation)

insight_topics = Table(
    "insight_topics",
    metadata,
    Column("topic", Integer, ForeignKey(topics.c.number), primary_key=True, autoincrement=False),
    Column("timestamp", BigInteger, primary_key=True, autoincrement=False),
    Column("conversation", Number, primary_key=True, autoincrement=False),
    Column("sentiment", SmallInteger, nullable=False),
    Column("confidence", SmallInteger, nullable=False),
    Column("score", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The keys of senders' metadata that insights can be filtered by, and how far those stored before are filed:
# through which intake number, NULL when all are.
metadata_keys = Table(
    "metadata_keys",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("filed_through", BigInteger),
)

insight_metadata = Table(
    "insight_metadata",
    metadata,
    Column(
        "conversation",
        Number,
        ForeignKey(conversations.c.number, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("key", String(64), primary_key=True),
    Column("value", String(255), nullable=False, info={"digest": "metadata"}),
    Column("timestamp", BigInteger, nullable=False),
    Column("sentiment", SmallInteger, nullable=False),
    Column("confidence", SmallInteger, nullable=False),
    Column("score", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "ix_insight_metadata_value",
    *(
        insight_metadata.c[name]
        for name in ("key", "value", "timestamp", "conversation", "sentiment", "confidence", "score")
    ),
)

# The versions that the operator's fields have had, as JSON, and how many insights have each.
field_versions = Table(
    "field_versions",
    metadata,
    Column("version", String(12), primary_key=True),
    Column("definition", Text, nullable=False),
    Column("first_seen", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
field_version_counts = Table(
    "field_version_counts",
    metadata,
    Column("version", String(12), primary_key=True),
    Column("n", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The values that fields have had, by which insights are found: of enums, lists and booleans; of numbers, their bins.
# The numbers descend from LAST_FIELD_VALUE, so that `counts` and `totals` tell them from topics. A row is never deleted
# and never changed, so that old answers are found by new versions of a field.
field_values = Table(
    "field_values",
    metadata,
    Column("field", String(32), primary_key=True),
    Column("value", String(40), primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    sqlite_with_rowid=False,
)

insight_fields = Table(
    "insight_fields",
    metadata,
    Column("value", Integer, primary_key=True, autoincrement=False),
    Column("timestamp", BigInteger, primary_key=True, autoincrement=False),
    Column("conversation", Number, primary_key=True, autoincrement=False),
    *(Column(name, SmallInteger, nullable=False) for name in ("sentiment", "confidence", "score")),
    # Of a number, itself.
    Column("number", Float),
    sqlite_with_rowid=False,
)

# Roll-ups. The counted columns are in no index, so that PostgreSQL can update in place.
counts = Table(
    "counts",
    metadata,
    Column("topic", Integer, primary_key=True, autoincrement=False),
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("sentiment", SmallInteger, primary_key=True, autoincrement=False),
    Column("confidence", SmallInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

totals = Table(
    "totals",
    metadata,
    Column("topic", Integer, primary_key=True, autoincrement=False),
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    *(Column(name, BigInteger, nullable=False) for name in ("n", "negative", "positive", "score_sum")),
    Column("unsure", BigInteger, nullable=False, server_default=text("0")),
    sqlite_with_rowid=False,
)


def _topics_by(period: str) -> Table:
    key = [Column(name, Integer, primary_key=True, autoincrement=False) for name in (period, "topic")]
    n = Column("n", BigInteger, nullable=False)
    return Table(f"topic_{period}s", metadata, *key, n, sqlite_with_rowid=False)


# Upper bounds for the topics of a window, so that only likely top topics are counted exactly. With two thousand topics
# a year has 26,000 rows by month, which take 9 ms to add up.
topic_months, topic_years = _topics_by("month"), _topics_by("year")

WHOLE = 60
"""The weight of an insight, of which each of its k topics has a kth part: whole numbers for up to six topics."""

# All topics of an hour side by side, for answers about every topic.
topic_hours = Table(
    "topic_hours",
    metadata,
    *(Column(name, Integer, primary_key=True, autoincrement=False) for name in ("hour", "topic")),
    # Of insights of weight w and score s: their number, that of negative and of unsure ones, and the sums of s, w and
    # w x s. Unsure ones have no weight.
    *(
        Column(name, BigInteger, nullable=False)
        for name in ("n", "negative", "unsure", "score_sum", "weight", "weighted")
    ),
    sqlite_with_rowid=False,
)

# How often `topic_hours` has changed in each UTC day. A row is never deleted, so that a number never comes again.
changed_days = Table(
    "changed_days",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("changes", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


def _maker_columns() -> list[Column[Any]]:
    names = (("analyzer", 20), ("model", 100), ("prompt_version", 40))
    return [Column(name, String(length), primary_key=True) for name, length in names]


def _n() -> Column[Any]:
    return Column("n", BigInteger, nullable=False)


# How many insights each maker has: an analyzer with a model and a version of its prompt. By UTC day, for all makers of
# a window; by quarter of an hour, for whether a maker has any in some local day or hour.
_day, _quarter = (Column(name, Integer, primary_key=True, autoincrement=False) for name in ("day", "quarter"))
maker_days = Table("maker_days", metadata, _day, *_maker_columns(), _n(), sqlite_with_rowid=False)
maker_quarters = Table("maker_quarters", metadata, *_maker_columns(), _quarter, _n(), sqlite_with_rowid=False)


# People who have written in analysed conversations, by number, because names are long and occur often.
people = Table(
    "people",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("author", String(255), nullable=False, unique=True, info={"digest": "author"}),
    sqlite_autoincrement=True,
)

# Who wrote in the conversation of an insight, in which role. `open` is 1 if its summary says that the case is open.
insight_people = Table(
    "insight_people",
    metadata,
    Column("conversation", Number, primary_key=True, autoincrement=False),
    Column("role", SmallInteger, primary_key=True, autoincrement=False),
    Column("person", Number, primary_key=True, autoincrement=False),
    Column("timestamp", BigInteger, nullable=False),
    *(Column(name, SmallInteger, nullable=False) for name in ("sentiment", "score", "open")),
    sqlite_with_rowid=False,
)
# For the insights of a person, and for the people of a window's edges.
for _name, _first in (("person", ("person", "timestamp")), ("window", ("timestamp", "person"))):
    Index(
        f"ix_insight_people_{_name}",
        *(insight_people.c[name] for name in ("role", *_first, "conversation", "sentiment", "score", "open")),
    )

BUSY = 3
"""The least of a month or year with which a person is among those who are looked at first."""
# Customers are counted by month and year, agents, who are few and write much, by day as well.
people_counts = Table(
    "people_counts",
    metadata,
    *(
        Column(name, kind, primary_key=True, autoincrement=False)
        for name, kind in (
            ("role", SmallInteger()),
            ("level", SmallInteger()),
            ("bucket", Integer()),
            ("person", Number),
        )
    ),
    *(Column(name, BigInteger, nullable=False) for name in ("n", "negative", "score_sum", "open", "unsure")),
    sqlite_with_rowid=False,
)
# Few rows, so that PostgreSQL updates most of the others in place.
for _name in ("n", "negative"):
    partial_index(
        f"ix_people_counts_{_name}",
        *(people_counts.c[name] for name in ("role", "level", "bucket", _name, "person")),
        where=text(f"{_name} >= {BUSY}"),
    )

# Texts in flight: which lease is having a text analysed. A row expires by itself if its process died.
asking = Table(
    "asking",
    metadata,
    Column("cache_key", LargeBinary(33), primary_key=True, info=HASHED),
    Column("lease", String(32), nullable=False),
    Column("until", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The cost of each UTC day's calls; `reserved` is the worst-case cost of calls that are not settled yet.
spending = Table(
    "spending",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in (
            "spent",
            "reserved",
            "calls",
            "prompt_tokens",
            "cached_tokens",
            "completion_tokens",
            "reasoning_tokens",
            "analysed",
            "cached",
            "skipped",
            "summary_calls",
            "summary_spent",
            "unpriced_calls",
            "batch_calls",
            "batch_spent",
        )
    ),
    CheckConstraint("reserved >= 0", name="settled_once"),
)

# An operator's switches and the service's own, which survive a restart and apply to every process.
switches = Table(
    "switches",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("is_on", Boolean, nullable=False),
)

# On PostgreSQL, when the last calls to a provider left, of all processes, the oldest first, by the server's clock. The
# row is locked while a call leaves.
departures = Table(
    "departures",
    metadata,
    Column("provider", String(20), primary_key=True),
    Column("times", ARRAY(BigInteger).with_variant(JSON(), "sqlite"), nullable=False),
)

# On PostgreSQL, what all processes know of a provider: its circuit, and the pause that it asked for. `version` counts
# the changes.
provider_states = Table(
    "provider_states",
    metadata,
    Column("provider", String(20), primary_key=True),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    Column("circuit", String(10), nullable=False, server_default=text("'closed'")),
    Column("reason", Text, info=ENCRYPTED),
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in ("faults", "closings", "probes", "probe_at", "paused_until")
    ),
    Column("doubted_at", BigInteger),
    Column("pause_reason", Text, info=ENCRYPTED),
    info={"place": ("provider",)},
)

# The processes that share a PostgreSQL database, each with when it was last heard of and what it says of itself (JSON).
processes = Table(
    "processes",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("role", String(10), nullable=False),
    Column("host", String(255), nullable=False),
    Column("version", String(32), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
)

# Work in the background that one process at a time does: who, and until when without a renewal.
duties = Table(
    "duties",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", String(32), nullable=False),
    Column("until", BigInteger, nullable=False),
)

# The keys of the ring that an encrypted database needs, each with the index key that it has sealed. None if plain.
encryption_keys = Table(
    "encryption_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("index_key", Text, nullable=False),
)

# People whose messages are being erased: a row until it is done, also if the process ends in between.
erasures = Table(
    "erasures",
    metadata,
    Column("person", String(255), primary_key=True, info={"digest": "author"}),
    Column("sealed_person", Text, info=ENCRYPTED),
    # How often it was asked for, and the last conversation that was stored then.
    Column("asked", Integer, nullable=False, server_default=text("1")),
    Column("through", BigInteger, nullable=False),
    Column("actor", String(100), nullable=False),
    Column("client", String(100), nullable=False),
    Column("request_id", String(128), nullable=False),
    # When a step of it was made last.
    Column("stepped_at", BigInteger, nullable=False),
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in ("deleted", "changed", "messages", "insights", "summaries")
    ),
    # Until when the provider keeps what it was sent in batches; NULL if it was sent nothing.
    Column("kept_until", BigInteger),
    sqlite_with_rowid=False,
    info={"place": ("person",)},
)

# The authors of a chat, each with the position of their first message.
participants = Table(
    "participants",
    metadata,
    Column("conversation", Number, ForeignKey(conversations.c.number, ondelete="CASCADE"), primary_key=True),
    *author_columns(primary_key=True),
    Column("position", Integer, nullable=False),
    # In which roles they wrote: CUSTOMER, AGENT or the sum of both.
    Column("roles", SmallInteger, nullable=False, server_default=text("1")),
    sqlite_with_rowid=False,
    info={"place": ("conversation", "position")},
)
Index("ix_participants_author", participants.c.author, participants.c.conversation)

partial_index("ix_conversations_not_indexed", conversations.c.number, where=NOT_INDEXED)
partial_index(
    "ix_conversations_waiting",
    *(conversations.c[name] for name in ("waiting_since", "quiet_at", "status")),
    where=conversations.c.waiting_since.is_not(None),
)
partial_index("ix_conversations_text_time", conversations.c.timestamp, conversations.c.number, where=IS_TEXT)
partial_index(
    "ix_conversations_chat_time",
    *(conversations.c[name] for name in ("said_from", "said_until", "number")),
    where=conversations.c.said_from.is_not(None),
)
partial_index(
    "ix_conversations_long_chat_time",
    *(conversations.c[name] for name in ("said_from", "said_until", "number")),
    where=IS_LONG,
)

# The queue of summaries, one row per conversation. `revision` is the content to be summarised, `made_from` the content
# that the stored summary was made from.
summaries = Table(
    "summaries",
    metadata,
    Column(
        "conversation",
        Number,
        ForeignKey(conversations.c.number, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    *queue_columns(),
    Column("error", Text, info=ENCRYPTED),
    Column("made_from", Integer),
    Column("message_count", Integer),
    Column("content", Text, info=ENCRYPTED),
    Column("analyzer", String(20)),
    Column("model", String(100)),
    Column("raw", Text, info=ENCRYPTED),
    Column("created_at", BigInteger),
    Column("updated_at", BigInteger),
    # Repeated from the conversation and the content, so that summaries can be filtered and counted. NULL until then.
    Column("timestamp", BigInteger),
    Column("outcome", String(10)),
    Column("has_open_questions", SmallInteger),
    # The number of the long job that has asked for it, which its calls are charged to; NULL once it has ended.
    Column("job", BigInteger),
    # What there is of it while it is being written, for listeners that other processes have; NULL without such.
    Column("draft", Text, info=ENCRYPTED),
    CheckConstraint("status IN ('queued', 'processing', 'completed', 'failed')", name="status"),
    CheckConstraint("(run_at IS NOT NULL) = (status IN ('queued', 'processing'))", name="ended_is_never_due"),
    CheckConstraint("(lease IS NOT NULL) = (status = 'processing')", name="processing_is_leased"),
    CheckConstraint("(made_from IS NULL) = (content IS NULL)", name="made_from_something"),
    info={"place": ("conversation",)},
)
partial_index(
    "ix_summaries_due",
    summaries.c.run_at,
    summaries.c.conversation,
    where=summaries.c.run_at.is_not(None),
)

NOT_FILED = text("content IS NOT NULL AND outcome IS NULL")
partial_index("ix_summaries_not_filed", summaries.c.conversation, where=NOT_FILED)

partial_index(
    "ix_summaries_case",
    *(summaries.c[name] for name in ("outcome", "has_open_questions", "timestamp", "conversation")),
    where=text("outcome IS NOT NULL"),
)


def _count_cases(name: str, *by: Column[Any]) -> Table:
    key: tuple[tuple[str, TypeEngine[Any]], ...] = (
        ("level", SmallInteger()),
        ("bucket", Integer()),
        ("outcome", String(10)),
        ("has_open_questions", SmallInteger()),
    )
    columns = (Column(each, kind, primary_key=True, autoincrement=False) for each, kind in key)
    n = Column("n", BigInteger, nullable=False)
    return Table(name, metadata, *by, *columns, n, sqlite_with_rowid=False)


# How many summaries of each outcome there are, by the time of their conversations.
case_counts = _count_cases("case_counts")

# The same for those whose conversation has an insight under a topic, by day and month; none of unions.
topic_case_counts = _count_cases(
    "topic_case_counts", Column("topic", Integer, primary_key=True, autoincrement=False)
)

# The parts already summarised of a chat that takes several calls: the messages `first` to `last`.
summary_parts = Table(
    "summary_parts",
    metadata,
    Column(
        "conversation",
        Number,
        ForeignKey(summaries.c.conversation, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("first", Integer, primary_key=True, autoincrement=False),
    Column("last", Integer, primary_key=True, autoincrement=False),
    Column("version", String(200), nullable=False),
    Column("content", Text, nullable=False, info=ENCRYPTED),
    Column("analyzer", String(20), nullable=False),
    Column("model", String(100), nullable=False),
    Column("raw", Text, nullable=False, info=ENCRYPTED),
    info={"place": ("conversation", "first", "last")},
)

JOB_STATUSES = ("queued", "processing", "paused", "completed", "capped", "cancelled", "failed")
PAUSED, CAPPED, CANCELLED = "paused", "capped", "cancelled"

# Work that takes longer than a request, of any kind. `state` is what a kind needs to go on after a restart.
jobs = Table(
    "jobs",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("kind", String(30), nullable=False),
    *queue_columns(),
    Column("parameters", Text, nullable=False, info=ENCRYPTED),
    Column("state", Text, info=ENCRYPTED),
    Column("done", BigInteger, nullable=False, server_default=text("0")),
    # NULL while it is not known.
    Column("total", BigInteger),
    Column("cost_ticks", BigInteger, nullable=False, server_default=text("0")),
    Column("conversations", BigInteger, nullable=False, server_default=text("0")),
    Column("error", Text, info=ENCRYPTED),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("ended_at", BigInteger),
    CheckConstraint(
        "status IN ('queued', 'processing', 'paused', 'completed', 'capped', 'cancelled', 'failed')",
        name="status",
    ),
    CheckConstraint(
        "(run_at IS NOT NULL) = (status IN ('queued', 'processing'))", name="only_open_ones_are_due"
    ),
    CheckConstraint("(lease IS NOT NULL) = (status = 'processing')", name="processing_is_leased"),
    sqlite_autoincrement=True,
    info={"place": ("id",)},
)
partial_index("ix_jobs_due", jobs.c.run_at, jobs.c.number, where=jobs.c.run_at.is_not(None))

# The long jobs that analyse conversations again. `wanted` is the status that the chosen ones have; `sample` is how many
# are only compared, NULL if what is found is to count. `is_spent` while no call fits `cap_ticks`.
reanalyses = Table(
    "reanalyses",
    metadata,
    Column("job", Number, ForeignKey(jobs.c.number), primary_key=True, autoincrement=False),
    Column("wanted", String(10), nullable=False),
    Column("sample", Integer),
    Column("cap_ticks", BigInteger),
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in ("cost_ticks", "reserved_ticks", "changed", "unchanged", "dropped", "failed")
    ),
    Column("is_spent", Boolean, nullable=False, server_default=text("false")),
    # NULL, or `day`: then until `lane_until` its conversations go by batches at the provider.
    Column("freshness", String(5)),
    Column("lane_until", BigInteger),
)

# Conversations that a re-analysis has chosen and not done. One at a time is under way, so whatever is of another job is
# left over from one that was cancelled or capped. No foreign key: a conversation that is gone is found to be so.
reanalysis_items = Table(
    "reanalysis_items",
    metadata,
    Column("conversation", Number, primary_key=True, autoincrement=False),
    Column("job", Number, nullable=False),
    *queue_columns(),
    Column("pack_limit", Integer),
    # Of a sample: what was and what would be, as JSON.
    Column("change", Text),
    # `day` while a batch at the provider may have it; NULL if it goes live.
    Column("freshness", String(5)),
)
partial_index(
    "ix_reanalysis_items_due",
    *(reanalysis_items.c[name] for name in ("freshness", "run_at", "conversation")),
    where=reanalysis_items.c.run_at.is_not(None),
)
Index("ix_reanalysis_items_job", reanalysis_items.c.job, reanalysis_items.c.conversation)

# --- batches at the provider ----------------------------------------------------------------------------------

BATCH_STAGES = ("filling", "sending", "running", "cancelling", "late", "ended")
FILLING, SENDING, RUNNING, CANCELLING, LATE, ENDED = BATCH_STAGES
"""Of a batch: it is being filled, sent, worked on, cancelled; cancelled, and all its conversations have gone elsewhere,
but an answer that costs money may still come; over."""

# Batches at the provider, which answers within a day. Each is here, with everything that it will carry, before the
# provider hears of it. A job of the queue is a batch that has to be filled, sent or looked at. While it is open, it
# holds its conversations by the lease `holder`.
provider_batches = Table(
    "provider_batches",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    # Also its name at the provider, by which it is found again if nothing came back from its creation.
    Column("id", String(40), nullable=False, unique=True),
    *queue_columns(),
    Column("stage", String(10), nullable=False),
    Column("holder", String(32), nullable=False),
    Column("provider_id", String(200)),
    # Whether the provider was asked to create it.
    Column("is_tried", Boolean, nullable=False, server_default=text("false")),
    # The long job whose conversations it has; NULL if they are of the analysis queue.
    Column("reanalysis", Number),
    Column("model", String(100), nullable=False),
    Column("prompt_version", String(40), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    # Until when the provider keeps what was sent.
    Column("kept_until", BigInteger, nullable=False),
    # Who or what cancelled it.
    Column("cancelled_by", String(100)),
    # The counts as the provider gave them last, JSON, when they changed, and whether rows were read since.
    Column("seen", Text),
    Column("seen_at", BigInteger),
    # Why the provider refused it, or the last fault.
    Column("error", String(300)),
    Column("ended_at", BigInteger),
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in ("requests", "answered", "conversations", "stored", "dropped", "cost_ticks")
    ),
    CheckConstraint("status IN ('queued', 'processing', 'completed')", name="status"),
    CheckConstraint("(run_at IS NULL) = (status = 'completed')", name="ended_is_never_due"),
    CheckConstraint("(lease IS NOT NULL) = (status = 'processing')", name="processing_is_leased"),
    CheckConstraint("(status = 'completed') = (stage = 'ended')", name="ended_is_completed"),
    sqlite_autoincrement=True,
)
partial_index(
    "ix_provider_batches_due",
    provider_batches.c.run_at,
    provider_batches.c.number,
    where=provider_batches.c.run_at.is_not(None),
)

REQUEST_STATES = ("packed", "tried", "sent", "settled")
PACKED, TRIED, SENT, SETTLED = REQUEST_STATES
"""Of a request: not sent; perhaps sent, so that it may only be sent again as it was; sent; answered or given up."""

# What a batch asks: each request is a call with several conversations, with a row in `grok_calls`. The body is kept
# until the provider has it, because it may be repeated only with the same bytes.
batch_requests = Table(
    "batch_requests",
    metadata,
    Column("call", Number, primary_key=True, autoincrement=False),
    Column("batch", Number, nullable=False),
    Column("state", String(7), nullable=False),
    Column("day", Integer, nullable=False),
    Column("reserved_ticks", BigInteger, nullable=False),
    Column("conversations", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("body", Text, info=ENCRYPTED),
    CheckConstraint("state IN ('packed', 'tried', 'sent', 'settled')", name="state"),
    info={"place": ("call",)},
)
Index("ix_batch_requests_batch", *(batch_requests.c[name] for name in ("batch", "state", "call")))

# The conversations of each request, as they were when they were packed. No foreign key: one that is gone is found to be
# so. They are kept for as long as the provider has them, so that an erasure can say until when that is.
batch_items = Table(
    "batch_items",
    metadata,
    Column("call", Number, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("conversation", Number, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("message_count", Integer, nullable=False),
    Column("partial", Boolean, nullable=False),
    # NULL once it is settled.
    Column("cache_key", LargeBinary(33), info=HASHED),
    sqlite_with_rowid=False,
)
Index("ix_batch_items_conversation", batch_items.c.conversation)

# --- webhooks -----------------------------------------------------------------------------------------------

DISABLED = "disabled"
"""Of a webhook: nothing is sent to it, and nothing is kept for it."""

# Receivers of events. The queue's jobs are the webhooks and not what is sent to them, so that a dead one is a single
# job however much waits for it.
webhooks = Table(
    "webhooks",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    *queue_columns(),
    Column("url", Text, nullable=False, info=ENCRYPTED),
    Column("secret", Text, nullable=False, info=ENCRYPTED),
    # JSON: the types of events that it wants.
    Column("events", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("succeeded_at", BigInteger),
    Column("disabled_at", BigInteger),
    Column("disabled_reason", String(300)),
    CheckConstraint("status IN ('queued', 'processing', 'disabled')", name="status"),
    CheckConstraint("(run_at IS NULL) = (status = 'disabled')", name="disabled_is_never_due"),
    CheckConstraint("(lease IS NOT NULL) = (status = 'processing')", name="processing_is_leased"),
    sqlite_autoincrement=True,
    info={"place": ("id",)},
)

DELIVERY_STATES = ("pending", "delivered", "failed")
PENDING, DELIVERED, _ = DELIVERY_STATES

# The outbox: an event for a webhook, written in the transaction that made it true. Deleted with its conversation. There
# are no foreign keys: rows of a webhook that is gone are deleted in steps.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("webhook", Number, nullable=False),
    # That of the event, which is the same for every webhook and at every try.
    Column("id", String(40), nullable=False),
    Column("type", String(30), nullable=False),
    # Events of one subject are delivered in the order of their numbers.
    Column("subject", String(60), nullable=False),
    Column("conversation", Number),
    Column("body", Text, nullable=False, info=ENCRYPTED),
    Column("state", String(9), nullable=False, server_default=text("'pending'")),
    Column("created_at", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    # When it may be tried next; NULL once it has ended.
    Column("next_at", BigInteger),
    Column("tried_at", BigInteger),
    Column("ended_at", BigInteger),
    # How the last try ended, with the HTTP status if there was an answer.
    Column("outcome", String(20)),
    Column("answer", Integer),
    Column("error", String(300)),
    UniqueConstraint("webhook", "id"),
    CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state"),
    CheckConstraint("(next_at IS NOT NULL) = (state = 'pending')", name="pending_is_due"),
    sqlite_autoincrement=True,
    info={"place": ("webhook", "id")},
)
_w = webhook_deliveries.c
NOT_DELIVERED = text("next_at IS NOT NULL")
Index("ix_webhook_deliveries_webhook", _w.webhook, _w.number)
partial_index("ix_webhook_deliveries_pending", _w.webhook, _w.number, where=NOT_DELIVERED)
partial_index("ix_webhook_deliveries_subject", _w.webhook, _w.subject, _w.number, where=NOT_DELIVERED)
partial_index("ix_webhook_deliveries_conversation", _w.conversation, where=text("conversation IS NOT NULL"))
partial_index("ix_webhook_deliveries_ended_at", _w.ended_at, where=text("ended_at IS NOT NULL"))

# Rules over what is counted anyway, each with its state.
alerts = Table(
    "alerts",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("metric", String(20), nullable=False),
    # The slug of a topic, or another of its names.
    Column("topic", String(64)),
    # A field of the operator's and a value of it, as `urgency=high`.
    Column("field", String(80)),
    # Microseconds.
    Column("window", BigInteger, nullable=False),
    Column("direction", String(5), nullable=False),
    Column("threshold", Float, nullable=False),
    Column("resolve_threshold", Float, nullable=False),
    Column("minimum_count", BigInteger, nullable=False),
    Column("state", String(6), nullable=False, server_default=text("'ok'")),
    # Since when the value has been back while it fires.
    Column("calm_since", BigInteger),
    # What the last look found, and when.
    Column("value", Float),
    Column("n", BigInteger),
    Column("looked_at", BigInteger),
    Column("fired_at", BigInteger),
    Column("resolved_at", BigInteger),
    Column("firings", Integer, nullable=False, server_default=text("0")),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(100), nullable=False),
    CheckConstraint("state IN ('ok', 'firing')", name="state"),
    sqlite_autoincrement=True,
)

# --- discovery ----------------------------------------------------------------------------------------------

# Which conversations a run grouped. Groups keep their identity among the runs of one scope, which is the filter.
discovery_runs = Table(
    "discovery_runs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("scope", String(64), nullable=False),
    Column("start_time", BigInteger, nullable=False),
    Column("end_time", BigInteger, nullable=False),
    Column("conversations", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_discovery_runs_scope", discovery_runs.c.scope, discovery_runs.c.number)

GROUP_STATES = (PROPOSED, "accepted", "rejected", "unlisted")
_, ACCEPTED, REJECTED, UNLISTED = GROUP_STATES
"""Of a group: people may decide on it, have made a topic of it, have refused it, are not shown it: a topic explains it,
or too few people are in it."""

# Groups of conversations that discovery found. Conversations are there by number only, so a deleted one is in no group.
topic_proposals = Table(
    "topic_proposals",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    # The scope of the runs that found it, and the last of these.
    Column("scope", String(64), nullable=False),
    Column("run", Integer, nullable=False),
    Column("state", String(8), nullable=False),
    Column("language", String(8), nullable=False),
    Column("name", Text, nullable=False, info=ENCRYPTED),
    # What it is about, and the analyzer that has said so; both empty where the words make the name.
    Column("description", Text, nullable=False, info=ENCRYPTED),
    Column("named_by", String(20)),
    # JSON. Words that many of its people used.
    Column("words", Text, nullable=False, info=ENCRYPTED),
    Column("centroid", Text, nullable=False, info=ENCRYPTED),
    # The conversations' numbers, as `domain/packed_numbers.py` packs them.
    Column("members", LargeBinary, nullable=False),
    # JSON: the numbers of those nearest to its middle.
    Column("examples", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("people", BigInteger, nullable=False),
    # People in the window, and in the equally long one before it; the chance of as much growth without a reason.
    Column("now", BigInteger, nullable=False),
    Column("before", BigInteger, nullable=False),
    Column("p", Float, nullable=False),
    Column("grew", Boolean, nullable=False),
    # The topic that most of its conversations have.
    Column("part_of", Integer),
    # JSON: ids and shares of the groups that its conversations were in before, and of those they are in since it is
    # gone.
    Column("came_from", Text, nullable=False),
    Column("went_to", Text),
    Column("topic", Integer, ForeignKey(topics.c.number)),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("decided_by", String(100)),
    Column("decided_at", BigInteger),
    CheckConstraint("state IN ('proposed', 'accepted', 'rejected', 'unlisted')", name="state"),
    sqlite_autoincrement=True,
    info={"place": ("id",)},
)
Index("ix_topic_proposals_run", topic_proposals.c.scope, topic_proposals.c.run)
Index("ix_topic_proposals_state", topic_proposals.c.state, topic_proposals.c.size, topic_proposals.c.number)

# --- access -------------------------------------------------------------------------------------------------

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("role", String(10), nullable=False),
    # SHA-256 of the whole key.
    Column("digest", LargeBinary(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
)

# People who have logged in, told apart by the provider and its lasting id of them, never by their e-mail.
accounts = Table(
    "accounts",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("provider", String(20), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("email", String(320), nullable=False),
    Column("role", String(10), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_login_at", BigInteger, nullable=False),
    # The admin who gave the role; null if the settings did.
    Column("role_by", String(100)),
    UniqueConstraint("provider", "subject"),
)

# Of a cookie's and a ticket's text only the SHA-256 is kept: whoever reads the database cannot use it.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("account", String(16), ForeignKey(accounts.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

tickets = Table(
    "tickets",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("actor", String(100), nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

# Log-ins that were begun, each for one browser and for a few minutes.
pending_logins = Table(
    "pending_logins",
    metadata,
    Column("state", LargeBinary(32), primary_key=True),
    Column("provider", String(20), nullable=False),
    Column("browser", LargeBinary(32), nullable=False),
    Column("nonce", String(100), nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False, index=True),
    Column("actor", String(100), nullable=False),
    Column("action", String(40), nullable=False),
    Column("target", String(255), nullable=False),
    Column("outcome", String(100), nullable=False),
    Column("client", String(100), nullable=False),
    Column("request_id", String(128), nullable=False),
    # Which secret of AUTH_SECRET the link was made with; empty if there was none.
    Column("secret", String(16), nullable=False),
    Column("link", LargeBinary(32), nullable=False),
)
Index("ix_audit_entries_actor", audit_entries.c.actor, audit_entries.c.number)
Index("ix_audit_entries_action", audit_entries.c.action, audit_entries.c.number)

# The settings of the last start, each as an HMAC: a change is noted in the audit log by its name.
seen_settings = Table(
    "seen_settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("secret", String(16), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
)

# `changes` counts changes of keys, accounts and sessions, so that every process hears of them; `audit` is the number
# and the link of the newest audit entry, which therefore cannot be taken out unnoticed.
access_marks = Table(
    "access_marks",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("link", LargeBinary(32)),
)
