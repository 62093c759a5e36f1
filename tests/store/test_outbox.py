"""The outbox: noted with what it tells of, delivered in order, and a dead receiver holds nobody up."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from sqlalchemy import Connection, func, insert, select

from core.clock import SECOND
from database import Database
from domain.events import INSIGHT_COMPLETED, WebhookEvent
from domain.jobs import Failed
from domain.receivers import WAITS, Outcome, Tried
from models import conversations, webhook_deliveries, webhooks
from store.conversations.records import delete_conversation
from store.queue import deliveries, renewal
from store.queue.deliveries import TURN, DeliveryTurn
from store.webhooks import registry
from store.webhooks.outbox import note_events, subscribers
from store.webhooks.registry import NewReceiver
from tests.support.insight_data import tried
from tests.support.rows import NOW, claim, complete, distinct, settle, stored, take_in

ALL = ("insight.completed", "conversation.failed")
GOOD, BAD, GONE = Tried(Outcome.DELIVERED, 200), Tried(Outcome.REFUSED, 500), Tried(Outcome.GONE, 410)
_d = webhook_deliveries.c


def add_webhook(connection: Connection, id_: str = "wh_1", events: Sequence[str] = ALL) -> None:
    new = NewReceiver(
        id_, f"https://{id_}.test/", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", events, NOW, "me"
    )
    assert registry.add(connection, new)


def note(connection: Connection, *subjects: str, now: int = NOW) -> None:
    events = [
        WebhookEvent(INSIGHT_COMPLETED, now, {"at": at}, subject) for at, subject in enumerate(subjects)
    ]
    note_events(connection, subscribers(connection), events)


def take(connection: Connection, *, now: int = NOW, token: str = "t") -> list[DeliveryTurn]:
    found = deliveries.claim(connection, now=now, token=token, until=now + 60 * SECOND, limit=50)
    return sorted(found, key=lambda turn: turn.id)


def end(
    connection: Connection, turn: DeliveryTurn, how: Tried | Callable[[int], Tried], *, now: int = NOW
) -> str | None:
    results = {each.number: how if isinstance(how, Tried) else how(each.number) for each in turn.deliveries}
    return deliveries.settle(connection, turn, results, now=now)


def states(connection: Connection) -> list[tuple[str, int]]:
    rows = connection.execute(select(_d.state, _d.tries).order_by(_d.number))
    return [(row.state, row.tries) for row in rows]


def counted(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(webhook_deliveries)) or 0


async def test_an_event_is_noted_with_its_insight_for_each_that_wants_it(db: Database) -> None:
    def play(connection: Connection) -> None:
        add_webhook(connection, "wh_1")
        add_webhook(connection, "wh_2", ["insight.completed"])
        add_webhook(connection, "wh_3", ["summary.completed"])
        take_in(connection, *distinct(2))
        complete(connection, claim(connection).work)

        turns = take(connection)
        by_webhook = {turn.id: [(each.id, each.body) for each in turn.deliveries] for turn in turns}
        assert {*by_webhook} == {"wh_1", "wh_2"}
        assert by_webhook["wh_1"] == by_webhook["wh_2"]
        assert len(dict(by_webhook["wh_1"])) == 2

    await tried(db, play)


async def test_what_is_rolled_back_is_not_told(db: Database) -> None:
    def play(connection: Connection) -> None:
        add_webhook(connection)
        with connection.begin_nested() as savepoint:
            note(connection, "a")
            savepoint.rollback()
        assert counted(connection) == 0

    await tried(db, play)


async def test_a_failure_is_told_with_its_reason(db: Database) -> None:
    def play(connection: Connection) -> None:
        add_webhook(connection)
        take_in(connection, *distinct(1))
        [work] = claim(connection).work
        settle(connection, [work], [Failed(work.job, "invalid_row", "no score", 4)])

        [turn] = take(connection)
        [delivery] = turn.deliveries
        assert '"type":"conversation.failed"' in (delivery.body or "")
        assert '"error":"no score"' in (delivery.body or "")

    await tried(db, play)


async def test_an_outcome_that_does_not_count_tells_nothing(db: Database) -> None:
    def play(connection: Connection) -> None:
        add_webhook(connection)
        take_in(connection, *distinct(1))
        works = claim(connection).work
        complete(connection, works)
        complete(connection, works)
        assert counted(connection) == 1

    await tried(db, play)


async def test_events_of_a_subject_go_one_after_the_other(db: Database) -> None:
    def play(connection: Connection) -> None:
        add_webhook(connection)
        note(connection, "a", "b", "a", "c", "a")

        [first] = take(connection)
        assert [each.number for each in first.deliveries] == [1, 2, 4]
        end(connection, first, lambda number: BAD if number == 1 else GOOD)
        # The first of `a` waits, and so do those behind it; others would go.
        assert take(connection) == []
        later = NOW + WAITS[0]
        [second] = take(connection, now=later)
        assert [each.number for each in second.deliveries] == [1]
        end(connection, second, GOOD, now=later)
        [third] = take(connection, now=later)
        assert [each.number for each in third.deliveries] == [3]

    await tried(db, play)


async def test_a_held_webhook_is_nobody_elses_and_a_late_result_changes_nothing(db: Database) -> None:
    def play(connection: Connection) -> None:
        add_webhook(connection)
        note(connection, "a")
        [mine] = take(connection)
        assert take(connection, token="other") == []
        late = NOW + 61 * SECOND
        [theirs] = take(connection, now=late, token="other")

        assert [each.id for each in theirs.deliveries] == [each.id for each in mine.deliveries]
        end(connection, mine, GOOD, now=late)
        assert states(connection) == [("pending", 0)]
        end(connection, theirs, GOOD, now=late)
        assert states(connection) == [("delivered", 1)]

    await tried(db, play)


async def test_a_dead_receiver_is_tried_eight_times_in_24_hours_and_then_disabled(db: Database) -> None:
    def play(connection: Connection) -> None:
        add_webhook(connection)
        note(connection, *(f"s{at}" for at in range(40)))
        now, tries, reason = NOW, 0, None
        times = []
        while reason is None:
            [turn] = take(connection, now=now)
            tries += len(turn.deliveries)
            times.append(now)
            reason = end(connection, turn, BAD, now=now)
            if reason is None:
                now = connection.scalar(select(webhooks.c.run_at)) or 0
        # A whole turn once, then the oldest alone.
        assert tries == TURN + 7
        assert [after - before for before, after in pairwise(times)] == [*WAITS]
        row = registry.get(connection, "wh_1")
        assert row is not None
        assert (row.status, row.run_at, row.disabled_at) == ("disabled", None, now)
        assert "try 8" in row.disabled_reason
        assert "refused 500" in row.disabled_reason
        # Nothing more is noted for it, and what waits is kept.
        note(connection, "more")
        assert counted(connection) == 40
        assert take(connection, now=now + 10**12) == []

        registry.enable(connection, "wh_1", now=now)
        [again] = take(connection, now=now)
        assert len(again.deliveries) == TURN
        assert {each.tries for each in again.deliveries} == {0}

    await tried(db, play)


async def test_one_that_says_gone_is_disabled_at_once(db: Database) -> None:
    def play(connection: Connection) -> None:
        add_webhook(connection)
        note(connection, "a", "b")
        [turn] = take(connection)
        assert "gone 410" in (end(connection, turn, GONE) or "")
        assert states(connection) == [("pending", 1)] * 2

    await tried(db, play)


async def test_an_event_that_a_working_receiver_never_takes_is_given_up_alone(db: Database) -> None:
    def play(connection: Connection) -> None:
        add_webhook(connection)
        note(connection, "poison", "poison")
        now = NOW
        for wait in (*WAITS, 0):
            note(connection, f"other {now}", now=now)
            [turn] = take(connection, now=now)
            bad, good = turn.deliveries
            results = {bad.number: BAD, good.number: GOOD}
            assert deliveries.settle(connection, turn, results, now=now) is None
            now += wait + SECOND
        assert states(connection)[:2] == [("failed", 8), ("pending", 0)]
        [after] = take(connection, now=now)
        assert [each.number for each in after.deliveries] == [2]

    await tried(db, play)


async def test_ten_thousand_events_behind_a_dead_receiver_cost_a_live_one_nothing(db: Database) -> None:
    def play(connection: Connection) -> None:
        add_webhook(connection, "wh_dead")
        row = {"webhook": 1, "type": INSIGHT_COMPLETED, "body": "{}", "created_at": NOW, "next_at": NOW}
        rows = [{**row, "id": f"evt_{at}", "subject": f"s{at}"} for at in range(10_000)]
        connection.execute(insert(webhook_deliveries), rows)
        add_webhook(connection, "wh_live")
        note_events(
            connection,
            {INSIGHT_COMPLETED: [2]},
            [WebhookEvent(INSIGHT_COMPLETED, NOW, {}, "x") for _ in range(20)],
        )
        dead, live = take(connection)
        assert (len(dead.deliveries), len(live.deliveries)) == (TURN, 1)
        end(connection, dead, BAD)
        # One after the other, being of one subject: in each turn the live one is alone.
        for _ in range(20):
            end(connection, live, GOOD)
            left = take(connection)
            assert [turn.id for turn in left] in (["wh_live"], [])
            live = left[0] if left else live
        pending = select(func.count()).where(_d.webhook == 2, _d.next_at.is_not(None))
        assert connection.scalar(pending) == 0

    await tried(db, play)


async def test_what_is_told_of_a_conversation_goes_with_it(db: Database) -> None:
    def play(connection: Connection) -> None:
        add_webhook(connection)
        take_in(connection, *distinct(3))
        complete(connection, claim(connection).work)
        [turn] = take(connection)
        end(connection, turn, lambda number: GOOD if number == 1 else BAD)

        delete_conversation(connection, "c0")
        assert counted(connection) == 2
        row = stored(connection, "c1")
        renewal.renew(connection, row, now=NOW, due=NOW)
        assert connection.scalars(select(_d.conversation)).all() == [stored(connection, "c2").number]

    await tried(db, play)


async def test_an_event_can_be_sent_again(db: Database) -> None:
    def play(connection: Connection) -> None:
        add_webhook(connection)
        note(connection, "a")
        [turn] = take(connection)
        end(connection, turn, GOOD)
        [first] = turn.deliveries

        assert registry.resend(connection, 1, "evt_other", now=NOW) is None
        assert registry.resend(connection, 1, first.id, now=NOW) is not None
        [again] = take(connection)
        assert [(each.id, each.body) for each in again.deliveries] == [(first.id, first.body)]

    await tried(db, play)


async def test_what_ended_long_ago_or_belongs_to_nobody_is_swept(db: Database) -> None:
    def play(connection: Connection) -> None:
        add_webhook(connection, "wh_1")
        add_webhook(connection, "wh_2")
        note(connection, "a", "b")
        [first, second] = take(connection)
        end(connection, first, lambda number: GOOD if number == 1 else BAD)
        end(connection, second, BAD)
        registry.delete_webhook(connection, "wh_2")

        assert registry.sweep(connection, before=NOW, limit=10) == 2
        assert registry.sweep(connection, before=NOW + 1, limit=10) == 1
        assert states(connection) == [("pending", 1)]
        assert registry.figures(connection) == (1, NOW, 1, 0)

    await tried(db, play)


async def test_only_what_the_service_has_disabled_is_counted_as_disabled(db: Database) -> None:
    def play(connection: Connection) -> None:
        for id_ in ("wh_1", "wh_2", "wh_3"):
            add_webhook(connection, id_)
        registry.disable(connection, "wh_1", registry.BY_AN_ADMIN, now=NOW)
        registry.disable(connection, "wh_2", "try 8 ended", now=NOW)
        assert registry.figures(connection) == (0, None, 1, 1)

    await tried(db, play)


async def test_there_are_at_most_fifty(db: Database) -> None:
    def play(connection: Connection) -> None:
        for at in range(50):
            add_webhook(connection, f"wh_{at}")
        new = NewReceiver("wh_x", "https://x.test", "whsec_", ALL, NOW, "me")
        assert not registry.add(connection, new)

    await tried(db, play)


@pytest.mark.parametrize("status", ["queued", "processing", "disabled"])
async def test_a_conversation_is_analysed_whoever_wants_to_know(db: Database, status: str) -> None:
    """A webhook that another transaction holds keeps no settlement waiting: nothing of it is locked."""

    def play(connection: Connection) -> None:
        add_webhook(connection)
        note(connection, "x")
        if status == "processing":
            take(connection)
        if status == "disabled":
            registry.disable(connection, "wh_1", "by hand", now=NOW)
        take_in(connection, *distinct(1))
        complete(connection, claim(connection).work)
        assert counted(connection) == (1 if status == "disabled" else 2)
        assert connection.scalar(select(conversations.c.status)) == "completed"

    await tried(db, play)
