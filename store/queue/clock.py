"""The clock by which jobs fall due and leases end.

Processes that share a PostgreSQL server share its clock: were each to use its own, one that is an hour ahead would
claim what the others still hold. SQLite is served by a single process, and so by that process's clock.
"""

from typing import Any

from sqlalchemy import BigInteger, Connection, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from core import clock
from core.clock import Clock
from store.engine.prepared import Prepared


class ProcessClock:
    """The process's own clock, or one that a test moves. Times are UTC microseconds."""

    def __init__(self, own: Clock = clock.now) -> None:
        self._own = own

    def __call__(self) -> int:
        """The time now, outside a transaction."""
        return self._own()

    def now(self, connection: Connection) -> int:
        """The time now, for what is about to be claimed or held in this transaction."""
        return self._own()


class DatabaseClock(ProcessClock):
    """The clock of a PostgreSQL server.

    Inside a transaction it is read from the server. Elsewhere it is the process's own, corrected by the difference
    that the last reading found. Since a reading takes time to arrive, the corrected time is never ahead of the
    server's, so that nothing falls due later than it was meant to.
    """

    def __init__(self, own: Clock = clock.now) -> None:
        super().__init__(own)
        self._ahead = 0

    def __call__(self) -> int:
        """The time now, by the process's clock and the last reading."""
        return self._own() + self._ahead

    def now(self, connection: Connection) -> int:
        """The server's time now. Raises SQLAlchemyError."""
        read = int(NOW.scalar(connection, {}))
        self._ahead = read - self._own()
        return read


class clock_timestamp(FunctionElement[int]):
    """The server's time in UTC microseconds; unlike `now()` it moves on within a transaction."""

    type = BigInteger()
    inherit_cache = True


@compiles(clock_timestamp, "postgresql")
def _in_microseconds(element: clock_timestamp, compiler: Any, **given: Any) -> str:
    return "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


NOW = Prepared(select(clock_timestamp()))
