"""Connections on which a transaction begins soon, or not at all. Imported only where there is PostgreSQL."""

from typing import TYPE_CHECKING, Any

import asyncpg

from store.engine.limits import BEGIN_SECONDS

if TYPE_CHECKING:
    Base = asyncpg.Connection[asyncpg.Record]
else:
    Base = asyncpg.Connection  # generic only in its stubs


class Answering(Base):
    """Gives up its server where that does not begin a transaction in time.

    The pool begins one to see whether a connection is alive before it lends it, and tries a new connection instead of
    one that was given up.
    """

    async def execute(self, query: str, *args: object, **options: Any) -> str:
        """Execute it as the base class does. Raises InterfaceError if nothing answers to a BEGIN."""
        if not query.startswith("BEGIN") or args:
            return await super().execute(query, *args, **options)
        try:
            return await super().execute(query, timeout=BEGIN_SECONDS)
        except TimeoutError:
            self.terminate()
            raise asyncpg.InterfaceError(f"no transaction began within {BEGIN_SECONDS:g} s") from None
