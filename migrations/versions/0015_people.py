"""people who are being erased, and how many messages of a chat were

Revision: 0015.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

COUNTED = ("deleted", "changed", "messages", "insights", "summaries")


def upgrade() -> None:
    op.add_column(
        "conversations", sa.Column("erased", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.create_table(
        "erasures",
        sa.Column("person", sa.String(255), nullable=False),
        sa.Column("asked", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("client", sa.String(100), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("stepped_at", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False) for name in COUNTED),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_erasures")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("erasures")
    op.drop_column("conversations", "erased")
