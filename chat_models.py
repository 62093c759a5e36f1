"""What chats have beside their messages: who takes part, the indexes by which they are found, their summaries."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from columns import Number, partial_index, queue_columns
from columns import metadata as metadata
from models import IS_LONG, IS_TEXT, NOT_INDEXED, conversations

# Who wrote in a chat, and from which message on.
participants = Table(
    "participants",
    metadata,
    Column("conversation", Number, ForeignKey(conversations.c.number, ondelete="CASCADE"), primary_key=True),
    Column("author", String(255), primary_key=True),
    Column("position", Integer, nullable=False),
    sqlite_with_rowid=False,
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

# The second queue, one row a conversation. `revision` is the content's that is to be summarised,
# `made_from` the one that was.
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
    Column("error", Text),
    Column("made_from", Integer),
    Column("message_count", Integer),
    Column("content", Text),
    Column("analyzer", String(20)),
    Column("model", String(100)),
    Column("raw", Text),
    Column("created_at", BigInteger),
    Column("updated_at", BigInteger),
    CheckConstraint("status IN ('queued', 'processing', 'completed', 'failed')", name="status"),
    CheckConstraint("(run_at IS NOT NULL) = (status IN ('queued', 'processing'))", name="ended_is_never_due"),
    CheckConstraint("(lease IS NOT NULL) = (status = 'processing')", name="processing_is_leased"),
    CheckConstraint("(made_from IS NULL) = (content IS NULL)", name="made_from_something"),
)
partial_index(
    "ix_summaries_due",
    summaries.c.run_at,
    summaries.c.conversation,
    where=summaries.c.run_at.is_not(None),
)

# What is summarised already of a chat that takes several calls: the messages `first` to `last`.
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
    Column("content", Text, nullable=False),
    Column("analyzer", String(20), nullable=False),
    Column("model", String(100), nullable=False),
    Column("raw", Text, nullable=False),
)
