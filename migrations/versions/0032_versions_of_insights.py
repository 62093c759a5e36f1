"""earlier versions of insights, the version of the prompt, and how many insights each analyzer, model and prompt has

Revision: 0032.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
QUARTER, DAY = 900_000_000, 86_400_000_000
PARTITIONS = sa.text(
    "SELECT substr(relname, length('conversations_') + 1), pg_get_expr(relpartbound, oid) FROM pg_class"
    " WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('conversations'))"
)


def upgrade() -> None:
    op.add_column(
        "insights", sa.Column("prompt_version", sa.String(40), server_default=sa.text("''"), nullable=False)
    )
    _create_versions()
    if op.get_bind().dialect.name == "postgresql":
        _partition_like_conversations("insight_versions", "conversation")
    _create_makers()


def _create_versions() -> None:
    op.create_table(
        "insight_versions",
        sa.Column("conversation", Number, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.String(10), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.SmallInteger(), nullable=False)
            for name in ("score", "sentiment", "confidence")
        ),
        sa.Column("clusters", sa.Text(), nullable=False),
        sa.Column("reasoning", sa.Text()),
        sa.Column("analyzer", sa.String(20), nullable=False),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("prompt_version", sa.String(40), nullable=False),
        sa.Column("language", sa.String(2)),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(100)),
        sa.Column("replaced_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("conversation", "number", name=op.f("pk_insight_versions")),
        sa.ForeignKeyConstraint(
            ["conversation"],
            ["conversations.number"],
            name=op.f("fk_insight_versions_conversation"),
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("origin IN ('analysis', 'correction')", name="origin"),
        sqlite_with_rowid=False,
    )


def _partition_like_conversations(table: str, key: str) -> None:
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
    run(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({key}, number)")
    for name, bounds in parts:
        part = f"{table}_{name}"
        run(f"CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)")
        run(
            f"ALTER TABLE {part} ADD FOREIGN KEY ({key}) REFERENCES conversations_{name} (number)"
            " ON DELETE CASCADE"
        )
        run(f"ALTER TABLE {table} ATTACH PARTITION {part} {bounds}")


def _create_makers() -> None:
    maker = ("analyzer", "model", "prompt_version")
    for table, bucket, length, key in (
        ("maker_days", "day", DAY, ("day", *maker)),
        ("maker_quarters", "quarter", QUARTER, (*maker, "quarter")),
    ):
        columns: dict[str, sa.types.TypeEngine[Any]] = {
            "analyzer": sa.String(20),
            "model": sa.String(100),
            "prompt_version": sa.String(40),
            bucket: sa.Integer(),
        }
        op.create_table(
            table,
            *(sa.Column(name, columns[name], autoincrement=False, nullable=False) for name in key),
            sa.Column("n", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{table}")),
            sqlite_with_rowid=False,
        )
        op.execute(
            f"INSERT INTO {table} ({bucket}, analyzer, model, prompt_version, n)"  # noqa: S608
            f" SELECT timestamp / {length}, analyzer, model, '', count(*) FROM insights GROUP BY 1, 2, 3"
        )
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"ALTER TABLE {table} SET (fillfactor = 70)")


def downgrade() -> None:
    for table in ("maker_quarters", "maker_days", "insight_versions"):
        op.drop_table(table)
    op.drop_column("insights", "prompt_version")
