"""The tasks that run beside the requests: which there are, and what notices what other processes did."""

import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial

from api.dependencies import Resources
from core.changes import Changes
from core.clock import SECOND
from core.settings import Settings
from core.supervision import Supervised
from core.waiters import Waiters
from database import Database
from llm.fallback import Fallback
from services.daily_discovery import DailyDiscovery
from services.erasure import Erasure
from services.filing import Filing
from services.indexing import Indexing
from services.live_summaries import LiveSummaries
from services.notifications import Notifications
from services.retention import Retention
from services.shared_drafts import SharedDrafts
from services.warming import Warming
from services.watcher import Watched, Watcher
from store.conversations import progress
from store.engine.notifications import Channel, Ids, listening, listening_connector, notify

Work = Callable[[], Awaitable[None]]


async def started(
    resources: Resources, live: LiveSummaries, changes: Changes, stack: AsyncExitStack, tick: float
) -> Resources:
    """The resources, with every task running until `stack` is closed."""
    clock, died = resources.clock, resources.metrics.count_death
    watcher = Watcher(resources.database, _watched(resources, live), tick)
    subscribe_all(resources, watcher, live.shared)
    named = [("watcher", watcher.run), *_background(resources, live)]
    background = [Supervised(name, run, clock, died=died) for name, run in named]
    for task in (*resources.workers, *background):
        resources.metrics.task_deaths.labels(task.name)
        await stack.enter_async_context(task.started())
    look = resources.conditions.look
    changes.watch(look, partial(look, caused=True))
    return resources


def _background(resources: Resources, live: LiveSummaries) -> Iterator[tuple[str, Work]]:
    """The background tasks apart from the workers, by name."""
    yield "monitor", resources.capacity.run
    yield "conditions", resources.conditions.run
    yield "group_commit", resources.intake.group.run
    yield "group_commit_of_chats", resources.chats.group.run
    yield "audit", resources.access.audit.group.run
    yield "people", resources.people.run
    yield "jobs", resources.jobs.run
    yield "topics", resources.topics.run
    if resources.settings.topic_discovery:
        wake = partial(resources.notifications.notify, Channel.JOBS)
        yield "discovery", DailyDiscovery(resources.database, resources.clock, wake).run
    if resources.settings.auth_required:
        yield "access", resources.access.directory.run
        yield "standings", resources.access.standings.run
    yield "indexing", Indexing(resources.database).run
    yield "filing", Filing(resources.database).run
    yield "warming", Warming(resources.database, resources.topic_days).run
    if resources.settings.url.get_backend_name() == "sqlite":
        yield "erasure", Erasure(resources.database).run
    yield "live_summaries", partial(live.run, partial(resources.notifications.notify, Channel.SUMMARIES))
    if resources.notifications.state is not None:
        yield "notifications", resources.notifications.run
        yield "drafts", live.shared.run
    if isinstance(resources.gateway, Fallback):
        yield "fallback", resources.gateway.run
    if resources.settings.retention_days is not None:
        # No sweep has ended yet, and one that never does has to show, too.
        resources.metrics.retention_swept.set(resources.started_at / SECOND)
        yield (
            "retention",
            Retention(
                resources.database,
                resources.settings.retention_days,
                resources.clock,
                deleted=resources.hub.deleted,
                swept=resources.metrics.retention_swept.set,
            ).run,
        )


def _watched(resources: Resources, live: LiveSummaries) -> Sequence[Watched]:
    waiters, summaries, hub = resources.waiters, resources.summary_waiters, resources.hub
    return (
        Watched(waiters.ids, progress.ended_among, waiters.notify),
        Watched(
            lambda: {*summaries.ids(), *live.expected()},
            progress.summarised_among,
            partial(summaries_ended, summaries, live),
        ),
        Watched(hub.watched, progress.chat_states, lambda stored: live.ended(hub.compare(stored))),
    )


def notifications_of(settings: Settings, database: Database) -> Notifications:
    """Those among the processes on a PostgreSQL database; an SQLite file has only one process."""
    if settings.url.get_backend_name() == "sqlite":
        return Notifications(None)

    async def try_out(mark: str) -> None:
        await database.write(partial(notify, channel=Channel.TRIAL, payload=mark))

    return Notifications(
        partial(listening, listening_connector(settings.listen_url)), try_out, uuid.uuid4().hex
    )


def subscribe_all(resources: Resources, watcher: Watcher, drafts: SharedDrafts) -> None:
    """Have each thing looked at when a process tells of it."""
    looks = {
        Channel.ANALYSIS: resources.processor.wake,
        Channel.SUMMARIES: resources.summariser.wake,
        Channel.JOBS: resources.jobs.wake,
        Channel.ACCESS: resources.access.directory.look,
        Channel.SWITCHES: resources.capacity.look,
        Channel.TOPICS: resources.topics.look,
    }
    for channel, look in looks.items():
        resources.notifications.subscribe(channel, partial(_look, look))
    resources.notifications.subscribe(Channel.CONVERSATIONS, watcher.hear)
    resources.notifications.subscribe(Channel.LISTENERS, partial(drafts.hear, resources.hub.listened_to))


def _look(look: Callable[[], None], _: Ids) -> None:
    look()


def summaries_ended(waiters: Waiters, live: LiveSummaries, ids: Iterable[str]) -> None:
    """Wake whoever waits for these conversations' summaries."""
    ended = list(ids)
    waiters.notify(ended)
    live.ended(ended)
