"""Classifies database errors: whether the database cannot serve at the moment, and why."""

import errno
import socket
import sqlite3
from enum import StrEnum

from sqlalchemy import exc as sqlalchemy_errors


class Fault(StrEnum):
    """Why the database cannot serve at the moment. The values are the error codes that clients see."""

    STORAGE_FULL = "storage_full"
    UNAVAILABLE = "database_unavailable"


DISK_FULL = "53100"
# Connection, resources, operator, system; database or login missing; serialisation failure, lock time-out.
# 26000 and 42P05: a pooler between us has lost or mixed up a prepared statement. 55000: the database is closed to
# connections for now.
PASSING = ("08", "53", "57", "58", "3D", "28", "40", "55P03", "55000", "26000", "42P05")
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
    state = getattr(error, "sqlstate", None) or ""
    number = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    if state == DISK_FULL or number == sqlite3.SQLITE_FULL:
        return Fault.STORAGE_FULL
    if state.startswith(PASSING) or number in SQLITE_PASSING:
        return Fault.UNAVAILABLE
    return None


def _from_system(number: int | None) -> Fault | None:
    if number in NO_SPACE:
        return Fault.STORAGE_FULL
    return Fault.UNAVAILABLE if number in NO_ROUTE else None
