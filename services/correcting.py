"""Correcting what an analyzer says of a conversation; webhooks are told of the insight as it counts then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection

from core.clock import Clock
from core.errors import BadCorrection
from database import Database
from domain.topics import unknown_topic
from store.conversations.by_id import lock_number
from store.insights import correcting
from store.insights.correcting import Corrected, NotCorrected
from store.insights.topic_names import names_near
from store.queue import conversation_events


@dataclass(frozen=True)
class Correcting:
    """Corrects conversations in the name of whoever asks."""

    database: Database
    clock: Clock

    async def correct(self, id_: str, changes: Mapping[str, Any], actor: str) -> Corrected | NotCorrected:
        """Change what a person says of a conversation, in one transaction. Raises BadCorrection."""
        return await self.database.write(partial(self._correct, id_, changes, actor))

    def _correct(
        self, id_: str, changes: Mapping[str, Any], actor: str, connection: Connection
    ) -> Corrected | NotCorrected:
        if changes.get("clusters") is not None:
            changes = {**changes, "clusters": _known(connection, changes["clusters"])}
        number, now = lock_number(connection, id_), self.clock()
        if number is None:
            return NotCorrected.UNKNOWN
        done = correcting.correct(connection, number, changes, by=actor, at=now)
        if isinstance(done, Corrected) and done.insight is not None:
            conversation_events.note_analysed(connection, [done.insight], {}, now=now)
        return done


def _known(connection: Connection, names: Sequence[str]) -> tuple[str, ...]:
    """The topics, each once. Raises BadCorrection for one that nobody knows."""
    for place, name in enumerate(names):
        if (near := names_near(connection, name)) is not None:
            raise BadCorrection(f"clusters.{place}: {unknown_topic(near)}")
    return tuple(dict.fromkeys(names))
