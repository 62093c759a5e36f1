"""Why the service or a program cannot start, as one line that names the setting and no Python class."""

import errno
import os
import sqlite3
from collections.abc import Mapping

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from core.database_url import place
from core.errors import CannotStart
from core.settings import Settings

DAMAGED = "is damaged; python -m database restore FILE puts a backup in its place"
SYSTEM: Mapping[int | None, str] = {
    errno.EISDIR: "is a folder; name a file in it",
    errno.EEXIST: "leads through a file that is no folder",
    errno.ENOTDIR: "leads through a file that is no folder",
    errno.ENAMETOOLONG: "is too long",
}
SQLITE: Mapping[int, str] = {
    sqlite3.SQLITE_NOTADB: "is not a database",
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
}


def start_complaint(error: Exception, settings: Settings) -> str:
    """Why it cannot start."""
    complaint = database_complaint(error, settings) if isinstance(error, SQLAlchemyError) else None
    return complaint or _first_line(error)


def database_complaint(error: Exception, settings: Settings) -> str | None:
    """Why the database cannot be opened; None for an error that is a bug. `error` may be a driver's own."""
    why = _why_not(error)
    if why is None:
        return None
    if isinstance(error, CannotStart):
        return f"{_setting(settings)}: {why}"
    return f"{_setting(settings)}: {' '.join(place(settings.url).values())} {why}"


def _why_not(error: Exception) -> str | None:
    match error:
        case DBAPIError():
            number = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
            return SQLITE.get(number) or f"cannot be used: {_first_line(error.orig or error)}"
        case OSError():
            why = os.strerror(error.errno) if error.errno else _first_line(error)
            return SYSTEM.get(error.errno) or f"cannot be opened: {why}"
        case CannotStart():
            return _first_line(error)
    is_the_drivers = isinstance(error, SQLAlchemyError | ValueError) or hasattr(error, "sqlstate")
    return f"cannot be used: {_first_line(error)}" if is_the_drivers else None


def _setting(settings: Settings) -> str:
    given = settings.url.database == str(settings.db_path) or "database_url" not in settings.model_fields_set
    return "DB_PATH" if given else "DATABASE_URL"


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else "it gives no reason"
