"""Transactions that stay open while something else happens: a call leaves, while its row is locked."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(frozen=True)
class OpenTransaction:
    """A transaction that is open."""

    connection: "AsyncConnection"

    async def run(
        self, fn: Callable[Concatenate[Connection, Given], Result], *given: Given.args, **named: Given.kwargs
    ) -> Result:
        """Run `fn` in it, with these arguments after the connection."""
        return await self.connection.run_sync(fn, *given, **named)

    async def undo(self) -> None:
        """End it without a trace."""
        await self.connection.rollback()


@dataclass(frozen=True)
class OpenTransactions:
    """Connections of their own, which no other work of the process can occupy."""

    engine: "AsyncEngine"

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[OpenTransaction]:
        """A transaction that is committed at the end of the block, or rolled back if it raises."""
        async with self.engine.connect() as connection:
            yield OpenTransaction(connection)
            await connection.commit()
