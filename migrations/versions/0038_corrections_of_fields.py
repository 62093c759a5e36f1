"""corrections of answers to fields of one's own

Revision: 0038.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Columns = Mapping[str, sa.types.TypeEngine[Any]]
SAYS_SOMETHING = "sentiment IS NOT NULL OR clusters IS NOT NULL OR outcome IS NOT NULL"
NEW = {"fields": sa.Text(), "model_fields": sa.Text(), "model_fields_version": sa.String(12)}


def upgrade() -> None:
    _change(f"{SAYS_SOMETHING} OR fields IS NOT NULL", NEW)


def downgrade() -> None:
    op.execute(f"DELETE FROM corrections WHERE NOT ({SAYS_SOMETHING})")  # noqa: S608
    _change(SAYS_SOMETHING, {})


def _change(says_something: str, new: Columns) -> None:
    """Give the table these new columns, or take them away where there are none, and another check."""
    if op.get_bind().dialect.name == "sqlite":
        _replace(says_something, new)
        return
    op.drop_constraint(op.f("ck_corrections_says_something"), "corrections", type_="check")
    for name, kind in new.items():
        op.add_column("corrections", sa.Column(name, kind))
    for name in () if new else NEW:
        op.drop_column("corrections", name)
    op.create_check_constraint(op.f("ck_corrections_says_something"), "corrections", says_something)


def _replace(says_something: str, new: Columns) -> None:
    """SQLite changes no check: make the table anew and copy what is in it."""
    same = _columns()
    op.create_table(
        "new_corrections",
        *same,
        *(sa.Column(name, kind) for name, kind in new.items()),
        sa.PrimaryKeyConstraint("conversation", "revision", name=op.f("pk_corrections")),
        sa.ForeignKeyConstraint(
            ["conversation"],
            ["conversations.number"],
            name=op.f("fk_corrections_conversation"),
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("sentiment IN (-1, 0, 1)", name=op.f("ck_corrections_sentiment")),
        sa.CheckConstraint(says_something, name=op.f("ck_corrections_says_something")),
        sqlite_with_rowid=False,
    )
    names = ", ".join(column.name for column in same)
    op.execute(f"INSERT INTO new_corrections ({names}) SELECT {names} FROM corrections")  # noqa: S608
    op.drop_table("corrections")
    op.rename_table("new_corrections", "corrections")


def _columns() -> list[sa.Column[Any]]:
    return [
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
    ]
