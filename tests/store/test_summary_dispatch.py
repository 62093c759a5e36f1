"""One summary's way by itself: what a failure means, and the moments no running service can be brought to."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.locks import locked
from benchmarks.support.waiting import eventually
from core.clock import SECOND
from core.metrics import Metrics
from core.priority import PrioritySemaphore
from core.tasks import Once
from database import Database
from domain.analysis import BatchFault, BeforeSend, CallFailed, Denied, ProviderFault, RateLimited
from domain.jobs import Failed, Requeued
from domain.summaries import DraftListener, Material, Summarised
from llm.budget import OverBudget
from llm.gateway import OfflineGateway
from llm.hold import Hold
from llm.paid_gateway import Blocked
from store.conversations.records import delete_conversation
from store.queue import summaries as store
from store.queue.clock import ProcessClock
from store.queue.summaries import SummaryJob
from tests.store.test_summaries_store import asked, claim, claimed, looked
from tests.support.chat_data import talk
from tests.support.log_lines import captured
from tests.support.rows import LEASE, NOW, POLICY
from tests.support.scripted import Scripted
from tests.support.summary_data import a_summary
from worker.accounting import Accounting
from worker.summaries.calls import CallFault, OverDailyBudget, SummaryCalls, UnusableAnswer
from worker.summaries.dispatch import PARTS_AT_ONCE, Failure, SummaryDispatch, outcome_after

JOB = SummaryJob(1, "c", 1, 3, failures=2, lease="a", error="HTTP 500")
WORN = replace(JOB, failures=3)
DOWN = ProviderFault("server_error", "HTTP 500", status=500)


def faulted(fault: CallFailed, *, canary_passed: bool = False, wait: float = 5) -> CallFault:
    return CallFault(fault, canary_passed=canary_passed, wait=wait)


def became(failure: Failure, failures: int = 2) -> Any:
    """What becomes of the summary; with three retries the fourth failure is the last."""
    return outcome_after(failure, replace(JOB, failures=failures), at=NOW, policy=POLICY)


@pytest.mark.parametrize(
    ("fault", "delay", "error"),
    [
        (DOWN, 5, "server_error: HTTP 500"),
        (ProviderFault("unreachable", "refused"), 5, JOB.error),
        (RateLimited("HTTP 429", retry_after=7), 7, JOB.error),
        (RateLimited("HTTP 429", retry_after=None), 5, JOB.error),
        (Denied("credentials", "HTTP 401"), 5, JOB.error),
        (Blocked("circuit open"), 5, JOB.error),
        (BatchFault("malformed", "no JSON"), 0, "malformed: no JSON"),
    ],
)
def test_what_no_canary_vouched_for_is_charged_to_nobody(
    fault: CallFailed, delay: int, error: str | None
) -> None:
    """It goes back; who may be to blame carries the suspicion on."""
    assert became(faulted(fault)) == Requeued(JOB, NOW + delay * SECOND, 2, error)


def test_what_a_canary_vouched_for_is_the_summarys_own() -> None:
    assert became(faulted(DOWN, canary_passed=True)) == Requeued(JOB, NOW + 5 * SECOND, 3, str(DOWN))
    assert became(faulted(DOWN, canary_passed=True), failures=3) == Failed(WORN, "server_error", str(DOWN), 4)


def test_an_answer_that_is_no_summary_is_its_own_at_once() -> None:
    unusable = UnusableAnswer("outcome is missing")

    assert became(unusable) == Requeued(JOB, NOW, 3, "outcome is missing")
    assert became(unusable, failures=3) == Failed(WORN, "invalid_row", "outcome is missing", 4)


def test_a_spent_budget_is_waited_for_and_one_that_is_too_small_is_not() -> None:
    assert became(OverBudget()) == Requeued(JOB, NOW + 60 * SECOND, 2, JOB.error)
    assert isinstance(became(OverDailyBudget()), Failed)


# --- the chat in parts --------------------------------------------------------------------------------------


class Patient(Scripted):
    """An analyzer whose first calls wait until so many are under way at once; tells the most there were."""

    def __init__(self, together: int = 1) -> None:
        super().__init__()
        self.asked: list[Material] = []
        self.most = 0
        self._together = together
        self._under_way = 0
        self._are_together = asyncio.Event()

    async def summarise(
        self,
        material: Material,
        before_send: BeforeSend,
        on_draft: DraftListener | None = None,
    ) -> Summarised:
        self.asked.append(material)
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        if self._under_way == self._together:
            self._are_together.set()
        await before_send()
        async with asyncio.timeout(20):
            await self._are_together.wait()
        await asyncio.sleep(0.02)
        self._under_way -= 1
        return Summarised(summary=a_summary([material.first]), raw="{}", model=self.model)


def dispatch(db: Database, analyzer: Scripted) -> SummaryDispatch:
    gateway = OfflineGateway(analyzer, Hold(lambda: NOW))
    accounting = Accounting(Metrics(), ended=lambda _: None, summarised=lambda _: None)
    return SummaryDispatch(
        SummaryCalls(db, gateway, POLICY, accounting, PrioritySemaphore(64), ProcessClock(lambda: NOW))
    )


async def written(db: Database, analyzer: Scripted, job: SummaryJob) -> int:
    """Write the summary; how often it was told that something left or that nothing will."""
    told: list[int] = []
    await dispatch(db, analyzer).write(job, Once(lambda: told.append(1)))
    return len(told)


async def a_long_job(db: Database) -> SummaryJob:
    """A summary that is held, of a chat that takes fifteen calls and one to merge them."""
    await db.write(lambda connection: asked(connection, "c"))
    await db.write(lambda connection: talk(connection, "c", 30, text="x" * 60_000))
    return await db.write(claim)


async def test_a_chats_parts_are_asked_for_several_at_a_time_and_a_suspects_one_by_one(db: Database) -> None:
    job = await a_long_job(db)
    trusted, doubted = Patient(4), Patient()

    assert await written(db, trusted, replace(job, lease="nobody's")) == 1
    assert trusted.asked == []
    assert await written(db, trusted, job) == 1
    assert len(trusted.asked) == 16
    assert (trusted.most, PARTS_AT_ONCE) == (4, 4)

    await db.write(lambda connection: talk(connection, "c", 9, text="y" * 60_000))
    await db.write(lambda connection: store.ask(connection, "c", now=NOW))
    again = await db.write(claim)
    assert await written(db, doubted, replace(again, error="HTTP 500")) == 1
    assert (doubted.most, (await db.read(looked)).is_current) == (1, True)


async def test_a_chat_that_is_deleted_before_it_is_read_leaves_nothing(db: Database) -> None:
    await db.write(lambda connection: asked(connection, "c"))
    job = await db.write(claim)
    await db.write(lambda connection: delete_conversation(connection, "c"))
    analyzer = Patient()

    assert await written(db, analyzer, job) == 1
    assert analyzer.asked == []
    assert await db.read(lambda connection: store.get(connection, "c")) is None


async def test_a_summary_that_another_process_took_over_is_left_to_it(db: Database) -> None:
    await db.write(lambda connection: asked(connection, "c"))
    job = await db.write(claim)

    class Overtaken(Patient):
        async def summarise(
            self,
            material: Material,
            before_send: BeforeSend,
            on_draft: DraftListener | None = None,
        ) -> Summarised:
            await db.write(lambda connection: claimed(connection, now=NOW + LEASE, token="b"))
            return await super().summarise(material, before_send, on_draft)

    assert await written(db, Overtaken(), job) == 1
    stored = await db.read(looked)
    assert stored.row is not None
    assert (stored.row.status, stored.row.lease, stored.row.content) == ("processing", "b", None)


async def test_a_summary_that_cannot_begin_for_a_lock_goes_back(db: Database, database_url: URL) -> None:
    await db.write(lambda connection: asked(connection, "c"))
    job = await db.write(claim)
    analyzer = Patient()
    writer = dispatch(db, analyzer)
    with captured("ERROR"):  # on a terminal the traceback takes seconds to be laid out
        async with locked(database_url, "summaries"):
            writing = asyncio.create_task(writer.write(job, Once(lambda: None)))
            await eventually(lambda: writer.calls.gateway.hold.reason == "results are waiting to be stored")
        await writing

    stored = await db.read(looked)
    assert stored.row is not None
    assert (stored.row.status, stored.row.lease, stored.row.failures) == ("queued", None, 0)
    assert analyzer.asked == []
