"""what people correct, and what is drawn at random for them to check

Revision: 0033.
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PARTITIONS = sa.text(
    "SELECT substr(relname, length('conversations_') + 1), pg_get_expr(relpartbound, oid) FROM pg_class"
    " WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('conversations'))"
)


def upgrade() -> None:
    _create_corrections()
    _create_items()
    if op.get_bind().dialect.name == "postgresql":
        _partition_like_conversations("corrections", "conversation", "revision")
        _partition_like_conversations("quality_items", "conversation", "draw")


def _create_corrections() -> None:
    op.create_table(
        "corrections",
        sa.Column("conversation", Number, nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sentiment", sa.SmallInteger()),
        sa.Column("clusters", sa.Text()),
        sa.Column("outcome", sa.String(10)),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(100), nullable=False),
        *(
            sa.Column(f"model_{name}", sa.SmallInteger(), nullable=False)
            for name in ("score", "sentiment", "confidence")
        ),
        sa.Column("model_clusters", sa.Text(), nullable=False),
        sa.Column("model_outcome", sa.String(10)),
        sa.Column("analyzer", sa.String(20), nullable=False),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("prompt_version", sa.String(40), nullable=False),
        *_keys("corrections", "revision"),
        sa.CheckConstraint("sentiment IN (-1, 0, 1)", name="sentiment"),
        sa.CheckConstraint(
            "sentiment IS NOT NULL OR clusters IS NOT NULL OR outcome IS NOT NULL", name="says_something"
        ),
        sqlite_with_rowid=False,
    )


def _create_items() -> None:
    op.create_table(
        "quality_items",
        sa.Column("conversation", Number, nullable=False),
        sa.Column("draw", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("chance", sa.Float(), nullable=False),
        sa.Column("drawn_at", sa.BigInteger(), nullable=False),
        *_keys("quality_items", "draw"),
        sqlite_with_rowid=False,
    )


def _keys(table: str, second: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.PrimaryKeyConstraint("conversation", second, name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(
            ["conversation"],
            ["conversations.number"],
            name=op.f(f"fk_{table}_conversation"),
            ondelete="CASCADE",
        ),
    )


def _partition_like_conversations(table: str, key: str, second: str) -> None:
    """Partition a table that was just created as `conversations` is, if it is."""
    run = op.get_bind().exec_driver_sql
    parts = op.get_bind().execute(PARTITIONS).all()
    if not parts:
        return
    run(f"ALTER TABLE {table} RENAME TO {table}_plain")
    run(
        f"CREATE TABLE {table} (LIKE {table}_plain INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
        f" PARTITION BY RANGE ({key})"
    )
    run(f"DROP TABLE {table}_plain")
    run(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({key}, {second})")
    for name, bounds in parts:
        part = f"{table}_{name}"
        run(f"CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)")
        run(
            f"ALTER TABLE {part} ADD FOREIGN KEY ({key}) REFERENCES conversations_{name} (number)"
            " ON DELETE CASCADE"
        )
        run(f"ALTER TABLE {table} ATTACH PARTITION {part} {bounds}")


def downgrade() -> None:
    op.drop_table("quality_items")
    op.drop_table("corrections")
