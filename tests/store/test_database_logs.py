"""What the log tells of a database: its errors by code, and never a parameter."""

import sqlite3
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from tests.support.log_lines import Lines, captured

SECRET = "hunter2-hunter2"


log = structlog.get_logger()


@pytest.fixture
def lines() -> Iterator[Lines]:
    with captured("DEBUG") as logged:
        yield logged


def test_sql_parameters_stay_out_of_the_log_at_debug(lines: Lines) -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(text("SELECT :said"), {"said": SECRET})
    engine.dispose()

    assert SECRET not in str(lines)


def test_a_database_error_is_named_with_its_code_and_without_its_parameters(lines: Lines) -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE a (b PRIMARY KEY)"))
        insert = text("INSERT INTO a VALUES (:b)")
        connection.execute(insert, {"b": SECRET})
        with pytest.raises(IntegrityError) as caught:
            connection.execute(insert, {"b": SECRET})
    engine.dispose()

    log.error("odd", exc_info=caught.value)

    line = lines.events()[0]
    assert line["error"] == "sqlalchemy.exc.IntegrityError"
    assert (
        line["causes"][0]
        == f"{sqlite3.IntegrityError.__module__}.IntegrityError (SQLITE_CONSTRAINT_PRIMARYKEY)"
    )
    assert SECRET not in str(lines)
