"""an empty search index, because texts are split into other words; the service fills it in the background

Revision: 0009.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# FTS5's own command: deleting the entries one by one would need the words that they were added with.
EMPTY_ON_SQLITE = "INSERT INTO search (search) VALUES ('delete-all')"
EMPTY_ON_POSTGRESQL = "TRUNCATE search"


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(EMPTY_ON_SQLITE if on_sqlite else EMPTY_ON_POSTGRESQL)
    op.execute("UPDATE conversations SET indexed = 0 WHERE indexed > 0")


def downgrade() -> None:
    upgrade()  # the previous version has other words as well
