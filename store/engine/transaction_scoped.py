"""Connections through a pooler that gives each transaction another session. Imported only where there is one."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from store.engine.answering import Answering


class TransactionScoped(Answering):
    """Gives its settings to each transaction, in the message that begins it: without a further round trip.

    SET would leave them to whoever has the session next, and lose them. A pooler refuses them as parameters of the
    start-up.
    """

    begins_with = ""

    async def execute(self, query: str, *args: object, **options: Any) -> str:
        """Execute it as the base class does."""
        if query.startswith("BEGIN") and not args:
            query += self.begins_with
        return await super().execute(query, *args, **options)


async def open_scoped(dsn: str, seconds: float, settings: Mapping[str, str]) -> TransactionScoped:
    """Connect without prepared statements that have a name: another session would not know them, or know others."""
    connection: TransactionScoped = await asyncpg.connect(
        dsn,
        timeout=seconds,
        connection_class=TransactionScoped,
        statement_cache_size=0,
        server_settings={"application_name": settings["application_name"]},
    )
    calls = (f"set_config({_quoted(name)}, {_quoted(value)}, true)" for name, value in settings.items())
    connection.begins_with = f" SELECT {', '.join(calls)};"
    return connection


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
