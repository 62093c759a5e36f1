"""chats: conversations that grow, who takes part in them, and the words by which they are found

Revision: 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INDEXES = {
    "ix_conversations_not_indexed": (["number"], "indexed < message_count"),
    "ix_conversations_waiting": (["waiting_since", "quiet_at", "status"], "waiting_since IS NOT NULL"),
    "ix_conversations_text_time": (["timestamp", "number"], "NOT is_chat"),
    "ix_conversations_chat_time": (["said_from", "said_until", "number"], "said_from IS NOT NULL"),
}
COUNT_WHAT_IS_THERE = (
    """
    UPDATE conversations SET
        message_count = (SELECT count(*) FROM messages WHERE conversation = conversations.number),
        said_from = (
            SELECT min(coalesce(messages.timestamp, conversations.timestamp))
            FROM messages WHERE conversation = conversations.number
        ),
        said_until = (
            SELECT max(coalesce(messages.timestamp, conversations.timestamp))
            FROM messages WHERE conversation = conversations.number
        )
    WHERE is_chat
    """,
    """
    INSERT INTO participants (conversation, author, position)
    SELECT messages.conversation, messages.author, min(messages.position)
    FROM messages JOIN conversations ON conversations.number = messages.conversation
    WHERE conversations.is_chat AND messages.author IS NOT NULL
    GROUP BY messages.conversation, messages.author
    """,
)
# The words are already extracted and separated by spaces. The tokenizer `ascii` treats all non-ASCII characters as
# parts of words and folds only ASCII case. The texts are stored only in `messages`.
SEARCH_ON_SQLITE = ("CREATE VIRTUAL TABLE search USING fts5(words, content = '', tokenize = 'ascii')",)
SEARCH_ON_POSTGRESQL = (
    "CREATE TABLE search (conversation bigint, position integer, words tsvector NOT NULL,"
    " CONSTRAINT pk_search PRIMARY KEY (conversation, position))"
    " WITH (autovacuum_vacuum_insert_threshold = 10000, autovacuum_vacuum_insert_scale_factor = 0)",
    # Without the pending list of GIN, because every search would read all of it.
    "CREATE INDEX ix_search_words ON search USING gin (words) WITH (fastupdate = off)",
)


def _columns() -> list[sa.Column[int]]:
    """The new columns of `conversations`; created for each use, because a Column object belongs to one table."""
    return [
        sa.Column("message_count", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("indexed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("said_from", sa.BigInteger(), nullable=True),
        sa.Column("said_until", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.Column("waiting_since", sa.BigInteger(), nullable=True),
        sa.Column("quiet_at", sa.BigInteger(), nullable=True),
    ]


def upgrade() -> None:
    for column in _columns():
        op.add_column("conversations", column)
    op.add_column("messages", sa.Column("received_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "participants",
        sa.Column("conversation", NUMBER, nullable=False),
        sa.Column("author", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation"],
            ["conversations.number"],
            name=op.f("fk_participants_conversation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("conversation", "author", name=op.f("pk_participants")),
        sqlite_with_rowid=False,
    )
    for statement in COUNT_WHAT_IS_THERE:
        op.execute(statement)
    op.create_index("ix_participants_author", "participants", ["author", "conversation"])
    op.drop_index("ix_conversations_author", table_name="conversations")
    _index("ix_conversations_author", ["author", "number", "is_chat", "timestamp"], "author IS NOT NULL")
    for name, (columns, where) in INDEXES.items():
        _index(name, columns, where)
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SEARCH_ON_SQLITE if on_sqlite else SEARCH_ON_POSTGRESQL:
        op.execute(statement)


def _index(name: str, columns: list[str], where: str) -> None:
    only = sa.text(where)
    op.create_index(name, "conversations", columns, sqlite_where=only, postgresql_where=only)


def downgrade() -> None:
    op.execute("DROP TABLE search")
    for name in (*INDEXES, "ix_conversations_author"):
        op.drop_index(name, table_name="conversations")
    _index("ix_conversations_author", ["author", "number"], "author IS NOT NULL")
    op.drop_table("participants")
    op.drop_column("messages", "received_at")
    for column in reversed(_columns()):
        op.drop_column("conversations", column.name)
