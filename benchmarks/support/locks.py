"""Somebody else's lock on a database."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@asynccontextmanager
async def locked(database: URL, table: str = "conversations") -> AsyncIterator[None]:
    """Nobody else writes in the block: another process holds the SQLite file, another session the table."""
    if database.drivername.startswith("sqlite"):
        async with _locked_file(str(database.database)):
            yield
        return
    engine = create_async_engine(database, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        yield
    await engine.dispose()


@asynccontextmanager
async def _locked_file(path: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLD, path, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None  # noqa: S101  for the type checker
    assert process.stdout is not None  # noqa: S101  for the type checker
    try:
        await process.stdout.readline()
        yield
    finally:
        process.stdin.close()
        await process.wait()
