"""Curating topics: people rename, describe, hide and merge them, and take that back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from core.clock import Clock
from core.errors import BadTopicChange, TopicConflict
from database import Database
from domain.jobs import MERGE_TOPICS, SPLIT_TOPIC, SWEEP_TOPICS, UNDO_TOPICS
from store.discovery import proposals
from store.discovery.asking import ACCEPTANCE
from store.queue import long_jobs
from store.topics import changes, merging, splitting
from store.topics.catalogue import Topic
from store.topics.changes import EDIT, SPLIT, By


class Undone(NamedTuple):
    """What becomes of a change that is taken back: it is done, or a job is under way."""

    change: int
    job: str | None


@dataclass(frozen=True)
class Curation:
    """Changes topics. What takes longer than a request becomes a job; others are refused until it has ended."""

    database: Database
    clock: Clock

    async def edit(self, name: str, new: Mapping[str, str | None], actor: str) -> Topic:
        """Change a topic. Raises NoSuchTopic, TopicConflict, BadTopicChange."""
        return await self.database.write(partial(changes.edit, name=name, new=new, by=self._by(actor)))

    async def merge(self, sources: Sequence[str], into: str, actor: str) -> str:
        """Begin to merge topics; gives the id of the job. Raises NoSuchTopic, TopicConflict, BadTopicChange."""

        def merge(connection: Connection) -> str:
            found, target = merging.to_merge(connection, sources, into)
            _ensure_alone(connection)
            numbers = [each.number for each in found]
            asked = {"from": numbers, "into": target.number}
            counted = [each.counted_as for each in (target, *found) if each.counted_as is not None]
            total = merging.size(connection, counted)
            return long_jobs.create(connection, MERGE_TOPICS, asked, by=actor, now=self.clock(), total=total)

        return await self.database.write(merge)

    async def split(self, name: str, slug: str, how: Mapping[str, str], actor: str) -> str:
        """Begin to split conversations off a topic, by `words`, by a `group`, or as the analyzers
        answer what they `ask`; gives the id of the job.

        Raises NoSuchTopic, TopicConflict, BadTopicChange.
        """

        def split(connection: Connection) -> str:
            topic = splitting.to_split(connection, name, slug)
            _ensure_alone(connection)
            if "words" in how:
                splitting.ensure_words(how["words"])
            elif "group" in how and proposals.get(connection, how["group"]) is None:
                raise BadTopicChange("group: no proposal has this id")
            asked = {"topic": topic.number, "slug": slug, **how}
            total = (
                merging.size(connection, [topic.counted_as or topic.number]) if "group" not in how else None
            )
            return long_jobs.create(connection, SPLIT_TOPIC, asked, by=actor, now=self.clock(), total=total)

        return await self.database.write(split)

    async def undo(self, actor: str) -> Undone:
        """Take the newest change back, or begin to. Raises TopicConflict if there is none."""
        return await self.database.write(partial(self._undo, self._by(actor)))

    def _undo(self, by: By, connection: Connection) -> Undone:
        change = changes.last(connection)
        _ensure_alone(connection)
        if change.kind == EDIT:
            changes.undo_edit(connection, change, by)
            return Undone(change.number, None)
        if change.kind == SPLIT:
            total, asked = splitting.moved(connection, change.number), {"split": change.number}
            job = long_jobs.create(connection, UNDO_TOPICS, asked, by=by.actor, now=by.now, total=total)
            return Undone(change.number, job)
        return self._undo_merge(connection, change, by)

    def _undo_merge(self, connection: Connection, change: Row[Any], by: By) -> Undone:
        """Take a merge back at once, unless what was merged was made of several topics itself."""
        groups = merging.unions_needed(change)
        if not groups:
            if merging.undo(connection, change, {}, by):
                long_jobs.create(connection, SWEEP_TOPICS, {}, by=by.actor, now=by.now)
            return Undone(change.number, None)
        total = merging.size(connection, [number for group in groups for number in group["members"]])
        asked = {"groups": groups}
        job = long_jobs.create(connection, UNDO_TOPICS, asked, by=by.actor, now=by.now, total=total)
        return Undone(change.number, job)

    def _by(self, actor: str) -> By:
        return By(actor, self.clock())


def _ensure_alone(connection: Connection) -> None:
    kinds = MERGE_TOPICS, UNDO_TOPICS, SPLIT_TOPIC, ACCEPTANCE
    if (job := long_jobs.open_job(connection, kinds)) is not None:
        raise TopicConflict(f"Topics are being changed by {job}; wait for it, or cancel it")
