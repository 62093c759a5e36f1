"""Workers that complete, fail, die and answer too late, while clients post, delete and retry.

However it goes, every conversation ends, with one insight where it ends well, and no text is asked about more
often than deaths, failures and late answers explain.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from core.clock import SECOND
from database import Database
from domain.analysis import BatchFault, CallFailed, ProviderFault
from models import conversations, insights
from store.conversations.records import delete_conversation, retry
from store.queue.analysis import Completed, Outcome
from tests.support.insight_data import an_analysis, thorough, tried
from tests.support.rows import (
    LATE,
    LEASE,
    NOW,
    POLICY,
    answered,
    assert_rolled_up,
    claim,
    new,
    send,
    settle,
    statuses,
    take_in,
)
from worker.claims import Claimed
from worker.outcomes import Work, charged, outcomes_after

SHORT = "ok"
TEXTS = (SHORT, *(f"{LATE} My number is {at}." for at in range(4)))
WELL, WRONG_ROW, FAULT, BATCH, DEATH = range(5)


@dataclass
class Call:
    """What one worker holds: `ends` is when its lease does, `sent` whether the call has left."""

    works: Sequence[Work]
    ends: int
    sent: bool = False


@dataclass
class Tally:
    """How often each text was asked about, and how often there was a reason to ask once more."""

    text_of: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)
    deleted: set[str] = field(default_factory=set)
    names: "count[int]" = field(default_factory=count)

    def excuse(self, works: Sequence[Work]) -> None:
        self.excused.update(self.text_of[work.job.id] for work in works)

    # What clients do.

    def post(self, connection: Connection, text: str, now: int) -> None:
        id_ = f"c{next(self.names)}"
        self.text_of[id_] = text
        take_in(connection, new(id_, text, received_at=now))

    def delete(self, connection: Connection, id_: str) -> None:
        if delete_conversation(connection, id_):
            self.deleted.add(id_)
            self.excused[self.text_of[id_]] += 1  # an answer may have gone with it

    def retry(self, connection: Connection, id_: str, now: int, *, fresh: bool) -> None:
        retry(connection, id_, fresh=fresh, now=now)
        self.excused[self.text_of[id_]] += 1

    # What workers do.

    def claim(self, connection: Connection, now: int, limit: int) -> Call | None:
        claimed: Claimed = claim(connection, f"w{next(self.names)}", now=now, limit=limit)
        return Call(claimed.work, now + LEASE) if claimed.work else None

    def send(self, connection: Connection, call: Call, now: int) -> None:
        works = send(connection, call.works, now=now)
        self.asked.update(self.text_of[work.job.id] for work in works)
        if now >= call.ends:
            self.excuse(works)
        call.works, call.ends, call.sent = works, now + LEASE, True

    def end(self, connection: Connection, call: Call, how: int, now: int) -> None:
        """The call is answered, or its worker dies."""
        if not call.sent or not call.works or how == DEATH:
            self.excuse(call.works if call.sent else ())
            return
        outcomes = self.outcomes(call.works, how, now)
        counted = settle(connection, call.works, outcomes, now=now)
        well = [each.job.id for each in counted if isinstance(each, Completed)]
        in_time = now < call.ends
        self.excuse([work for work in call.works if not (in_time and work.job.id in well)])

    def outcomes(self, works: Sequence[Work], how: int, now: int) -> Sequence[Outcome]:
        faults: dict[int, CallFailed] = {
            FAULT: ProviderFault("timeout", "?"),
            BATCH: BatchFault("malformed", "?"),
        }
        if how in faults:
            return outcomes_after(faults[how], works, at=now, policy=POLICY, wait=2.0)
        first, *others = works
        well: list[Outcome] = [self.right(work) for work in others]
        if how == WRONG_ROW:
            return [charged(first.job, "invalid_row", "no score", at=now, policy=POLICY), *well]
        return [self.right(first), *well]

    def right(self, work: Work) -> Completed:
        """The one right answer to its text."""
        return answered(work, an_analysis()._replace(reasoning=self.text_of[work.job.id]))

    def check(self, connection: Connection) -> None:
        """All has ended as it should."""
        found = statuses(connection)
        assert {*found} == {*self.text_of} - self.deleted
        assert {*found.values()} <= {"completed", "failed", "skipped"}
        rows = connection.execute(
            select(conversations.c.id, insights.c.reasoning).join(
                insights, insights.c.conversation == conversations.c.number
            )
        )
        assert {row.id: row.reasoning for row in rows} == {
            id_: self.text_of[id_] for id_, status in found.items() if status == "completed"
        }
        assert_rolled_up(connection)
        for text, times in self.asked.items():
            assert times <= 1 + self.excused[text]


# --- one worker after another, as hypothesis likes ----------------------------------------------------------

at = st.integers(0, 30)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.integers(0, len(TEXTS) - 1), st.just(0)),
        st.tuples(st.just("claim"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("send"), at, st.just(0)),
        st.tuples(st.just("end"), at, st.integers(WELL, DEATH)),
        st.tuples(st.just("wait"), st.sampled_from([1, 3, 60, 90, 200]), st.just(0)),
        st.tuples(st.just("delete"), at, st.just(0)),
        st.tuples(st.just("retry"), at, st.integers(0, 1)),
    ),
    min_size=8,
    max_size=40,
)
Steps = list[tuple[str, int, int]]


class Play:
    """The steps, one by one, and then nothing but good answers until the queue is empty."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.now = NOW
        self.tally = Tally()
        self.calls: list[Call] = []

    def __call__(self, steps: Steps) -> None:
        for verb, one, other in steps:
            doing: Callable[[int, int], None] = getattr(self, verb)
            doing(one, other)
        while self.calls:
            self.end(0, DEATH)
        for _ in range(100):
            if not self.drain():
                return self.tally.check(self.connection)
        raise AssertionError("the queue does not end")

    def drain(self) -> int:
        self.now += LEASE
        self.claim(50)
        while self.calls:
            self.send(0)
            self.end(0, WELL)
        return sum(status in ("queued", "processing") for status in statuses(self.connection).values())

    def post(self, text: int, _: int) -> None:
        self.tally.post(self.connection, TEXTS[text], self.now)

    def claim(self, limit: int, _: int = 0) -> None:
        call = self.tally.claim(self.connection, self.now, limit)
        if call is not None:
            self.calls.append(call)

    def send(self, which: int, _: int = 0) -> None:
        waiting = [call for call in self.calls if not call.sent]
        if waiting:
            self.tally.send(self.connection, waiting[which % len(waiting)], self.now)

    def end(self, which: int, how: int) -> None:
        if self.calls:
            self.tally.end(self.connection, self.calls.pop(which % len(self.calls)), how, self.now)

    def wait(self, seconds: int, _: int) -> None:
        self.now += seconds * SECOND

    def delete(self, which: int, _: int) -> None:
        for id_ in self.chosen(which):
            self.tally.delete(self.connection, id_)

    def retry(self, which: int, fresh: int) -> None:
        for id_ in self.chosen(which):
            self.tally.retry(self.connection, id_, self.now, fresh=bool(fresh))

    def chosen(self, which: int) -> Sequence[str]:
        ids = [*self.tally.text_of]
        return ids[which % len(ids) :][:1] if ids else ()


async def play(db: Database, steps: Steps) -> None:
    await tried(db, lambda connection: Play(connection)(steps))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(thorough, max_examples=100)
@given(steps=steps)
async def test_however_it_goes_every_conversation_ends_well_counted(db: Database, steps: Steps) -> None:
    await play(db, steps)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@settings(thorough, max_examples=15)
@given(steps=steps)
async def test_however_it_goes_on_postgresql_it_is_the_same(db: Database, steps: Steps) -> None:
    await play(db, steps)
