"""keys of an encrypted database, and columns for the sealed names of authors, beside the HMACs that find them

Revision: 0017.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

WITH_AUTHORS = ("conversations", "messages", "insights", "participants")


def upgrade() -> None:
    op.create_table(
        "encryption_keys",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("index_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_encryption_keys")),
    )
    for table in WITH_AUTHORS:
        op.add_column(table, sa.Column("sealed_author", sa.Text()))
    op.add_column("erasures", sa.Column("sealed_person", sa.Text()))


def downgrade() -> None:
    op.drop_column("erasures", "sealed_person")
    for table in WITH_AUTHORS:
        op.drop_column(table, "sealed_author")
    op.drop_table("encryption_keys")
