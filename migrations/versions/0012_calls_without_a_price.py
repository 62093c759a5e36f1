"""how many calls of a day had no known price, so that a cost of 0 is not taken for a gift

Revision: 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "spending", sa.Column("unpriced_calls", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )


def downgrade() -> None:
    op.drop_column("spending", "unpriced_calls")
