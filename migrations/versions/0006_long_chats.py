"""an index of the chats that last for days, by which a window finds those that began long before it

Revision: 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    only = sa.text("said_until - said_from >= 86400000000")
    op.create_index(
        "ix_conversations_long_chat_time",
        "conversations",
        ["said_from", "said_until", "number"],
        sqlite_where=only,
        postgresql_where=only,
    )


def downgrade() -> None:
    op.drop_index("ix_conversations_long_chat_time", table_name="conversations")
