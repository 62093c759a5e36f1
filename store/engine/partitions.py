"""The partitions of the big tables on PostgreSQL, one a month.

All that belongs to a conversation lies in the partition of its number, and refers to the conversation there: foreign
keys are between the partitions of a month, where they cost what they cost without partitions. The sender's ids are in
`conversation_ids`, where they stay unique over all months; triggers of `conversations` keep them there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, ForeignKey, text

from core.clock import SECOND
from domain.months import first_number, month_name, month_of
from models import metadata

MONTHS_AHEAD = 1
MONTHS_LOCK = 7_201_716
"""The advisory lock of a transaction that makes partitions or moves the numbers on."""
PATIENCE = "SET LOCAL lock_timeout = '500ms'"
"""Whoever waits for a lock on whole tables keeps everybody else waiting behind it, and gives up before PostgreSQL looks
for a deadlock."""


@dataclass(frozen=True)
class Family:
    """Tables with the same partitions, each with the column that says in which of them a row lies.

    Whoever is referred to comes first. That is the root, whose numbers the others have.
    """

    tables: Mapping[str, str]

    @property
    def root(self) -> str:
        """The table that gives the numbers."""
        return next(iter(self.tables))

    @property
    def sequence(self) -> str:
        """Where its numbers come from."""
        return f"{self.root}_number_seq"


_KEYED = (
    "messages participants insights insight_versions corrections quality_items insight_metadata"
    " summaries summary_parts topic_moves search"
)
CONVERSATIONS = Family({"conversations": "number"} | dict.fromkeys(_KEYED.split(), "conversation"))
CALLS = Family({"grok_calls": "number"})
FAMILIES = (CONVERSATIONS, CALLS)


@dataclass(frozen=True, slots=True)
class Partition:
    """The numbers from `first` on and below `end`; `first` is None if there is no lowest."""

    name: str
    """The end of the names of its tables."""
    first: int | None
    end: int


def is_partitioned(connection: Connection) -> bool:
    """Whether the big tables are partitioned."""
    kind = text("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass('conversations')")
    return connection.dialect.name == "postgresql" and bool(connection.scalar(kind))


PARTITIONS = text(
    "SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class"
    " WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(:root))"
)
A_DAY = 86_400 * SECOND
BOUNDS = re.compile(r"FOR VALUES FROM \('?(\w+)'?\) TO \('?(\d+)'?\)")


def partitions(connection: Connection, family: Family) -> Sequence[Partition]:
    """The partitions of a family, the oldest first."""
    found = [
        _partition(name.removeprefix(f"{family.root}_"), bounds)
        for name, bounds in connection.execute(PARTITIONS, {"root": family.root})
    ]
    return sorted(found, key=lambda each: each.end)


def _partition(name: str, bounds: str) -> Partition:
    read = BOUNDS.fullmatch(bounds)
    if read is None:
        raise ValueError(f"partition {name} has other bounds: {bounds}")
    first, end = read.groups()
    return Partition(name, None if first == "MINVALUE" else int(first), int(end))


def make_months(connection: Connection, now: int) -> Sequence[str]:
    """Make the partitions of this month and the next that are not there; gives their names."""
    hold_partitions(connection)
    made: list[str] = []
    for family in FAMILIES:
        there = partitions(connection, family)
        for month in range(month_of(now), month_of(now) + 1 + MONTHS_AHEAD):
            first = first_number(month)
            if all(each.end <= first for each in there):
                name = month_name(month)
                add_partition(connection, family, Partition(name, first, first_number(month + 1)))
                made.append(f"{family.root}_{name}")
    return made


def hold_partitions(connection: Connection) -> None:
    """Keep other processes from changing partitions until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MONTHS_LOCK})


def add_partition(connection: Connection, family: Family, partition: Partition) -> None:
    """Make a partition. Whoever reads or writes the others goes on meanwhile."""
    for table in family.tables:
        name = f"{table}_{partition.name}"
        copied = "INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE"
        how = _storage(connection, table)
        connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE {table} {copied}){how}")
        for reference in _references(family, table, partition.name):
            connection.exec_driver_sql(f"ALTER TABLE {name} ADD {reference}")
        attach_partition(connection, table, name, partition)


def attach_partition(connection: Connection, table: str, name: str, partition: Partition) -> None:
    """Make a table with the same columns a partition."""
    first = "MINVALUE" if partition.first is None else partition.first
    bounds = f"FROM ({first}) TO ({partition.end})"
    connection.exec_driver_sql(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES {bounds}")


STORAGE = text(
    "SELECT array_to_string(reloptions, ', ') FROM pg_class"
    " WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(:table))"
    " ORDER BY oid DESC LIMIT 1"
)


def _storage(connection: Connection, table: str) -> str:
    """As of the newest partition: the whole table cannot have such options."""
    options = connection.scalar(STORAGE, {"table": table})
    return f" WITH ({options})" if options else ""


def _references(family: Family, table: str, name: str) -> Sequence[str]:
    """The foreign keys of a partition: to the same partition of the family, or to a table that has none."""
    known = metadata.tables.get(table)
    keys = [] if known is None else sorted(known.foreign_keys, key=lambda key: key.parent.name)
    return [_reference(family, key, name) for key in keys]


def _reference(family: Family, key: ForeignKey, name: str) -> str:
    other = key.column.table.name
    there = f"{other}_{name}" if other in family.tables else other
    gone = f" ON DELETE {key.ondelete}" if key.ondelete else ""
    return f"FOREIGN KEY ({key.parent.name}) REFERENCES {there} ({key.column.name}){gone}"


def turn_month(connection: Connection, now: int) -> None:
    """Have the numbers go on at the first one of this month, if its partition is there and they are below it.

    In a transaction of its own: a sequence is not rolled back, and a partition that was made with it would be.
    """
    hold_partitions(connection)
    first = first_number(month_of(now))
    for family in FAMILIES:
        is_there = any(each.first == first for each in partitions(connection, family))
        if is_there and last_given(connection, family) < first:
            connection.execute(GO_ON, {"sequence": family.sequence, "first": first})


GO_ON = text("SELECT setval(to_regclass(:sequence), :first, false)")


def last_given(connection: Connection, family: Family) -> int:
    """The last number that was given."""
    return int(connection.exec_driver_sql(f"SELECT last_value FROM {family.sequence}").scalar_one())  # noqa: S608


def gather_statistics(connection: Connection, table: str) -> None:
    """Gather statistics of a table over all partitions, which PostgreSQL does not do by itself."""
    connection.exec_driver_sql(f"ANALYZE {table}")


def drop_emptied(connection: Connection, now: int) -> Sequence[str]:
    """Drop the oldest partitions that are over for a day and have no conversation left; gives their names.

    Calls go once every conversation that was stored until then is gone: nothing that is left came from them, but for
    what was answered from the cache.
    """
    dropped: list[str] = []
    there = partitions(connection, CONVERSATIONS)
    for each in _over(connection, CONVERSATIONS, now):
        if _is_empty(connection, each) and _is_empty_for_good(connection, each):
            drop_partition(connection, CONVERSATIONS, each)
            dropped.append(f"{CONVERSATIONS.root}_{each.name}")
    left = [each.end for each in there if f"{CONVERSATIONS.root}_{each.name}" not in dropped]
    for each in _over(connection, CALLS, now):
        if each.end < min(left):
            drop_partition(connection, CALLS, each)
            dropped.append(f"{CALLS.root}_{each.name}")
    return dropped


def _over(connection: Connection, family: Family, now: int) -> Sequence[Partition]:
    """The partitions into which nothing has been stored for a day."""
    end = min(first_number(month_of(now - A_DAY)), last_given(connection, family))
    return [each for each in partitions(connection, family) if each.end <= end]


def _is_empty(connection: Connection, partition: Partition) -> bool:
    first = f"SELECT number FROM {CONVERSATIONS.root}_{partition.name} ORDER BY number LIMIT 1"  # noqa: S608
    return connection.exec_driver_sql(first).scalar() is None


def _is_empty_for_good(connection: Connection, partition: Partition) -> bool:
    """Whether nobody has a row in it either that is not committed yet. Nobody stores into it any more then."""
    connection.exec_driver_sql(PATIENCE)
    connection.exec_driver_sql(f"LOCK TABLE {CONVERSATIONS.root}_{partition.name} IN ACCESS EXCLUSIVE MODE")
    return _is_empty(connection, partition)


def drop_partition(connection: Connection, family: Family, partition: Partition) -> None:
    """Drop a partition with all that is in it. The counts and ids of what was in it must be gone."""
    hold_partitions(connection)
    connection.exec_driver_sql(PATIENCE)
    tables = ", ".join(f"{table}_{partition.name}" for table in reversed([*family.tables]))
    connection.exec_driver_sql(f"DROP TABLE {tables}")
