"""Drafts of summaries for other processes: stored as long as the summary is held, sealed, and gone at its end."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.engine import URL

import database
from core.crypto import KeyRing
from database import Database
from domain.jobs import Failed
from models import summaries
from store.conversations.progress import ChatState, chat_states
from store.queue import summaries as queue
from store.queue.drafts import HeldDraft, store_drafts
from store.queue.renewal import renew
from store.queue.summaries import SummaryJob, Written
from tests.support.chat_data import added, said
from tests.support.rows import LEASE, NOW, stored
from tests.support.summary_data import a_part

TOKEN = "held by this worker"


@pytest.fixture
async def sealed(database_url: URL) -> AsyncIterator[Database]:
    async with database.opened(database_url, ring=KeyRing([bytes(32)])) as opened:
        yield opened


def held(connection: Connection) -> SummaryJob:
    """A summary that is being written."""
    added(connection, said("c"))
    queue.ask(connection, "c", now=NOW)
    job = queue.claim(connection, now=NOW, token=TOKEN, until=NOW + LEASE, suspects=True)
    assert job is not None
    return job


def state(connection: Connection) -> ChatState:
    found = chat_states(connection, ["c"])["c"]
    assert found is not None
    return found


async def drafted(db: Database, text: str, lease: str = TOKEN) -> None:
    await db.write(
        partial(store_drafts, drafts=[HeldDraft("c", lease, text), HeldDraft("gone", lease, text)])
    )


async def test_a_draft_is_sealed_and_read_with_its_chat(sealed: Database) -> None:
    await sealed.write(held)
    await drafted(sealed, "The parcel")
    await drafted(sealed, "The parcel is late")
    await drafted(sealed, "A worker that has lost it", lease="lost")

    assert (await sealed.read(state)).draft == "The parcel is late"
    text = await sealed.read(lambda connection: connection.scalar(select(summaries.c.draft)))
    assert text is not None
    assert "parcel" not in text


@pytest.mark.parametrize("end", ["written", "failed", "erased"])
async def test_nothing_of_it_is_left_at_the_end(db: Database, end: str) -> None:
    job = await db.write(held)
    await drafted(db, "The parcel")

    def ended(connection: Connection) -> None:
        match end:
            case "written":
                assert queue.settle(connection, Written(job, a_part(1, 1), ()), now=NOW)
            case "failed":
                assert queue.settle(connection, Failed(job, "why", "unusable", 1), now=NOW)
            case "erased":
                renew(connection, stored(connection, "c"), now=NOW, due=NOW)

    await db.write(ended)
    await drafted(db, "What comes too late")

    assert (await db.read(state)).draft == ""
