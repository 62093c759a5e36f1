"""The tests on partitioned tables: with TEST_PARTITIONED=1, of those on PostgreSQL every one."""

import os
from collections.abc import Sequence
from functools import partial

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import URL

import database
from core import clock
from store.engine import turning_over

PARTITIONED = os.environ.get("TEST_PARTITIONED", "") == "1"
SPLITS = (4, 8)
"""Numbers at which partitions begin: few, so that the rows of most tests lie in several."""


def needs_plain_tables(connection: Connection, why: str) -> None:
    """Leave a test out where TEST_PARTITIONED has partitioned its database."""
    if PARTITIONED and connection.dialect.name == "postgresql":
        pytest.skip(why)


async def partition(url: URL, splits: Sequence[int] = (), now: int | None = None) -> None:
    """Partition the big tables of an empty database at these numbers, and by month from `now` on."""
    at_once = partial(turning_over.at_once, now=clock.now() if now is None else now, splits=splits)
    async with database.opened(url) as db:
        await db.write(at_once)
