"""Opens a PostgreSQL database: a pool of readers, a pool of writers, and one migration at a time."""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.engine import URL

from store.engine.limits import LOCK_TIMEOUT_SECONDS, POOL_TIMEOUT_SECONDS
from store.engine.migration import migrate
from store.engine.readers import PooledReaders, Readers
from store.engine.writers import OnCommit, PooledWriters, Writers

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

CONNECTIONS = 8
MIGRATION_LOCK = 7_201_711  # an arbitrary number that all processes share


async def opened(url: URL, committed: OnCommit, stack: AsyncExitStack) -> tuple[Readers, Writers, Readers]:
    """Open two pools on the database at `url` and migrate it; `stack` closes them.

    Raises UnknownSchema, SQLAlchemyError, OSError.
    """
    writers = await _engine(stack, url, **_options(default_transaction_read_only="off"))
    readers = await _engine(
        stack, url, isolation_level="REPEATABLE READ", **_options(default_transaction_read_only="on")
    )
    async with writers.begin() as connection:
        # Wait without a time-out, because another process may be migrating.
        await connection.execute(text("SET LOCAL lock_timeout = 0"))
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        await connection.run_sync(migrate)
    reading = PooledReaders(readers)
    return reading, PooledWriters(writers, committed), reading


def _options(**server_settings: str) -> dict[str, Any]:
    # All our statements are short, so JIT compilation costs more than it saves.
    named = {
        "application_name": "insights-platform",
        "jit": "off",
        "lock_timeout": f"{LOCK_TIMEOUT_SECONDS * 1000:.0f}",
        **server_settings,
    }
    return {
        "pool_size": CONNECTIONS,
        "max_overflow": 0,
        "pool_timeout": POOL_TIMEOUT_SECONDS,
        "pool_pre_ping": True,
        "connect_args": {"server_settings": named},
    }


async def _engine(stack: AsyncExitStack, url: URL, **options: Any) -> "AsyncEngine":
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url, **options)
    stack.push_async_callback(engine.dispose)
    return engine
