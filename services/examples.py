"""Follows the corrections that analyzers are told as examples."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.clock import Clock
from database import Database
from domain.buckets import DAY, MICROSECONDS
from domain.examples import LONGEST, MOST_EXAMPLES, PromptExample, ToldExamples
from domain.fields.fieldsets import FieldAnswers
from domain.text import Show, Turn, transcript
from store.conversations.turns import load_turns
from store.insights.examples import Telling, telling_corrections

log = structlog.get_logger()
EVERY_SECONDS = 30.0
Chosen = tuple[tuple[int, int], PromptExample]
"""An example by its conversation and the time of its correction."""


@dataclass
class FollowedExamples:
    """Keeps the examples of a UTC day: the most telling of those corrected before it. All processes choose the same.

    New ones are chosen at midnight only, so that the prompt's prefix stays in the provider's cache. One that is not
    there any more (deleted, taken back, corrected again, drawn to be checked) is left out within half a minute.
    """

    database: Database
    clock: Clock
    shown: Show
    """What analyzers are shown of a text."""
    told: ToldExamples = field(default_factory=ToldExamples)
    _day: int = -1
    _chosen: tuple[Chosen, ...] = ()

    async def run(self) -> None:
        """Follow the database until cancelled."""
        while True:
            try:
                await self.refresh()
            except (SQLAlchemyError, OSError) as error:
                log.info("examples_not_read", error=type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)

    async def refresh(self) -> None:
        """Choose the day's examples, or leave out what is gone. Raises SQLAlchemyError."""
        day = self.clock() // MICROSECONDS[DAY]
        found = await self.database.read(lambda connection: self._read(connection, day))
        if day == self._day:
            there = {key for key, _ in found}
            found = [each for each in self._chosen if each[0] in there]
        self._day, self._chosen = day, tuple(found)
        self.told.examples = tuple(example for _, example in found)

    def _read(self, connection: Connection, day: int) -> list[Chosen]:
        telling = telling_corrections(connection, before=day * MICROSECONDS[DAY])
        turns = load_turns(connection, {each.conversation: each.message_count for each in telling})
        found = []
        for each in telling:
            said = turns[each.conversation]
            if said and (text := self._text(each, said)):
                found.append(
                    (
                        (each.conversation, each.made_at),
                        PromptExample(text, each.score, each.clusters, self._answers(each)),
                    )
                )
        # More than are told, so that one that is still there is known to be.
        return found if day == self._day else found[:MOST_EXAMPLES]

    def _answers(self, each: Telling) -> FieldAnswers | None:
        """A person may have typed in the text of a field what analyzers are not shown of the conversation."""
        return None if each.fields is None else each.fields.with_texts(self.shown)

    def _text(self, each: Telling, said: Sequence[Turn]) -> str:
        turns = [(role, self.shown(text)) for role, text in said]
        text = transcript(turns) if each.is_chat else turns[0][1]
        return text if len(text) <= LONGEST else ""
