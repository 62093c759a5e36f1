"""Who wrote in which chat, and the indexes by which chats are found and due."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from columns import Number, partial_index
from columns import metadata as metadata
from models import IS_TEXT, NOT_INDEXED, conversations

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
