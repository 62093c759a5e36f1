"""When a chat is analysed: once for a burst, never too late, and always what it is by then."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from core.clock import SECOND
from database import Database
from domain.jobs import Failed, Requeued
from models import SKIPPED_CONVERSATIONS, insights, totals
from store.conversations.records import delete_conversation, retry
from store.queue import analysis
from store.queue.analysis import AnalysisJob, Completed, Outcome, Parked, Skipped
from store.queue.depth import depth
from tests.support.chat_data import QUIET, added, said, tries_in_memory
from tests.support.insight_data import an_analysis, thorough, tried
from tests.support.rows import LEASE, NOW, answered, assert_rolled_up, filed, new, stored, take_in
from worker.outcomes import work_of

TEN_MINUTES = 600 * SECOND


def claimed(connection: Connection, now: int, token: str = "a") -> list[AnalysisJob]:
    """What is due, held from now on."""
    jobs = analysis.due(connection, limit=50, now=now)
    analysis.lease(connection, [job.number for job in jobs], token=token, until=now + LEASE)
    return [job._replace(lease=token) for job in jobs]


def done(job: AnalysisJob, score: int = -6_500) -> Completed:
    return answered(work_of(job, "v", str), an_analysis(score))


def waits(connection: Connection, now: int) -> bool:
    return not analysis.due(connection, limit=1, now=now)


# --- one chat -----------------------------------------------------------------------------------------------


async def test_a_chat_is_due_when_it_has_been_quiet(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c"))
        added(connection, said("c"), now=NOW + 20 * SECOND)

        due = NOW + 20 * SECOND + QUIET
        assert waits(connection, due - 1)
        [job] = analysis.due(connection, limit=5, now=due)
        assert (job.revision, job.message_count, len(job.turns), job.due_at) == (2, 2, 2, due)

    await tried(db, play)


async def test_a_chat_that_is_never_quiet_is_due_after_ten_minutes(db: Database) -> None:
    def play(connection: Connection) -> None:
        for at in range(0, 600, 20):
            added(connection, said("c"), now=NOW + at * SECOND)
            assert waits(connection, NOW + at * SECOND)

        assert waits(connection, NOW + TEN_MINUTES - 1)
        assert not waits(connection, NOW + TEN_MINUTES)

    await tried(db, play)


async def test_a_conversation_that_waits_to_be_analysed_waits_no_longer_than_ten_minutes(
    db: Database,
) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, new("old", received_at=NOW - TEN_MINUTES), new("young", received_at=NOW))
        added(connection, said("old"), said("young"), now=NOW + 1)

        assert [job.id for job in analysis.due(connection, limit=5, now=NOW + 1)] == ["old"]
        assert stored(connection, "young").run_at == NOW + 1 + QUIET

    await tried(db, play)


async def test_what_waits_to_be_quiet_is_not_in_the_queue(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c"))
        assert depth(connection, now=NOW) == (0, None)
        assert depth(connection, now=NOW + QUIET) == (1, NOW)

        take_in(connection, new("d", received_at=NOW + 7))
        assert depth(connection, now=NOW + 7) == (1, NOW + 7)

        [_, job] = sorted(claimed(connection, NOW + QUIET), key=lambda job: job.id, reverse=True)
        added(connection, said("c"), now=NOW + QUIET + 1)
        assert depth(connection, now=NOW + QUIET + 1) == (2, NOW), "a chat that is held is being worked on"

        analysis.settle(connection, [done(job)], now=NOW + QUIET + 2)
        assert depth(connection, now=NOW + QUIET + 2) == (1, NOW + 7)

    await tried(db, play)


async def test_an_old_chat_waits_only_since_its_new_message(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, new("c"))
        analysis.settle(connection, [done(job) for job in claimed(connection, NOW)], now=NOW)
        month = NOW + 30 * 86_400 * SECOND
        added(connection, said("c"), now=month)

        assert depth(connection, now=month + QUIET) == (1, month)

    await tried(db, play)


async def test_a_message_never_takes_the_lease_away(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c"))
        [job] = claimed(connection, NOW + QUIET)
        before = stored(connection, "c")

        added(connection, said("c"), now=NOW + QUIET + 1)

        after = stored(connection, "c")
        assert (after.status, after.lease, after.run_at) == (before.status, before.lease, before.run_at)
        assert analysis.renew(connection, [job], until=NOW + 2 * LEASE) == [job]

    await tried(db, play)


async def test_an_answer_to_what_a_chat_was_is_kept_and_the_chat_is_queued_again(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c"))
        first = NOW + QUIET
        [job] = claimed(connection, first)
        added(connection, said("c"), now=first + 5 * SECOND)
        added(connection, said("c"), now=first + 9 * SECOND)

        assert analysis.settle(connection, [done(job, 5_000)], now=first + 10 * SECOND)

        [insight] = filed(connection)
        assert (insight.revision, insight.analysis.score) == (1, 5_000)
        row = stored(connection, "c")
        due = first + 9 * SECOND + QUIET
        assert (row.status, row.run_at, row.lease, row.finished_at) == ("queued", due, None, None)
        assert row.waiting_since == first + 5 * SECOND
        assert_rolled_up(connection)

        [again] = claimed(connection, due, "b")
        assert analysis.settle(connection, [done(again, -5_000)], now=due)
        [insight] = filed(connection)
        assert (insight.revision, insight.analysis.score) == (3, -5_000)
        assert stored(connection, "c").status == "completed"
        assert_rolled_up(connection)

    await tried(db, play)


async def test_ten_minutes_count_from_the_first_message_that_was_not_in_the_call(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c"))
        [job] = claimed(connection, NOW + QUIET)
        late = NOW + QUIET + SECOND
        for at in range(0, 600, 20):
            added(connection, said("c"), now=late + at * SECOND)

        analysis.settle(connection, [done(job)], now=late + 599 * SECOND)

        assert stored(connection, "c").run_at == late + TEN_MINUTES

    await tried(db, play)


async def test_a_completed_chat_shows_its_insight_until_there_is_a_newer_one(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c"))
        analysis.settle(connection, [done(job) for job in claimed(connection, NOW + QUIET)], now=NOW + QUIET)

        added(connection, said("c"), now=NOW + TEN_MINUTES)

        assert stored(connection, "c").status == "queued"
        assert len(filed(connection)) == 1
        assert_rolled_up(connection)

    await tried(db, play)


Ending = Callable[[AnalysisJob], Outcome]
ENDINGS: dict[str, Ending] = {
    "skipped": lambda job: Skipped(job, "thanks"),
    "failed": lambda job: Failed(job, "invalid_row", "no score", 4),
}


@pytest.mark.parametrize("how", ENDINGS)
async def test_that_there_is_no_insight_says_nothing_about_what_came_meanwhile(
    db: Database, how: str
) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c"))
        [job] = claimed(connection, NOW + QUIET)
        added(connection, said("c"), now=NOW + QUIET + 1)

        [outcome] = analysis.settle(connection, [ENDINGS[how](job)], now=NOW + QUIET + 2)

        assert isinstance(outcome, Requeued), "it has not ended"
        row = stored(connection, "c")
        assert (row.status, row.run_at, row.failures, row.error) == ("queued", NOW + 1 + 2 * QUIET, 0, None)
        assert_rolled_up(connection)

    await tried(db, play)


@pytest.mark.parametrize("how", ENDINGS)
async def test_a_chat_that_ended_without_an_insight_gets_another_chance(db: Database, how: str) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c"))
        analysis.settle(connection, [ENDINGS[how](job) for job in claimed(connection, NOW + QUIET)], now=NOW)
        assert connection.scalars(select(totals.c.topic)).first() == (
            SKIPPED_CONVERSATIONS if how == "skipped" else None
        )

        added(connection, said("c"), now=NOW + TEN_MINUTES)

        row = stored(connection, "c")
        assert (row.status, row.failures, row.error) == ("queued", 0, None)
        assert row.run_at == NOW + TEN_MINUTES + QUIET
        assert_rolled_up(connection)

    await tried(db, play)


async def test_a_fault_is_waited_out_and_so_is_the_quiet(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c", "x"), said("d", "y"))
        jobs = claimed(connection, NOW + QUIET)
        added(connection, said("c"), now=NOW + QUIET + 1)

        analysis.settle(
            connection,
            [Requeued(job._replace(pack_limit=1), NOW + 2 * QUIET, 1, "?") for job in jobs],
            now=NOW + QUIET + 2,
        )

        c, d = stored(connection, "c"), stored(connection, "d")
        assert (c.run_at, c.failures, c.pack_limit) == (NOW + 1 + 2 * QUIET, 1, 1)
        assert (d.run_at, d.failures, d.quiet_at) == (NOW + 2 * QUIET, 1, None)
        assert c.waiting_since == d.waiting_since == NOW

    await tried(db, play)


async def test_what_is_deleted_while_it_is_analysed_leaves_nothing(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c"))
        [job] = claimed(connection, NOW + QUIET)
        added(connection, said("c"), now=NOW + QUIET + 1)
        delete_conversation(connection, "c")

        assert analysis.settle(connection, [done(job)], now=NOW + QUIET + 2) == []

        assert filed(connection) == []
        assert_rolled_up(connection)

    await tried(db, play)


async def test_who_waits_for_the_answer_to_another_text_no_longer_does(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c"))
        [job] = claimed(connection, NOW + QUIET)
        analysis.settle(connection, [Parked(job, NOW + LEASE, 0, waits_for=b"k" * 32)], now=NOW + QUIET)

        added(connection, said("c"), now=NOW + TEN_MINUTES - SECOND)

        row = stored(connection, "c")
        assert (row.waits_for, row.run_at) == (None, NOW + TEN_MINUTES)

    await tried(db, play)


async def test_a_retried_chat_goes_on_like_any_other(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c"))
        analysis.settle(
            connection, [ENDINGS["failed"](job) for job in claimed(connection, NOW + QUIET)], now=NOW
        )
        retry(connection, "c", fresh=False, now=NOW + TEN_MINUTES)
        [job] = claimed(connection, NOW + TEN_MINUTES)

        assert analysis.settle(connection, [done(job)], now=NOW + TEN_MINUTES) == [done(job)]

    await tried(db, play)


# --- whatever happens ---------------------------------------------------------------------------------------


@dataclass
class Talk:
    """What has to become of one chat, by the plainest means."""

    arrived: list[int] = field(default_factory=list)
    """When each post came."""
    seen: int = 0
    """Posts about which nothing more is to be found out."""
    due: int | None = None
    quiet_at: int | None = None
    """Of posts that came while it was held."""
    holder: "Call | None" = None

    def post(self, now: int) -> None:
        self.arrived.append(now)
        if self.holder is not None:
            self.quiet_at = now + QUIET
        else:
            self.due = min(now + QUIET, self.arrived[self.seen] + TEN_MINUTES)

    def settled(self, read: int, not_before: int, *, answered: bool) -> None:
        self.holder = None
        self.seen = read if answered else self.seen
        moved_on = len(self.arrived) > read
        self.due = None if answered else not_before
        if moved_on and self.quiet_at is not None:
            self.due = max(not_before, min(self.quiet_at, self.arrived[self.seen] + TEN_MINUTES))
        self.quiet_at = None


@dataclass
class Call:
    """A job that is held, as it was read."""

    job: AnalysisJob
    read: int
    ends: int


WELL, SKIP, FAIL, FAULT, DEATH = range(5)
ids = st.sampled_from(["c", "d"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("post"), ids, st.just(0)),
        st.tuples(st.just("wait"), st.just(""), st.sampled_from([1, 7, 20, 30, 95, 400])),
        st.tuples(st.just("claim"), st.just(""), st.just(0)),
        st.tuples(st.just("end"), ids, st.integers(WELL, DEATH)),
        st.tuples(st.just("delete"), ids, st.just(0)),
    ),
    min_size=5,
    max_size=30,
)


Steps = list[tuple[str, str, int]]


class Play:
    """The steps, one by one, each held against the model; then quiet, and good answers, until all have ended."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.now = NOW
        self.talks: dict[str, Talk] = {}
        self.tokens = 0

    def __call__(self, steps: Steps) -> None:
        for verb, chat, number in steps:
            doing: Callable[[str, int], None] = getattr(self, verb)
            doing(chat, number)
            self.check()
        for talk in self.talks.values():
            talk.holder = None
        self.now += 2 * TEN_MINUTES
        self.claim()
        for chat in self.talks:
            self.end(chat, WELL)
        self.check_the_end()

    def post(self, chat: str, _: int) -> None:
        added(self.connection, said(chat), now=self.now)
        self.talks.setdefault(chat, Talk()).post(self.now)

    def wait(self, _: str, seconds: int) -> None:
        self.now += seconds * SECOND

    def claim(self, _: str = "", __: int = 0) -> None:
        self.tokens += 1
        jobs = {job.id: job for job in claimed(self.connection, self.now, f"t{self.tokens}")}
        due = {chat for chat, talk in self.talks.items() if talk.due is not None and talk.due <= self.now}
        assert {*jobs} == due
        for chat, job in jobs.items():
            talk = self.talks[chat]
            assert len(job.turns) == job.message_count == len(talk.arrived)
            talk.holder = Call(job, len(talk.arrived), self.now + LEASE)
            # Whoever dies lets go when the lease ends.
            talk.due, talk.quiet_at = talk.holder.ends, None

    def end(self, chat: str, how: int) -> None:
        talk = self.talks.get(chat)
        if talk is None or talk.holder is None or how == DEATH:
            return
        job, again = talk.holder.job, self.now + 2 * SECOND
        outcomes: dict[int, Outcome] = {
            WELL: done(job),
            SKIP: Skipped(job, "thanks"),
            FAIL: Failed(job, "invalid_row", "no score", 4),
            FAULT: Requeued(job, again, job.failures),
        }
        counted = analysis.settle(self.connection, [outcomes[how]], now=self.now)
        assert len(counted) == 1
        talk.settled(talk.holder.read, again if how == FAULT else 0, answered=how != FAULT)

    def delete(self, chat: str, _: int) -> None:
        assert delete_conversation(self.connection, chat) == (self.talks.pop(chat, None) is not None)

    def check(self) -> None:
        for chat, talk in self.talks.items():
            row = stored(self.connection, chat)
            assert row.run_at == talk.due, chat
            assert row.revision == len(talk.arrived)

    def check_the_end(self) -> None:
        assert_rolled_up(self.connection)
        found = {row.conversation: row.revision for row in self.connection.execute(select(insights))}
        rows: list[Any] = [stored(self.connection, chat) for chat in self.talks]
        assert {row.status for row in rows} <= {"completed", "skipped", "failed"}
        for row in rows:
            assert row.status != "completed" or found[row.number] == row.revision
        assert depth(self.connection, now=self.now) == (0, None)


@pytest.fixture(scope="module")
def try_in_memory() -> Iterator[Callable[[Callable[[Connection], object]], None]]:
    with tries_in_memory() as tries:
        yield tries


@settings(thorough, max_examples=80)
@given(steps=steps)
def test_however_it_goes_a_chat_is_due_when_it_should_be(
    try_in_memory: Callable[[Callable[[Connection], object]], None], steps: Steps
) -> None:
    try_in_memory(lambda connection: Play(connection)(steps))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@settings(thorough, max_examples=10)
@given(steps=steps)
async def test_however_it_goes_on_postgresql_it_is_the_same(db: Database, steps: Steps) -> None:
    await tried(db, lambda connection: Play(connection)(steps))
