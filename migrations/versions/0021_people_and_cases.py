"""who wrote in analysed conversations, counted by month, and which summaries are open

Summaries that were written before are filed by the service, because their content may be encrypted.

Revision: 0021.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
YEAR, MONTH, DAY = 3, 2, 1
CUSTOMER, AGENT = 1, 2
DAY_LENGTH = 86_400_000_000

ROLES = """
UPDATE participants SET roles = COALESCE((
    SELECT MAX(CASE WHEN role = 'support_agent' THEN 0 ELSE 1 END)
        + MAX(CASE WHEN role = 'support_agent' THEN 2 ELSE 0 END)
    FROM messages WHERE messages.conversation = participants.conversation AND messages.author = participants.author
), 1)
"""
PEOPLE = """
INSERT INTO people (author)
SELECT author FROM participants WHERE conversation IN (SELECT conversation FROM insights)
UNION
SELECT author FROM conversations
WHERE NOT is_chat AND author IS NOT NULL AND number IN (SELECT conversation FROM insights)
"""
FILED = """
INSERT INTO insight_people (conversation, role, person, timestamp, sentiment, score, open)
SELECT i.conversation, {role}, people.number, i.timestamp, i.sentiment, i.score, 0
FROM insights i JOIN {source} ON {theirs} JOIN people ON people.author = {author}
"""
IN_ROLE = "p.conversation = i.conversation AND p.roles IN ({role}, 3)"
OF_TEXT = "c.number = i.conversation AND NOT c.is_chat"
SUMS = ("n", "negative", "score_sum", "open", "unsure")
COUNTED = """
INSERT INTO people_counts (role, level, bucket, person, n, negative, score_sum, open, unsure)
SELECT role, {level}, {bucket}, person, {sums} FROM {source} WHERE {which} GROUP BY {groups}
"""
UNSURE = 2
OF_ROWS = (
    "COUNT(*), SUM(CASE WHEN sentiment < 0 THEN 1 ELSE 0 END), SUM(score), 0,"
    f" SUM(CASE sentiment WHEN {UNSURE} THEN 1 ELSE 0 END)"
)
OF_COUNTS = "SUM(n), SUM(negative), SUM(score_sum), 0, SUM(unsure)"


def upgrade() -> None:
    op.add_column(
        "participants", sa.Column("roles", sa.SmallInteger(), server_default=sa.text("1"), nullable=False)
    )
    op.add_column("summaries", sa.Column("timestamp", sa.BigInteger()))
    op.add_column("summaries", sa.Column("outcome", sa.String(10)))
    op.add_column("summaries", sa.Column("has_open_questions", sa.SmallInteger()))
    only = sa.text("content IS NOT NULL AND outcome IS NULL")
    op.create_index(
        "ix_summaries_not_filed", "summaries", ["conversation"], sqlite_where=only, postgresql_where=only
    )
    _create_people()
    _create_cases()
    for statement in (ROLES, PEOPLE, *_filing()):
        op.execute(statement)
    # After the rows: an index that is there while a million rows come in costs more than one that is made then.
    _create_indexes()
    for statement in _counting():
        op.execute(statement)


def _create_people() -> None:
    op.create_table(
        "people",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_people")),
        sa.UniqueConstraint("author", name=op.f("uq_people_author")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "insight_people",
        sa.Column("conversation", NUMBER, autoincrement=False, nullable=False),
        sa.Column("role", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("person", NUMBER, autoincrement=False, nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.SmallInteger(), nullable=False) for name in ("sentiment", "score", "open")),
        sa.PrimaryKeyConstraint("conversation", "role", "person", name=op.f("pk_insight_people")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "people_counts",
        sa.Column("role", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person", NUMBER, autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.PrimaryKeyConstraint("role", "level", "bucket", "person", name=op.f("pk_people_counts")),
        sqlite_with_rowid=False,
    )


def _create_cases() -> None:
    known = sa.text("outcome IS NOT NULL")
    op.create_index(
        "ix_summaries_case",
        "summaries",
        ["outcome", "has_open_questions", "timestamp", "conversation"],
        sqlite_where=known,
        postgresql_where=known,
    )
    op.create_table(
        "case_counts",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("has_open_questions", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "level", "bucket", "outcome", "has_open_questions", name=op.f("pk_case_counts")
        ),
        sqlite_with_rowid=False,
    )


def _create_indexes() -> None:
    covered = ["conversation", "sentiment", "score", "open"]
    op.create_index("ix_insight_people_person", "insight_people", ["role", "person", "timestamp", *covered])
    op.create_index("ix_insight_people_window", "insight_people", ["role", "timestamp", "person", *covered])
    for name in ("n", "negative"):
        only = sa.text(f"{name} >= 3")
        columns = ["role", "level", "bucket", name, "person"]
        op.create_index(
            f"ix_people_counts_{name}", "people_counts", columns, sqlite_where=only, postgresql_where=only
        )


def _filing() -> Iterator[str]:
    for role in (CUSTOMER, AGENT):
        in_role = IN_ROLE.format(role=role)
        yield FILED.format(role=role, source="participants p", theirs=in_role, author="p.author")
    yield FILED.format(role=CUSTOMER, source="conversations c", theirs=OF_TEXT, author="c.author")


def _counting() -> Iterator[str]:
    ends = op.get_bind().execute(sa.text("SELECT MIN(timestamp), MAX(timestamp) FROM insight_people"))
    first, last = ends.one()
    for month in range(0) if first is None else range(_month_of(first), _month_of(last) + 1):
        which = f"timestamp >= {_start_of(month)} AND timestamp < {_start_of(month + 1)}"
        yield COUNTED.format(
            level=MONTH,
            bucket=month,
            sums=OF_ROWS,
            source="insight_people",
            which=f"role IN (1, 2) AND {which}",
            groups="role, person",
        )
    of_months = {"sums": OF_COUNTS, "source": "people_counts", "which": f"level = {MONTH}"}
    yield COUNTED.format(level=YEAR, bucket="bucket / 12", groups="role, bucket / 12, person", **of_months)
    day = f"timestamp / {DAY_LENGTH}"
    of_agents = {"sums": OF_ROWS, "source": "insight_people", "which": f"role = {AGENT}"}
    yield COUNTED.format(level=DAY, bucket=day, groups=f"role, {day}, person", **of_agents)


def _month_of(at: int) -> int:
    moment = datetime.fromtimestamp(at // 1_000_000, UTC)
    return (moment.year - 1970) * 12 + moment.month - 1


def _start_of(month: int) -> int:
    year, number = divmod(month, 12)
    return int(datetime(1970 + year, number + 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


def downgrade() -> None:
    for table in ("case_counts", "people_counts", "insight_people", "people"):
        op.drop_table(table)
    for name in ("case", "not_filed"):
        op.drop_index(f"ix_summaries_{name}", table_name="summaries")
    for name in ("timestamp", "outcome", "has_open_questions"):
        op.drop_column("summaries", name)
    op.drop_column("participants", "roles")
