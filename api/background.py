"""The tasks that run beside the requests: which there are, and what notices what other processes did."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from api.dependencies import Resources
from core.changes import Changes
from core.clock import SECOND
from core.settings import Settings
from core.supervision import Supervised
from core.waiters import Waiters
from database import Database
from llm.fallback import Fallback
from llm.forecast import PricedAnalyzer
from llm.gateway import Gateway
from llm.paid_gateway import PaidGateway
from llm.prompts import system_message, typical_row
from llm.provider_state import SharedKnowledge
from services.alerting import Alerting
from services.daily_discovery import DailyDiscovery
from services.erasure import Erasure
from services.filing import Filing
from services.heartbeat import Duty
from services.indexing import Indexing
from services.live_summaries import LiveSummaries
from services.months import Months
from services.notifications import Notifications
from services.offer import Offering
from services.retention import Retention
from services.shared_drafts import SharedDrafts
from services.warming import Warming
from services.watcher import Watched, Watcher
from services.webhooks.keeping import DeliverySweep
from store.conversations import progress
from store.engine.notifications import Channel, Ids, listening, listening_connector, notify
from store.queue.heartbeats import Json

Work = Callable[[], Awaitable[None]]


async def started(
    resources: Resources, live: LiveSummaries, changes: Changes, stack: AsyncExitStack, tick: float
) -> Resources:
    """The resources, with every task of the process's role running until `stack` is closed."""
    clock, died = resources.clock, resources.metrics.count_death
    await _run(resources.workforce.own, resources, stack)
    if (heartbeat := resources.workforce.heartbeat) is not None:
        heartbeat.state = partial(_said_of_itself, resources)
        # Once by itself: else requests would be told at first that there is no worker, and duties would wait.
        await heartbeat.try_beat()
    watcher = Watcher(resources.database, _watched(resources, live), tick)
    subscribe_all(resources, watcher, live.shared)
    named = [("watcher", watcher.run), *_background(resources, live)]
    await _run([Supervised(name, run, clock, died=died) for name, run in named], resources, stack)
    look = resources.conditions.look
    changes.watch(look, partial(look, caused=True))
    return resources


async def _run(tasks: Iterable[Supervised], resources: Resources, stack: AsyncExitStack) -> None:
    for task in tasks:
        resources.metrics.task_deaths.labels(task.name)
        await stack.enter_async_context(task.started())


def _said_of_itself(resources: Resources) -> Json:
    """What the other processes are told of this one."""
    gateway, workers = resources.gateway, resources.workforce.own
    deaths = [worker.last_death for worker in workers if worker.last_death is not None]
    return {
        "running": resources.settings.role.works and resources.workforce.is_running,
        "stops": [(stop.name, stop.reason) for stop in resources.conditions.halting()],
        "ended_per_second": round(resources.capacity.rate, 3),
        "worker_restarts": sum(worker.restarts for worker in workers),
        "worker_last_death": next(iter(deaths), None),
        "analyzer": gateway.current.analyzer.name,
        "model": gateway.current.analyzer.model,
        "circuit": None if gateway.circuit is None else gateway.circuit.value,
    }


def _background(resources: Resources, live: LiveSummaries) -> Iterator[tuple[str, Work]]:
    """The background tasks of the process's role apart from the workers, by name."""
    role = resources.settings.role
    yield from _in_every_process(resources)
    if role.serves:
        yield from _beside_requests(resources, live)
    if role.works:
        yield from _beside_analysis(resources, live)
        yield from _duties(resources)


def _in_every_process(resources: Resources) -> Iterator[tuple[str, Work]]:
    yield "monitor", resources.capacity.run
    yield "conditions", resources.conditions.run
    if (heartbeat := resources.workforce.heartbeat) is not None:
        yield "heartbeat", heartbeat.run
    yield "audit", resources.access.audit.group.run
    # A person whose erasure another process has begun and not ended is erased by any of them.
    yield "people", resources.people.run
    yield "topics", resources.topics.run
    if resources.settings.corrections_as_examples and resources.settings.role.works:
        yield "examples", resources.examples.run
    yield "webhooks", resources.delivery_figures.run
    yield "lane_monitor", resources.lane.run
    yield from _of_providers(resources.gateway)
    if resources.notifications.state is not None:
        yield "notifications", resources.notifications.run
    if resources.settings.auth_required:
        yield "access", resources.access.directory.run
        yield "standings", resources.access.standings.run


def _beside_requests(resources: Resources, live: LiveSummaries) -> Iterator[tuple[str, Work]]:
    yield "group_commit", resources.intake.group.run
    yield "group_commit_of_chats", resources.chats.group.run
    if (replica := resources.database.replica) is not None:
        replica.noted = resources.metrics.replica_lag.set
        yield "replica", replica.run
    yield "offer", _offering(resources).run
    yield "warming", Warming(resources.database, resources.topic_days).run
    if resources.notifications.state is not None:
        yield "listeners", partial(live.shared.tell, resources.hub.listened_to)
    yield "live_summaries", partial(live.run, partial(resources.notifications.notify, Channel.SUMMARIES))


def _offering(resources: Resources) -> Offering:
    """Without a key, of the Grok that the settings name."""
    at_work, settings = resources.reanalyses.analyzer(), resources.settings
    fields = resources.fields.of("conversations")
    tokens = len(system_message(resources.topics.told, fields)) // 4
    priced = None, tokens, settings.grok_cost_per_1k, typical_row(fields)
    grok = PricedAnalyzer("grok", settings.grok_model, *priced)
    return Offering(resources.reanalyses, at_work or grok, at_work is not None, resources.offer)


def _beside_analysis(resources: Resources, live: LiveSummaries) -> Iterator[tuple[str, Work]]:
    yield "jobs", resources.jobs.run
    yield "reanalyses", resources.processors.reanalyses.run
    yield "waiting", resources.processors.waiting.run
    yield "batch_lane", resources.processors.lane.run
    yield "deliveries", resources.processors.deliveries.run
    if resources.notifications.state is not None:
        yield "drafts", live.shared.run
    if resources.workforce.heartbeat is None:
        yield "erasure", Erasure(resources.database).run
    if isinstance(resources.gateway, Fallback):
        yield "fallback", resources.gateway.run


def duties(settings: Settings) -> Sequence[str]:
    """What one process at a time does, of those that analyse."""
    found = ["indexing", "filing", "delivery_sweep", "alerts"]
    found += [] if settings.url.drivername.startswith("sqlite") else ["months"]
    found += ["discovery"] if settings.topic_discovery else []
    found += ["retention"] if settings.retention_days is not None else []
    return found


def _duties(resources: Resources) -> Iterator[tuple[str, Work]]:
    database, heartbeat = resources.database, resources.workforce.heartbeat
    wake = partial(resources.notifications.notify, Channel.JOBS)
    works: Mapping[str, Work] = {
        "indexing": Indexing(database).run,
        "filing": Filing(database).run,
        "months": Months(database, resources.clock).run,
        "alerts": Alerting(
            database, resources.clock, resources.topic_days, resources.settings.daily_budget_usd
        ).run,
        "delivery_sweep": DeliverySweep(database, resources.clock).run,
        "discovery": DailyDiscovery(database, resources.clock, wake).run,
        "retention": _Keeping(resources, resources.settings.retention_days or 0).run,
    }
    for name in duties(resources.settings):
        work = works[name]
        yield name, work if heartbeat is None else Duty(name, work, heartbeat).run


@dataclass
class _Keeping:
    """Retention. While this process does it, its metric shows how long no sweep has ended, whatever it died of."""

    resources: Resources
    days: float
    is_shown: bool = False

    async def run(self) -> None:
        found = self.resources
        swept, clock = found.metrics.retention_swept.set, found.clock
        if not self.is_shown:
            swept(clock() / SECOND)
            self.is_shown = True
        try:
            await Retention(found.database, self.days, clock, deleted=found.hub.deleted, swept=swept).run()
        except asyncio.CancelledError:
            # Another process does it now.
            swept(0)
            self.is_shown = False
            raise


def _of_providers(gateway: Gateway) -> Iterator[tuple[str, Work]]:
    """What follows what other processes learn of each provider."""
    paid: Sequence[Gateway] = [gateway.first, gateway.second] if isinstance(gateway, Fallback) else [gateway]
    for each in paid:
        if isinstance(each, PaidGateway) and isinstance(each.knowledge, SharedKnowledge):
            yield f"state_of_{each.analyzer.name}", each.knowledge.run


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
