"""whose external_id and idempotency_key: two owners may use the same one

Revision: 0014.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KEYS = ("external_id", "idempotency_key")


def upgrade() -> None:
    op.add_column(
        "conversations", sa.Column("owner", sa.String(100), server_default=sa.text("''"), nullable=False)
    )
    for key in KEYS:
        op.drop_index(f"ix_conversations_{key}", "conversations")
        _create(f"ix_conversations_{key}_owner", key, "owner")


def downgrade() -> None:
    for key in KEYS:
        op.drop_index(f"ix_conversations_{key}_owner", "conversations")
        _create(f"ix_conversations_{key}", key)
    op.drop_column("conversations", "owner")


def _create(name: str, *columns: str) -> None:
    given = sa.text(f"{columns[0]} IS NOT NULL")
    op.create_index(
        name, "conversations", [*columns], unique=True, sqlite_where=given, postgresql_where=given
    )
