"""The topics that analyzers are told: stored at start, and followed while people change them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.clock import Clock
from core.waiters import wait_at_most
from database import Database
from domain.topics import ToldTopics
from store.topics import catalogue
from store.topics.seeding import seed

log = structlog.get_logger()
EVERY_SECONDS = 1.0


@dataclass
class FollowedTopics:
    """Keeps what analyzers are told as it is in the database, whichever process changes it."""

    database: Database
    told: ToldTopics = field(default_factory=lambda: ToldTopics({}))
    every: float = EVERY_SECONDS
    _changes: int = -1
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self) -> None:
        """Read soon: another process has told of a change."""
        self._news.set()

    async def run(self) -> None:
        """Follow the database until cancelled."""
        while True:
            self._news.clear()
            try:
                await self.refresh()
            except (SQLAlchemyError, OSError) as error:
                log.info("topics_not_read", error=type(error).__name__)
            await wait_at_most(self._news, self.every)

    async def refresh(self) -> None:
        """Read what has changed. Raises SQLAlchemyError."""
        found = await self.database.read(self._read)
        if found is not None:
            self._changes, topics = found
            self.told.replace(topics)

    def _read(self, connection: Connection) -> tuple[int, Mapping[str, str]] | None:
        changes = catalogue.changes(connection)
        return None if changes == self._changes else (changes, catalogue.told_topics(connection))


async def followed(database: Database, listed: Mapping[str, str], clock: Clock) -> FollowedTopics:
    """Store the topics of a list, and begin to follow what analyzers are told. Raises SQLAlchemyError."""
    gone = await database.write_at_start(partial(seed, listed=listed, now=clock()))
    if gone:
        log.info("topics_hidden", topics=gone, meaning="the list of topics names them no longer")
    topics = FollowedTopics(database)
    await topics.refresh()
    return topics
