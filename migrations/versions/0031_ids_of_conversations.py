"""the ids of conversations by themselves, so that a partitioned database answers them by the same statements

Revision: 0031.
"""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE VIEW conversation_ids AS"
            " SELECT number, id, external_id, idempotency_key, owner FROM conversations"
        )


def downgrade() -> None:
    # In a partitioned database it is a table, and this fails: there is no way back from partitions.
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP VIEW conversation_ids")
