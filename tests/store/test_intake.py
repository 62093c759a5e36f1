"""Intake commits posts in groups, a bulk as a whole."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from core.clock import parse
from core.errors import Conflicts
from database import Database
from models import conversations
from schemas import Conversation
from services.intake import Intake
from services.redaction import Redaction
from store.conversations.intake import Accepted, Conflict
from tests.support.rows import LATE, NOW, statuses

TEN = parse("2025-01-20T10:00:00Z")


def sent(**fields: Any) -> Conversation:
    """As it arrives: through JSON, and a text if nothing else is said."""
    given = fields if "messages" in fields else {"text": LATE, **fields}
    return Conversation.model_validate_json(json.dumps(given))


@asynccontextmanager
async def taking_in(db: Database, stored: list[int]) -> AsyncIterator[Intake]:
    """An Intake that commits; it notes in `stored` how often it has."""
    intake = Intake(db, lambda: NOW, Redaction(), lambda: stored.append(1))
    run = asyncio.create_task(intake.group.run())
    yield intake
    run.cancel()
    await asyncio.wait([run])


async def test_many_posts_are_stored_and_each_is_answered(db: Database) -> None:
    stored: list[int] = []
    async with taking_in(db, stored) as intake:
        posts = [sent(text=f"{LATE} {number % 50}", external_id=f"{number % 50}") for number in range(100)]
        answers = await asyncio.gather(*(intake.accept(each, None) for each in posts))

    assert [answer.created for answer in answers if isinstance(answer, Accepted)] == [True] * 50 + [
        False
    ] * 50
    assert [answer.id for answer in answers[:50]] == [answer.id for answer in answers[50:]]
    assert len(await db.read(statuses)) == 50
    assert 1 <= len(stored) < 100


async def test_the_same_key_is_the_same_conversation(db: Database) -> None:
    async with taking_in(db, []) as intake:
        first = await intake.accept(sent(), "key")
        again = await intake.accept(sent(), "key")
        other = await intake.accept(sent(text="Something else altogether"), "key")

    assert again == Accepted(first.id, created=False)
    assert other == Conflict(first.id)


async def test_a_bulk_is_stored_as_a_whole(db: Database) -> None:
    stored: list[int] = []
    intake = Intake(db, lambda: NOW, Redaction(), lambda: stored.append(1))

    answers = await intake.accept_all([sent(), sent(external_id="x")], None, skip_conflicts=False)

    assert all(isinstance(answer, Accepted) and answer.created for answer in answers)
    assert stored == [1]


async def test_a_bulk_with_a_clash_stores_nothing_and_names_what_it_clashes_with(db: Database) -> None:
    intake = Intake(db, lambda: NOW, Redaction(), lambda: None)
    [known] = await intake.accept_all([sent(external_id="x")], None, skip_conflicts=False)
    before = await db.read(statuses)
    bulk = [sent(), sent(external_id="x", text="Other content than before"), sent(external_id="y")]

    with pytest.raises(Conflicts) as refused:
        await intake.accept_all(bulk, None, skip_conflicts=False)

    assert refused.value.at == {1: known.id}
    assert await db.read(statuses) == before


async def test_a_bulk_may_skip_what_clashes(db: Database) -> None:
    intake = Intake(db, lambda: NOW, Redaction(), lambda: None)
    [known] = await intake.accept_all([sent(external_id="x")], None, skip_conflicts=False)
    bulk = [sent(), sent(external_id="x", text="Other content than before"), sent(external_id="x"), sent()]

    one, two, three, four = await intake.accept_all(bulk, None, skip_conflicts=True)

    assert (two, three) == (Conflict(known.id), Accepted(known.id, created=False))
    assert [*await db.read(statuses)] == [known.id, one.id, four.id]


async def test_a_bulk_with_a_key_is_known_item_by_item(db: Database) -> None:
    intake = Intake(db, lambda: NOW, Redaction(), lambda: None)
    bulk = [sent(), sent()]

    first = await intake.accept_all(bulk, "key", skip_conflicts=False)
    again = await intake.accept_all(bulk, "key", skip_conflicts=False)

    assert first[0] != first[1]
    assert again == [replace(answer, created=False) for answer in first if isinstance(answer, Accepted)]


async def test_no_key_of_a_post_is_taken_for_that_of_a_bulks_item(db: Database) -> None:
    longest = "k" * 255
    async with taking_in(db, []) as intake:
        await intake.accept_all([sent()], longest, skip_conflicts=False)
        [found] = await db.read(
            lambda connection: connection.scalars(select(conversations.c.idempotency_key)).all()
        )

    assert found is not None
    assert found.startswith(longest)
    assert "\n" in found, "no header holds a line break"
