"""Classifies database errors: whether the database cannot serve at the moment, and why."""

import errno
import socket
import sqlite3
from enum import StrEnum

from sqlalchemy import exc as sqlalchemy_errors
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi as asyncpg_errors
from sqlalchemy.engine import ExceptionContext


class Fault(StrEnum):
    """Why the database cannot serve at the moment. The values are the error codes that clients see."""

    STORAGE_FULL = "storage_full"
    UNAVAILABLE = "database_unavailable"


DISK_FULL = "53100"
DEMOTED = "25006"
"""A write in a read-only transaction: the primary has become a standby, or has not been promoted yet."""
ENDED = ("08", "57P", "25P03", "25P04")
"""The connection is lost, or the server has ended it: by its operator, or because a transaction took too long."""
MIXED_UP = ("26000", "42P05")
"""A pooler between us has lost a prepared statement, or given it to somebody else."""
# Connection, resources, operator, system; database or login missing; serialisation failure, lock time-out.
# 55000: the database is closed to connections for now.
PASSING = ("53", "57", "58", "3D", "28", "40", "55P03", "55000", DEMOTED, *ENDED, *MIXED_UP)
DRIVERS_PASSING = (asyncpg_errors.InternalClientError, asyncpg_errors.InvalidCachedStatementError)
"""Errors without an SQLSTATE: the protocol was cut off in its middle, no host is what the URL asks for, or another
process has just changed the schema."""
SQLITE_PASSING = frozenset(
    getattr(sqlite3, f"SQLITE_{name}")
    for name in ("BUSY", "LOCKED", "NOMEM", "READONLY", "IOERR", "CORRUPT", "CANTOPEN", "PROTOCOL", "NOTADB")
)
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
NO_ROUTE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH})


def database_fault(error: BaseException) -> Fault | None:
    """The fault behind an error; None if the database itself can serve.

    A wrong statement or a violated constraint is a bug of ours, so it is None, although SQLite reports the first as an
    operational error too.
    """
    match error:
        case sqlalchemy_errors.DBAPIError():
            fault = _from_driver(error.orig)
            if fault is None and error.connection_invalidated:
                fault = Fault.UNAVAILABLE
        case sqlalchemy_errors.TimeoutError() | TimeoutError() | ConnectionError() | socket.gaierror():
            fault = Fault.UNAVAILABLE
        case OSError():
            fault = _from_system(error.errno)
        case _:
            fault = None
    return fault


def _from_driver(error: BaseException | None) -> Fault | None:
    state = _state(error)
    number = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    if state == DISK_FULL or number == sqlite3.SQLITE_FULL:
        return Fault.STORAGE_FULL
    passes = state.startswith(PASSING) or number in SQLITE_PASSING or isinstance(error, DRIVERS_PASSING)
    return Fault.UNAVAILABLE if passes else None


def discard_broken(context: ExceptionContext) -> None:
    """Keep the pool from lending a connection again on which nothing would succeed; a listener of `handle_error`.

    A primary that was demoted answers the pool's ping, so its connections would fail at every write, for ever. All of
    the pool lead to it, so all are given up.
    """
    error = context.original_exception
    state = _state(error)
    if state == DEMOTED:
        context.is_disconnect = True
    elif state.startswith((*ENDED, *MIXED_UP)) or isinstance(error, DRIVERS_PASSING):
        context.is_disconnect, context.invalidate_pool_on_disconnect = True, False


def _state(error: BaseException | None) -> str:
    """The SQLSTATE, or nothing."""
    return getattr(error, "sqlstate", None) or ""


def _from_system(number: int | None) -> Fault | None:
    if number in NO_SPACE:
        return Fault.STORAGE_FULL
    return Fault.UNAVAILABLE if number in NO_ROUTE else None
