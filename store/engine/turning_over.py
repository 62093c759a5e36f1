"""Turns a PostgreSQL database over to partitions by month while it is used: what is there becomes the first partition.

No row is copied but for the ids. Each step is a transaction that finds out by itself what is left of it, so whoever
was killed begins again and goes on. Statements of processes that run meanwhile, also of an older version, stay right
before, between and after the steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection, text

from domain.months import first_number, month_of
from store.engine.partitions import (
    FAMILIES,
    PATIENCE,
    Family,
    Partition,
    add_partition,
    attach_partition,
    hold_partitions,
    is_partitioned,
    make_months,
)

BEFORE = "before"
"""The name of the first partition."""
HIGHEST = first_number(100)
"""Above all numbers that are given without partitions, and below those that are given with them."""
FILLING_LOCK = 7_201_717
"""Shared by whoever deletes conversations, so that none is deleted between the reading of its ids and their storing."""
IDS = "number, id, external_id, idempotency_key, owner"
KEEP = """
CREATE OR REPLACE FUNCTION keep_conversation_ids() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {table} ({ids})
    VALUES (NEW.number, NEW.id, NEW.external_id, NEW.idempotency_key, NEW.owner)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN RETURN NEW; END IF;
    -- Stored already: the row is left out, as ON CONFLICT DO NOTHING leaves it out where there are no partitions.
    RETURN NULL;
END $$
"""
FORGET = """
CREATE OR REPLACE FUNCTION forget_conversation_ids() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {first}
    DELETE FROM {table} WHERE number = OLD.number;
    RETURN NULL;
END $$
"""
TRIGGERS = (
    "CREATE TRIGGER keep_ids {when} INSERT ON conversations FOR EACH ROW EXECUTE FUNCTION keep_conversation_ids()",
    "CREATE TRIGGER forget_ids AFTER DELETE ON conversations FOR EACH ROW EXECUTE FUNCTION forget_conversation_ids()",
)
FILLED = (
    "CREATE TABLE filled_ids (LIKE conversation_ids, CONSTRAINT pk_conversation_ids PRIMARY KEY (number))",
    "ALTER TABLE filled_ids ALTER id SET NOT NULL, ALTER owner SET NOT NULL",
    "CREATE UNIQUE INDEX uq_conversation_ids_id ON filled_ids (id)",
    *(
        f"CREATE UNIQUE INDEX uq_conversation_ids_{name} ON filled_ids ({name}, owner) WHERE {name} IS NOT NULL"
        for name in ("external_id", "idempotency_key")
    ),
)


def keep_ids(connection: Connection) -> None:
    """Have all ids that come from now on kept by themselves as well."""
    hold_partitions(connection)
    if is_partitioned(connection) or _exists(connection, "filled_ids"):
        return
    connection.exec_driver_sql(PATIENCE)
    # First, so that a lock that is not there is waited for before anything else is done.
    connection.exec_driver_sql("LOCK TABLE conversations IN SHARE ROW EXCLUSIVE MODE")
    locked = f"PERFORM pg_advisory_xact_lock_shared({FILLING_LOCK});"
    _keep_ids_in(connection, "filled_ids", when="AFTER", first=locked, then=FILLED)


def _keep_ids_in(
    connection: Connection, table: str, *, when: str, first: str = "", then: Sequence[str] = ()
) -> None:
    functions = KEEP.format(table=table, ids=IDS), FORGET.format(table=table, first=first)
    for statement in (*then, *functions, *(each.format(when=when) for each in TRIGGERS)):
        connection.exec_driver_sql(statement)


def _exists(connection: Connection, table: str) -> bool:
    return connection.scalar(text("SELECT to_regclass(:name)"), {"name": table}) is not None


@dataclass(frozen=True, slots=True)
class FilledIds:
    """What a step did: from which number down ids are there, and how many conversations it looked at."""

    down_to: int | None
    rows: int


FILL = text(f"""
    WITH next_ones AS MATERIALIZED (
        SELECT {IDS} FROM conversations
        WHERE number < coalesce(:below, (SELECT min(number) FROM filled_ids), {2**63 - 1})
        ORDER BY number DESC LIMIT :limit
    ), stored AS (
        INSERT INTO filled_ids ({IDS}) SELECT {IDS} FROM next_ones ON CONFLICT DO NOTHING
    )
    SELECT min(number), count(*) FROM next_ones
""")  # noqa: S608  of constants


def fill_ids(connection: Connection, *, below: int | None, limit: int) -> FilledIds:
    """Store the ids of the next conversations, from the newest down: so the lowest number says how far it has come."""
    if is_partitioned(connection):
        return FilledIds(None, 0)
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": FILLING_LOCK})
    down_to, rows = connection.execute(FILL, {"below": below, "limit": limit}).one()
    return FilledIds(down_to, rows)


def bound_numbers(connection: Connection, family: Family, table: str) -> None:
    """Have a table refuse numbers that are not of the first partition. What it has is not looked at yet."""
    hold_partitions(connection)
    if is_partitioned(connection) or _bound(connection, table) is not None:
        return
    connection.exec_driver_sql(PATIENCE)
    check = f"CHECK ({family.tables[table]} < {HIGHEST}) NOT VALID"
    connection.exec_driver_sql(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_before {check}")


BOUND = text(
    "SELECT convalidated FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname = :name"
)


def _bound(connection: Connection, table: str) -> bool | None:
    """Whether all rows of a table are known to be within the bound; None if it has none."""
    found: bool | None = connection.scalar(BOUND, {"table": table, "name": f"ck_{table}_before"})
    return found


def look_through(connection: Connection, table: str) -> None:
    """Have PostgreSQL read a table once, beside all readers and writers, so that the switch need not."""
    if _bound(connection, table) is False:
        connection.exec_driver_sql(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_before")


def put_in_place(connection: Connection, now: int, *, splits: Sequence[int] = ()) -> None:
    """Put partitioned tables in the place of all big ones, which become their first partitions.

    `splits` are further numbers at which a partition is to begin. Raises SQLAlchemyError if the locks on all tables
    are not to be had within half a second.
    """
    hold_partitions(connection)
    if is_partitioned(connection):
        return
    connection.exec_driver_sql(PATIENCE)
    tables = ", ".join(table for family in FAMILIES for table in family.tables)
    connection.exec_driver_sql(f"LOCK TABLE {tables}, filled_ids IN ACCESS EXCLUSIVE MODE")
    # Those on the plain table: the partitioned one gets its own, and its partitions with it.
    connection.exec_driver_sql("DROP TRIGGER keep_ids ON conversations")
    connection.exec_driver_sql("DROP TRIGGER forget_ids ON conversations")
    ends = [*splits, first_number(month_of(now))]
    for family in FAMILIES:
        for table, key in family.tables.items():
            _switch(connection, table, key, Partition(BEFORE, None, ends[0]))
        connection.exec_driver_sql(f"ALTER SEQUENCE {family.sequence} OWNED BY {family.root}.number")
        for first, end in pairwise(ends):
            add_partition(connection, family, Partition(f"from_{first}", first, end))
    connection.exec_driver_sql("DROP VIEW conversation_ids")
    connection.exec_driver_sql("ALTER TABLE filled_ids RENAME TO conversation_ids")
    _keep_ids_in(connection, "conversation_ids", when="BEFORE")
    make_months(connection, now)


INDEXES = text("""
    SELECT relname, pg_get_indexdef(indexrelid),
        (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conindid = indexrelid AND contype = 'p')
    FROM pg_index JOIN pg_class ON oid = indexrelid
    WHERE indrelid = to_regclass(:table) AND (NOT indisunique OR :key = ANY (
        SELECT attname FROM pg_attribute WHERE attrelid = indrelid AND attnum = ANY (indkey)
    ))
""")
NAMES = text(
    "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = to_regclass(:table)"
)


def _switch(connection: Connection, table: str, key: str, partition: Partition) -> None:
    """Rename a table and its indexes, and put a partitioned one with the same columns and indexes in its place.

    An index that keeps something else unique than rows of one number cannot be over all partitions.
    """
    old = f"{table}_{partition.name}"
    indexes = connection.execute(INDEXES, {"table": table, "key": key}).all()
    run = connection.exec_driver_sql
    for name in connection.scalars(NAMES, {"table": table}).all():
        run(f"ALTER INDEX {name} RENAME TO {name}_{partition.name}")
    run(f"ALTER TABLE {table} RENAME TO {old}")
    copied = "INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE"
    run(f"CREATE TABLE {table} (LIKE {old} {copied}) PARTITION BY RANGE ({key})")
    run(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_before")
    for name, definition, primary_key in indexes:
        run(f"ALTER TABLE {table} ADD CONSTRAINT {name} {primary_key}" if primary_key else definition)
    attach_partition(connection, table, old, partition)
    run(f"ALTER TABLE {old} DROP CONSTRAINT ck_{table}_before")


def at_once(connection: Connection, now: int, *, splits: Sequence[int] = ()) -> None:
    """Do all steps in one transaction, in a database that nobody uses."""
    keep_ids(connection)
    while fill_ids(connection, below=None, limit=10_000).rows:
        pass
    for family in FAMILIES:
        for table in family.tables:
            bound_numbers(connection, family, table)
    put_in_place(connection, now, splits=splits)
