"""Processes on PostgreSQL tell each other what they did; those that look for it do so at once, and only then here."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest
from sqlalchemy.engine import URL

import database
from benchmarks.support.waiting import eventually
from core.clock import now
from core.errors import BadCredential
from core.metrics import Metrics
from core.secret_ring import SecretRing
from database import Database
from domain.roles import Role
from llm.hold import Hold
from services.access.audit_log import AuditLog, audit_key
from services.access.directory import Directory
from services.access.keys import Keys
from services.capacity import Capacity
from services.notifications import Notifications
from services.topics import FollowedTopics
from store.access.audit import AuditEntry
from store.engine.notifications import MOST_BYTES, Channel, Ids, listening, listening_connector, notify
from store.queue import switches
from store.topics import changes
from store.topics.changes import By
from store.topics.seeding import seed
from tests.support.service import rows

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
NEVER = 100_000.0
ASKED = AuditEntry(0, "operator:test", "")
Told = tuple[Channel, Ids]


@asynccontextmanager
async def a_listener(
    url: URL,
) -> AsyncIterator[tuple[Callable[[list[Told]], Awaitable[None]], asyncio.Queue[Told]]]:
    """What sends to others by a listening connection, and what that has heard."""
    heard: asyncio.Queue[Told] = asyncio.Queue()
    lost = asyncio.Event()
    channels = [Channel.CONVERSATIONS, Channel.JOBS]
    async with listening(
        listening_connector(url), channels, lambda channel, ids: heard.put_nowait((channel, ids)), lost.set
    ) as connection:

        async def send(told: list[Told]) -> None:
            await connection.send([(channel, "\n".join(ids or ())) for channel, ids in told])

        yield send, heard


async def next_of(heard: "asyncio.Queue[Told]") -> Told:
    return await asyncio.wait_for(heard.get(), 30)


async def test_others_hear_what_is_told_and_whoever_tells_does_not(server_url: URL) -> None:
    longest = ["a" * MOST_BYTES]
    async with a_listener(server_url) as (send, own), a_listener(server_url) as (reply, heard):
        await send([(Channel.CONVERSATIONS, longest), (Channel.TOPICS, None), (Channel.JOBS, None)])

        assert await next_of(heard) == (Channel.CONVERSATIONS, longest)
        assert await next_of(heard) == (Channel.JOBS, None)
        await reply([(Channel.CONVERSATIONS, ["c", "b", "a"])])
        assert await next_of(own) == (Channel.CONVERSATIONS, ["c", "b", "a"])


async def test_a_commit_that_tells_lasts_and_one_that_only_tells_need_not(server_url: URL) -> None:
    """What `send` sets for its transaction must not stay: behind a pooler, others commit on that session."""
    connection = await listening_connector(server_url)()
    async with listening(lambda: _given(connection), [], _unheard, lambda: None) as listener:
        await listener.send([(Channel.JOBS, "")])

        assert await connection.fetchval("SHOW synchronous_commit") == "on"


async def _given(connection: object) -> object:
    return connection


def _unheard(_: Channel, __: Ids) -> None:
    pytest.fail("it listens to nothing")


async def test_what_is_rolled_back_was_never_told(server_url: URL, db: Database) -> None:
    def told(connection: object) -> None:
        notify(connection, Channel.JOBS)  # type: ignore[arg-type]
        raise ZeroDivisionError

    async with a_listener(server_url) as (_, heard):
        with pytest.raises(ZeroDivisionError):
            await db.write(told)
        await db.write(partial(notify, channel=Channel.CONVERSATIONS, payload="c1"))

        assert await next_of(heard) == (Channel.CONVERSATIONS, ["c1"])


async def test_a_closed_connection_says_so(server_url: URL) -> None:
    lost = asyncio.Event()
    async with listening(listening_connector(server_url), [], _unheard, lost.set) as connection:
        await connection.check()
        await connection.send([(Channel.JOBS, "")])
        await rows(server_url, KILL)
        await asyncio.wait_for(lost.wait(), 30)
        with pytest.raises(ConnectionError):
            await connection.check()
        with pytest.raises(ConnectionError):
            await connection.send([(Channel.JOBS, "")])


KILL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'insights-platform-listening'"
)


@asynccontextmanager
async def process(
    db: Database, url: URL, subscribed: dict[Channel, Callable[[Ids], None]]
) -> AsyncIterator[Notifications]:
    """A process that hears the others, once it does."""

    async def try_out(mark: str) -> None:
        await db.write(partial(notify, channel=Channel.TRIAL, payload=mark))

    notifications = Notifications(partial(listening, listening_connector(url)), try_out, secrets.token_hex(8))
    for channel, handler in subscribed.items():
        notifications.subscribe(channel, handler)
    async with running(notifications.run):
        await eventually(lambda: notifications.are_heard)
        yield notifications


@asynccontextmanager
async def running(*loops: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(loop()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_whoever_was_cut_off_looks_at_everything_afterwards(db: Database, server_url: URL) -> None:
    heard: list[Ids] = []
    subscribed = {Channel.CONVERSATIONS: heard.append}
    async with process(db, server_url, subscribed), process(db, server_url, {}) as other:
        other.notify_others(Channel.CONVERSATIONS, ["before"])
        await eventually(lambda: ["before"] in heard)
        looks = heard.count(None)
        await rows(server_url, KILL)
        other.notify_others(Channel.CONVERSATIONS, ["lost perhaps"])

        await eventually(lambda: heard.count(None) > looks)
        await eventually(lambda: other.are_heard)
        other.notify_others(Channel.CONVERSATIONS, ["after"])
        await eventually(lambda: ["after"] in heard)


async def test_keys_switches_and_topics_are_read_once_they_are_told_of(
    db: Database, database_url: URL, server_url: URL
) -> None:
    """Each change is made as by another process, and each of those that follow it looks by itself only at its start."""
    await db.write(partial(seed, listed={"delay": "Late parcels"}, now=1))
    directory = Directory(db, now, every=NEVER)
    topics = FollowedTopics(db, every=NEVER)
    capacity = Capacity(db, Metrics(), Hold(now), now, max_bytes=10**9, every=NEVER)
    keys = Keys(db, now, AuditLog(db, now, audit_key(SecretRing([]))), secrets.token_hex)
    subscribed = {
        Channel.ACCESS: lambda _: directory.look(),
        Channel.TOPICS: lambda _: topics.look(),
        Channel.SWITCHES: lambda _: capacity.look(),
    }
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(database.opened(database_url))
        await stack.enter_async_context(running(directory.run, topics.run, capacity.run))
        await stack.enter_async_context(process(other, server_url, subscribed))
        key, _ = await keys.create("importer", Role.AGENT, None, ASKED)
        await eventually(lambda: is_let_in(directory, key.text))
        await keys.revoke(key.id, ASKED)
        await eventually(lambda: not is_let_in(directory, key.text))

        edit = partial(changes.edit, new={"description": "Slow parcels"}, by=By("operator:test", 2))
        await db.write(partial(edit, name="delay"))
        await eventually(lambda: dict(topics.told) == {"delay": "Slow parcels"})

        await db.write(partial(switches.turn, name=switches.ANALYSIS_PAUSED, on=True))
        await eventually(lambda: capacity.hold.paused)


def is_let_in(directory: Directory, key: str) -> bool:
    try:
        directory.by_key(key)
    except BadCredential:
        return False
    return True
