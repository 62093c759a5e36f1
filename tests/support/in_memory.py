"""A database in memory that counts what SQLite does."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, create_engine

from models import metadata

Result = TypeVar("Result")


@contextmanager
def in_memory() -> Iterator[Connection]:
    """An empty SQLite database whose work can be counted in steps."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        yield connection
    engine.dispose()


def steps(connection: Connection, read: Callable[[], Result]) -> tuple[Result, int]:
    """What that gives, and how many instructions of SQLite's virtual machine it took, in whole hundreds."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    ticks: list[int] = []
    driver.set_progress_handler(lambda: ticks.append(100), 100)
    result = read()
    driver.set_progress_handler(None, 0)
    return result, sum(ticks)
