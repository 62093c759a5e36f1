"""Conversations that can wait: behind everything fresh, until they no longer can."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, select

from core.clock import SECOND
from database import Database
from llm.budget import Budget
from llm.gateway import OfflineGateway
from llm.hold import Hold
from models import DAY, LATER, insights, spending
from store.conversations.chats import PostedMessage, add_messages
from store.conversations.intake import NewConversation, NewMessage
from store.queue import waiting
from store.queue.clock import ProcessClock
from store.queue.depth import depth
from tests.support.rows import (
    LATE,
    NOW,
    POLICY,
    answered,
    claim,
    complete,
    ids,
    new,
    statuses,
    stored,
    take_in,
)
from tests.support.scripted import Scripted
from worker.lane.waiting import WaitingConversations
from worker.outcomes import charged, given_back
from worker.sources import Booked

UNTIL = NOW + 60_000 * SECOND
OTHER = "The new version is great, thank you so much for it."


def later(id_: str, text: str = LATE, until: int = UNTIL) -> NewConversation:
    return new(id_, text)._replace(freshness=DAY, run_at=until)


def source(
    now: Callable[[], int] = lambda: NOW, is_open: Callable[[], bool] = lambda: False
) -> WaitingConversations:
    gateway = OfflineGateway(Scripted(), Hold(now))

    def wanted() -> tuple[str, ...]:
        return (LATER,) if is_open() else (LATER, DAY)

    return WaitingConversations(gateway, POLICY, ProcessClock(now), lambda: "w", wanted=wanted)


async def test_what_can_wait_is_fresh_only_when_it_no_longer_can(db: Database) -> None:
    def run(connection: Connection) -> tuple[list[str], list[str], int]:
        take_in(connection, later("waits"), new("fresh", OTHER))
        at_once = ids(claim(connection).work)
        at_last = claim(connection, now=UNTIL + 1).work
        complete(connection, at_last)
        return at_once, ids(at_last), waiting.count_waiting(connection)

    at_once, at_last, left = await db.write(run)

    assert at_once == ["fresh"]
    assert set(at_last) == {"fresh", "waits"}  # the lease on the other one has ended by then
    assert left == 0


async def test_it_is_taken_while_nothing_says_that_batches_take_it(db: Database) -> None:
    def run(connection: Connection) -> tuple[bool, bool, list[str], str | None]:
        take_in(connection, later("a"), later("b", OTHER))
        lane_open, lane_closed = source(is_open=lambda: True), source()
        is_due = lane_open.is_due(connection), lane_closed.is_due(connection)
        works = lane_closed.take(connection, 1).work
        lane_closed.settle(connection, [answered(each) for each in works], asked=works)
        waiting.goes_live(connection, [2])
        return *is_due, ids(lane_open.take(connection, 5).work), stored(connection, "a").freshness

    assert await db.write(run) == (False, True, ["b"], None)


async def test_what_goes_back_can_still_wait_and_calls_rest_for_as_long_as_they_have_to(db: Database) -> None:
    now = [NOW]
    ours = source(lambda: now[0])

    def run(connection: Connection) -> tuple[int, str, bool]:
        take_in(connection, later("a"))
        (work,) = ours.take(connection, 5).work
        outcome = charged(work.job, "invalid_row", "no row", at=NOW + SECOND, policy=POLICY)
        ours.settle(connection, [outcome], asked=[work])
        row = stored(connection, "a")
        return row.run_at, row.freshness, ours.is_due(connection)

    assert await db.write(run) == (UNTIL, DAY, False)
    now[0] += SECOND
    assert await db.read(ours.is_due)


async def test_a_fresh_one_with_the_same_text_does_not_wait_for_it(db: Database) -> None:
    def run(connection: Connection) -> tuple[list[str], dict[str, str], list[bool]]:
        take_in(connection, later("waits"), later("its twin"))
        works = source().take(connection, 5).work
        take_in(connection, new("fresh"))
        fresh = claim(connection).work
        complete(connection, fresh)
        source().settle(connection, [answered(each) for each in works], asked=works)
        complete(connection, claim(connection, "b").work)
        cached = select(insights.c.cached).order_by(insights.c.conversation)
        return ids(fresh), statuses(connection), list(connection.scalars(cached))

    fresh, ended, cached = await db.write(run)

    assert fresh == ["fresh"]
    assert set(ended.values()) == {"completed"}
    assert cached == [False, True, False]  # the twin was answered from the cache


async def test_somebody_who_writes_in_it_has_it_analysed_soon_whoever_holds_it(db: Database) -> None:
    def run(connection: Connection) -> tuple[int, int | None, str | None, int]:
        take_in(connection, later("a"))
        works = source().take(connection, 5).work
        said = PostedMessage("a", NewMessage("Are you still there?"))
        add_messages(connection, [[said]], now=NOW + SECOND, quiet=30 * SECOND)
        counted = source().settle(connection, [answered(each) for each in works], asked=works)
        row = stored(connection, "a")
        return len(counted), row.run_at, row.freshness, depth(connection, now=NOW + 60 * SECOND)[0]

    assert await db.write(run) == (0, NOW + 31 * SECOND, None, 1)


async def test_how_old_the_queue_is_says_what_cannot_wait(db: Database) -> None:
    def run(connection: Connection) -> tuple[int, int | None]:
        take_in(connection, later("waits"))
        source().take(connection, 5)
        take_in(connection, later("waits too", OTHER))
        return depth(connection, now=NOW + SECOND)

    assert await db.write(run) == (2, None)


@pytest.mark.parametrize(("limit", "fitting"), [(None, 1), (8_000_000_000, 1), (1_000_000, 0)])
async def test_half_of_a_days_budget_is_left_to_what_is_fresh(
    db: Database, limit: int | None, fitting: int
) -> None:
    ours = source()
    budget = Budget(Scripted(), lambda: NOW, limit, cost_per_1k=0.01)

    def run(connection: Connection) -> Booked:
        take_in(connection, later("a"))
        works = ours.take(connection, 5).work
        booked = ours.reserve(connection, budget, works)
        back = [work.job for work in works][booked.fitting :]
        ours.settle(connection, given_back(back, at=NOW), asked=works[booked.fitting :])
        return booked

    booked = await db.write(run)
    reserved = await db.read(lambda connection: connection.scalar(select(spending.c.reserved)) or 0)

    assert booked.fitting == fitting
    assert (reserved > 0) == bool(fitting)
    assert limit is None or reserved <= limit // 2
    # Not even looked for before the budget may have changed.
    assert not await db.read(ours.is_due)


async def test_a_conversation_that_no_batch_takes_is_still_behind_all(db: Database) -> None:
    def run(connection: Connection) -> tuple[str, list[str], list[str]]:
        take_in(connection, later("a"))
        waiting.goes_live(connection, [1])
        freshness = stored(connection, "a").freshness
        return (
            freshness,
            ids(claim(connection).work),
            ids(source(is_open=lambda: True).take(connection, 5).work),
        )

    assert await db.write(run) == (LATER, [], ["a"])


# --- chats --------------------------------------------------------------------------------------------------

QUIET, WAIT = 30 * SECOND, 60_000 * SECOND


def say(connection: Connection, *said: tuple[str, bool], now: int = NOW) -> None:
    """Add messages to the chat `a` in one commit, each with whether it can wait."""
    posts = [[PostedMessage("a", NewMessage(text), can_wait=can_wait)] for text, can_wait in said]
    add_messages(connection, posts, now=now, quiet=QUIET, wait=WAIT)


async def test_a_chat_that_can_wait_is_taken_once_it_has_been_quiet(db: Database) -> None:
    now = [NOW]
    ours = source(lambda: now[0])

    def run(connection: Connection) -> list[object]:
        say(connection, (LATE, True))
        say(connection, (OTHER, True), now=NOW + SECOND)
        too_soon = ours.is_due(connection), ids(ours.take(connection, 5).work)
        fresh = ids(claim(connection, now=NOW + WAIT - 1).work)
        now[0] += QUIET + SECOND
        row = stored(connection, "a")
        return [
            too_soon,
            fresh,
            row.run_at,
            row.freshness,
            ours.is_due(connection),
            *ids(ours.take(connection, 5).work),
        ]

    assert await db.write(run) == [(False, []), [], NOW + WAIT, DAY, True, "a"]


async def test_one_urgent_message_makes_a_chat_urgent(db: Database) -> None:
    def run(connection: Connection) -> list[tuple[str | None, int]]:
        say(connection, (LATE, True), (OTHER, False))
        new_one = stored(connection, "a")
        say(connection, ("And now?", True), now=NOW + SECOND)
        row = stored(connection, "a")
        return [(new_one.freshness, new_one.run_at), (row.freshness, row.run_at)]

    assert await db.write(run) == [(None, NOW + QUIET), (None, NOW + SECOND + QUIET)]


async def test_who_cannot_wait_has_one_that_could_analysed_soon(db: Database) -> None:
    def run(connection: Connection) -> tuple[str | None, int]:
        say(connection, (LATE, True))
        say(connection, (OTHER, False), now=NOW + SECOND)
        row = stored(connection, "a")
        return row.freshness, row.run_at

    assert await db.write(run) == (None, NOW + SECOND + QUIET)


async def test_one_that_was_analysed_can_wait_again(db: Database) -> None:
    def run(connection: Connection) -> tuple[str | None, int, str]:
        take_in(connection, new("a"))
        complete(connection, claim(connection).work)
        say(connection, (OTHER, True), now=NOW + SECOND)
        row = stored(connection, "a")
        return row.freshness, row.run_at, row.status

    assert await db.write(run) == (DAY, NOW + SECOND + WAIT, "queued")


async def test_one_that_is_held_for_later_goes_live_behind_all_and_does_not_wait_longer(db: Database) -> None:
    """What holds it answers for nothing, and so might the next batch, message by message."""
    until = NOW + 90 * SECOND

    def run(connection: Connection) -> tuple[int, str | None, int, str | None]:
        take_in(connection, later("a", until=until))
        works = source().take(connection, 5).work
        held_until = stored(connection, "a").run_at
        say(connection, (OTHER, True), now=NOW + SECOND)
        counted = source().settle(connection, [answered(each) for each in works], asked=works)
        row = stored(connection, "a")
        return len(counted), row.freshness, row.run_at - held_until, row.lease

    assert await db.write(run) == (0, LATER, 0, None)
