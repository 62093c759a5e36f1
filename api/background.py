"""The tasks that run beside the requests: which there are, and what notices what other processes did."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial

from api.dependencies import Resources
from core.changes import Changes
from core.clock import SECOND
from core.supervision import Supervised
from core.waiters import Waiters
from llm.fallback import Fallback
from services.daily_discovery import DailyDiscovery
from services.erasure import Erasure
from services.filing import Filing
from services.indexing import Indexing
from services.live_summaries import LiveSummaries
from services.retention import Retention
from services.warming import Warming
from services.watcher import Watched, Watcher
from store.conversations import progress

Work = Callable[[], Awaitable[None]]


async def started(
    resources: Resources, live: LiveSummaries, changes: Changes, stack: AsyncExitStack
) -> Resources:
    """The resources, with every task running until `stack` is closed."""
    clock, died = resources.clock, resources.metrics.count_death
    background = [Supervised(name, run, clock, died=died) for name, run in _background(resources, live)]
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
        yield "discovery", DailyDiscovery(resources.database, resources.clock, resources.jobs.wake).run
    if resources.settings.auth_required:
        yield "access", resources.access.directory.run
        yield "standings", resources.access.standings.run
    yield "indexing", Indexing(resources.database).run
    yield "filing", Filing(resources.database).run
    yield "warming", Warming(resources.database, resources.topic_days).run
    if resources.settings.url.get_backend_name() == "sqlite":
        yield "erasure", Erasure(resources.database).run
    if (replica := resources.database.replica) is not None:
        replica.noted = resources.metrics.replica_lag.set
        yield "replica", replica.run
    yield "live_summaries", partial(live.run, resources.summariser.wake)
    yield "watcher", Watcher(resources.database, _watched(resources, live)).run
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
        Watched(hub.watched, progress.chat_states, hub.compare),
    )


def summaries_ended(waiters: Waiters, live: LiveSummaries, ids: Iterable[str]) -> None:
    """Wake whoever waits for these conversations' summaries."""
    ended = list(ids)
    waiters.notify(ended)
    live.ended(ended)
