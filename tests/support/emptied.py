"""PostgreSQL databases that tests use one after another, emptied between them.

To copy the template takes the server 180 ms of CPU, more than most tests need in all; to empty a copy, 15 to 60.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import asyncpg
from sqlalchemy.engine import URL

from benchmarks.support.databases import administer

END_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# A table has a page as soon as it has had a row, also one that was rolled back; a sequence goes on even where the row
# was refused before that.
EMPTY = """
DO $$ DECLARE used text; BEGIN
    SELECT string_agg(oid::regclass::text, ', ') INTO used FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
        AND pg_relation_size(oid) > 0;
    IF used IS NOT NULL THEN EXECUTE 'TRUNCATE ' || used || ' RESTART IDENTITY CASCADE'; END IF;
    PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE last_value IS NOT NULL;
END $$
"""
# What no test changes that only writes rows: definitions, of which each change has a row with a new xmin; what ANALYZE
# found out; where sequences begin; how many tables have rows from the start; what the database allows.
STATE = """
SELECT relname, oid::text, reloptions::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'columns', count(*)::text, max(xmin::text::bigint)::text FROM pg_attribute WHERE attrelid >= 16384
UNION ALL SELECT 'defaults', count(*)::text, max(xmin::text::bigint)::text FROM pg_attrdef
UNION ALL SELECT 'constraints', count(*)::text, max(xmin::text::bigint)::text FROM pg_constraint
UNION ALL SELECT 'indexes', count(*)::text, max(xmin::text::bigint)::text FROM pg_index
UNION ALL SELECT 'functions', count(*)::text, max(xmin::text::bigint)::text FROM pg_proc
UNION ALL SELECT 'triggers', count(*)::text, max(xmin::text::bigint)::text FROM pg_trigger
UNION ALL SELECT 'statistics', count(*)::text, NULL FROM pg_statistic WHERE starelid >= 16384
UNION ALL SELECT sequencename, last_value::text, NULL FROM pg_sequences
UNION ALL SELECT 'filled', count(*)::text, NULL FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
UNION ALL SELECT version_num, NULL, NULL FROM alembic_version
UNION ALL SELECT 'settings', count(*)::text, NULL FROM pg_db_role_setting
UNION ALL SELECT 'allowed', datallowconn::text, datconnlimit::text FROM pg_database
    WHERE datname = current_database()
"""


@dataclass
class Copies:
    """Copies of a template on a server; `names` are those they are given."""

    server: URL
    template: str
    names: Iterator[str]
    _free: list[str] = field(default_factory=list)
    _as_made: dict[str, object] = field(default_factory=dict)

    @contextmanager
    def lent(self) -> Iterator[URL]:
        """An empty database, which nobody else uses meanwhile."""
        name = self._free.pop() if self._free else self._made()
        yield self.server.set(database=name)
        if self._emptied(name):
            self._free.append(name)
        else:
            self._drop(name)

    def drop_all(self) -> None:
        """Drop those that nobody uses."""
        while self._free:
            self._drop(self._free.pop())

    def _made(self) -> str:
        name = next(self.names)
        how = f"CREATE DATABASE {name} TEMPLATE {self.template} STRATEGY file_copy"
        asyncio.run(administer(self.server, how))
        self._as_made[name] = asyncio.run(_state(self.server.set(database=name)))
        return name

    def _emptied(self, name: str) -> bool:
        """Whether it is as it was made, now that its rows are gone."""
        try:
            left = asyncio.run(_state(self.server.set(database=name), END_OTHERS, EMPTY))
            return left == self._as_made[name]
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return False

    def _drop(self, name: str) -> None:
        asyncio.run(administer(self.server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


async def _state(url: URL, *statements: str) -> object:
    """What a database is like after these statements, but for its rows."""
    # An engine of SQLAlchemy's asks a server what it is before it does anything: as much CPU again.
    connection = await asyncpg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        for statement in statements:
            await connection.execute(statement)
        return sorted(str(tuple(row)) for row in await connection.fetch(STATE))
    finally:
        await connection.close()
