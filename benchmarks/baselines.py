"""Baselines for intake: an endpoint with the same models but no database, and one that commits every request.

    uvicorn benchmarks.baselines:bare          a typed endpoint that stores nothing
    uvicorn benchmarks.baselines:commit_each   the usual way: a session, two inserts and a commit per request

The second stores in the file that `DB_PATH` names, as durably as the service does.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from sqlalchemy import event, insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from core.clock import now
from models import QUEUED, conversations, messages, metadata
from schemas import AcceptedOut, Conversation
from services.intake import conversation_id

PATH = "/api/v1/conversations"
BUSY_SECONDS = 30


def _accepted(id_: str) -> dict[str, Any]:
    message = "Conversation queued for analysis"
    return {"status": "accepted", "conversation_id": id_, "message": message, "enqueued": True}


bare = FastAPI()


@bare.post(PATH, status_code=202, response_model=AcceptedOut)
async def validate(sent: Conversation) -> dict[str, Any]:
    """Validate a post and store nothing."""
    return _accepted(conversation_id(now()))


@asynccontextmanager
async def _sessions(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{os.environ['DB_PATH']}", connect_args={"timeout": BUSY_SECONDS}
    )
    event.listen(engine.sync_engine, "connect", _durable)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield {"sessions": async_sessionmaker(engine)}
    await engine.dispose()


def _durable(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


async def _session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.state.sessions() as session:
        yield session


commit_each = FastAPI(lifespan=_sessions)


@commit_each.post(PATH, status_code=202, response_model=AcceptedOut)
async def store(sent: Conversation, session: Annotated[AsyncSession, Depends(_session)]) -> dict[str, Any]:
    """Store in a transaction of its own."""
    at = now()
    id_ = conversation_id(at)
    row = {"id": id_, "author": sent.author, "timestamp": sent.timestamp or at, "received_at": at}
    queued = {"is_chat": False, "status": QUEUED, "run_at": at}
    stored = await session.execute(
        insert(conversations).values(**row, **queued).returning(conversations.c.number)
    )
    said = {"conversation": stored.scalar_one(), "position": 1, "role": "customer", "text": sent.text}
    await session.execute(insert(messages).values(**said, author=sent.author))
    await session.commit()
    return _accepted(id_)
