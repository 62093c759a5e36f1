"""Which errors of a database mean that it cannot serve just now: what a client is told, and which connections end."""

from typing import Any

import asyncpg
import pytest
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection, PGDialect_asyncpg
from sqlalchemy.exc import DBAPIError

from api.errors import to_api_error

BY_DRIVER = [
    asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
    asyncpg.IdleInTransactionSessionTimeoutError("terminating connection"),
    asyncpg.InvalidSQLStatementNameError("prepared statement does not exist"),
    asyncpg.DuplicatePreparedStatementError("prepared statement already exists"),
    asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    asyncpg.SerializationError("canceling statement due to conflict with recovery"),
    asyncpg.InvalidCachedStatementError("cached statement plan is invalid"),
    asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
    asyncpg.TargetServerAttributeNotMatched("None of the hosts match the target attribute requirement"),
]
"""What a failover, a pooler, a demoted primary and a change of the schema give."""


def as_raised(error: Exception) -> BaseException:
    """The driver's error as it leaves SQLAlchemy."""
    dialect: Any = PGDialect_asyncpg
    driver = dialect.import_dbapi()
    with pytest.raises(driver.Error) as caught:
        AsyncAdapt_asyncpg_connection._handle_exception_no_connection(driver, error)
    raised: BaseException = DBAPIError.instance("SELECT 1", {}, caught.value, driver.Error)
    return raised


@pytest.mark.parametrize("error", BY_DRIVER, ids=lambda error: type(error).__name__)
def test_what_passes_is_503_and_says_when_to_try_again(error: Exception) -> None:
    answer = to_api_error(as_raised(error))  # type: ignore[arg-type]

    assert (answer.status_code, answer.code) == (503, "database_unavailable")
    assert answer.retry_after == 1


def test_a_connection_lost_while_it_is_made_is_503() -> None:
    answer = to_api_error(ConnectionError("unexpected connection_lost() call"))

    assert (answer.status_code, answer.retry_after) == (503, 1)
