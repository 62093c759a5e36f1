"""Batches at the provider as they are stored: who holds what, what was sent, what is counted, when it is deleted."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, Row, func, select, update

from core.clock import SECOND
from database import Database
from models import (
    CANCELLING,
    FILLING,
    LATE,
    PACKED,
    RUNNING,
    SENT,
    SETTLED,
    TRIED,
    asking,
    batch_items,
    batch_requests,
    conversations,
    provider_batches,
)
from store.conversations.batched import forget_batched, kept_until
from store.conversations.records import delete_conversation
from store.queue import batch_requests as requests
from store.queue import batches, waiting
from store.queue.batch_requests import PackedItem
from store.queue.batches import Batch
from tests.support.rows import NOW, POLICY, claim, distinct, stored, take_in
from worker.claims import Claim, Claimed
from worker.lane.waiting import ClaimedInTime

HOUR = 3_600 * SECOND
DEADLINE = NOW + 24 * HOUR
KEPT = 30 * 24 * HOUR
HELD_UNTIL = DEADLINE + HOUR
CAN_WAIT_UNTIL = NOW + 18 * HOUR


def begin(connection: Connection, *, now: int = NOW, reanalysis: int | None = None) -> Batch:
    """A batch that is being filled, and held by whoever looks after it."""
    batches.begin_batch(
        connection,
        model="grok-4.3",
        prompt_version="1",
        reanalysis=reanalysis,
        now=now,
        deadline=now + 24 * HOUR,
        kept=KEPT,
    )
    newest = select(*batches.FIELDS).order_by(provider_batches.c.number.desc()).limit(1)
    batch = Batch(*connection.execute(newest).one())
    batches.QUEUE.lease(connection, [batch.number], token="looks", until=now + 300 * SECOND)
    return batch._replace(lease="looks")


def later(number: int) -> list[Any]:
    return [each._replace(freshness="day", run_at=CAN_WAIT_UNTIL) for each in distinct(number)]


def take(connection: Connection, batch: Batch, limit: int = 50, *, now: int = NOW) -> Claimed:
    """Have the batch hold what waits."""
    of = ClaimedInTime(lambda: ("day",))
    return Claim(now, batch.holder, HELD_UNTIL, "grok-4.3/1", POLICY, of).take(connection, limit)


def put(connection: Connection, batch: Batch, call: int, claimed: Claimed, *, body: str = "{}") -> None:
    """Store a request with what was claimed, or with what nobody knows."""
    items = [
        PackedItem(work.job.number, work.job.revision, work.job.message_count, False, work.key)
        for work in claimed.work
    ] or [PackedItem(1_000, 1, 1, False, b"")]
    requests.store_request(connection, batch.number, call, day=1, reserved=100, body=body, items=items)
    batches.add_to(connection, batch.number, requests=1, conversations=len(items))


def packed(connection: Connection, number: int = 3, *, call: int = 1) -> tuple[Batch, Claimed]:
    """A batch with a request about so many conversations."""
    take_in(connection, *later(number))
    claimed = take(connection, batch := begin(connection))
    put(connection, batch, call, claimed)
    return batch, claimed


def row_of(connection: Connection, batch: Batch) -> Row[Any]:
    return connection.execute(select(provider_batches).where(provider_batches.c.number == batch.number)).one()


def rows_in(connection: Connection) -> tuple[int, int, int]:
    """How many batches, requests and items there are."""
    batch, request, item = (
        connection.scalar(select(func.count()).select_from(table)) or 0
        for table in (provider_batches, batch_requests, batch_items)
    )
    return batch, request, item


def end(connection: Connection, batch: Batch, *, now: int = NOW) -> None:
    """Every request is settled, and the batch over."""
    requests.mark_requests(connection, requests.open_calls(connection, batch.number), SETTLED)
    batches.end_batch(connection, batch, now=now)


# --- who holds a batch --------------------------------------------------------------------------------------


async def test_a_batch_is_there_before_anybody_hears_of_it(db: Database) -> None:
    batch = await db.write(begin)
    row = await db.read(lambda connection: row_of(connection, batch))

    assert (batch.stage, batch.provider_id, batch.is_tried) == (FILLING, None, False)
    assert (row.kept_until, row.deadline) == (NOW + KEPT, DEADLINE)
    assert len(batch.id) <= 40
    assert batch.holder != batch.lease


async def test_names_and_leases_of_batches_are_their_own(db: Database) -> None:
    made = [await db.write(begin) for _ in range(3)]

    assert len({each.id for each in made} | {each.holder for each in made}) == 6


async def test_a_batch_is_looked_after_by_one_until_the_lease_ends(db: Database) -> None:
    def play(connection: Connection) -> tuple[list[Batch], list[Batch], Batch | None]:
        first = begin(connection)
        meanwhile = batches.claim(connection, now=NOW + SECOND, token="b", until=NOW + HOUR, limit=5)
        after = batches.claim(connection, now=NOW + 301 * SECOND, token="b", until=NOW + HOUR, limit=5)
        return meanwhile, after, batches.renewed(connection, first, until=NOW + HOUR)

    meanwhile, after, lost = await db.write(play)

    assert meanwhile == []
    assert [each.lease for each in after] == ["b"]
    assert lost is None


async def test_who_lost_a_batch_does_not_release_it(db: Database) -> None:
    def play(connection: Connection) -> Row[Any]:
        first = begin(connection)
        batches.claim(connection, now=NOW + 301 * SECOND, token="b", until=NOW + HOUR, limit=5)
        batches.release_batch(connection, first, run_at=NOW, failures=9)
        return row_of(connection, first)

    row = await db.write(play)

    assert (row.lease, row.failures, row.run_at) == ("b", 0, NOW + HOUR)


async def test_a_batch_that_was_released_is_due_when_it_says(db: Database) -> None:
    def play(connection: Connection) -> list[bool]:
        batch = begin(connection)
        batches.release_batch(connection, batch, run_at=NOW + HOUR, failures=2)
        return [batches.is_due(connection, now=at) for at in (NOW + HOUR - 1, NOW + HOUR)]

    assert await db.write(play) == [False, True]


async def test_the_queue_and_each_re_analysis_have_a_batch_of_their_own_to_fill(db: Database) -> None:
    def play(connection: Connection) -> list[bool]:
        batch = begin(connection, reanalysis=7)
        had = [batches.has_filling(connection, of) for of in (None, 7, 8)]
        batches.put_batch(connection, batch.number, stage=RUNNING)
        return [*had, batches.has_filling(connection, 7)]

    assert await db.write(play) == [False, True, False, False]


async def test_a_start_gives_back_batches_and_leaves_them_what_they_hold(db: Database) -> None:
    def play(connection: Connection) -> tuple[int, str, str]:
        batch, _ = packed(connection)
        given_back = batches.recover(connection, now=NOW)
        return given_back, row_of(connection, batch).status, stored(connection, "c0").status

    assert await db.write(play) == (1, "queued", "processing")


# --- what it holds ------------------------------------------------------------------------------------------


async def test_what_a_batch_holds_is_not_due_before_it_has_to_be(db: Database) -> None:
    def play(connection: Connection) -> list[int]:
        packed(connection)
        moments = NOW, CAN_WAIT_UNTIL + 1, HELD_UNTIL - 1, HELD_UNTIL
        return [claim(connection, token=f"{at}", now=at).due for at in moments]

    assert await db.write(play) == [0, 0, 0, 3]


async def test_a_start_has_open_batches_hold_on_to_what_would_be_due(db: Database) -> None:
    """After a long stop texts went live though their batch had answered: the analysis queue was faster."""
    late = HELD_UNTIL + HOUR

    def play(connection: Connection) -> tuple[list[bool], list[int], set[int]]:
        packed(connection, 5)
        for table, column in ((conversations, "run_at"), (asking, "until")):
            connection.execute(update(table).values({column: HELD_UNTIL}))
        more = [batches.hold_on(connection, until=late) for _ in range(2)]
        dues = [claim(connection, token=f"{at}", now=at).due for at in (HELD_UNTIL, late - 1)]
        return more, dues, {*connection.scalars(select(asking.c.until))}

    assert await db.write(play) == ([True, False], [0, 0], {late})


async def test_holding_on_leaves_alone_what_is_held_for_longer_or_by_nobody(db: Database) -> None:
    def play(connection: Connection) -> tuple[bool, set[int]]:
        batch, _ = packed(connection)
        take_in(connection, *[each._replace(id=f"live-{each.id}") for each in distinct(2)])
        is_more = batches.hold_on(connection, until=HELD_UNTIL - 1)
        end(connection, batch)
        return is_more or batches.hold_on(connection, until=2 * HELD_UNTIL), {
            *connection.scalars(select(conversations.c.run_at))
        }

    is_more, moments = await db.write(play)

    assert not is_more
    assert moments == {HELD_UNTIL, NOW}


async def test_nobody_waits_for_a_row_of_what_was_deleted_or_has_changed(db: Database) -> None:
    def play(connection: Connection) -> tuple[list[int], int]:
        batch, _ = packed(connection)
        requests.mark_requests(connection, [1], SENT)
        delete_conversation(connection, "c0")
        c = conversations.c
        connection.execute(update(conversations).where(c.id == "c1").values(revision=2))
        waits = requests.conversations_of(connection, batch, 1, with_texts=True)
        return [each.position for each in waits], requests.count_items(connection, 1)

    assert await db.write(play) == ([3], 2)


async def test_what_was_freed_waits_for_no_row(db: Database) -> None:
    def play(connection: Connection) -> list[bool]:
        batch, _ = packed(connection)
        before = requests.is_free(connection, 1)
        requests.free_items(connection, [1])
        return [before, requests.is_free(connection, 1), not requests.conversations_of(connection, batch, 1)]

    assert await db.write(play) == [False, True, True]


async def test_a_conversation_of_a_request_is_read_as_it_was_packed(db: Database) -> None:
    def play(connection: Connection) -> Sequence[Any]:
        batch, claimed = packed(connection)
        found = requests.conversations_of(connection, batch, 1, with_texts=True)
        return [(each.job.turns, each.job.lease, each.cache_key) for each in found], [
            (work.job.turns, batch.holder, work.key) for work in claimed.work
        ]

    found, was = await db.write(play)

    assert found == was


# --- sending ------------------------------------------------------------------------------------------------


async def test_what_was_perhaps_sent_goes_again_first_and_by_itself(db: Database) -> None:
    def play(connection: Connection) -> list[list[tuple[int, str]]]:
        batch, _ = packed(connection)
        for call in (2, 3):
            put(connection, batch, call, Claimed(0, (), ()))
        requests.mark_requests(connection, [3], TRIED)
        first = requests.next_to_send(connection, batch.number, most_bytes=1_000)
        requests.mark_requests(connection, [3], SENT)
        second = requests.next_to_send(connection, batch.number, most_bytes=1_000)
        requests.mark_requests(connection, [1, 2], SENT)
        last = requests.next_to_send(connection, batch.number, most_bytes=1_000)
        return [[(each.call, each.state) for each in some] for some in (first, second, last)]

    assert await db.write(play) == [[(3, TRIED)], [(1, PACKED), (2, PACKED)], []]


@pytest.mark.parametrize(("most", "calls"), [(1, [1]), (11, [1]), (12, [1, 2]), (18, [1, 2, 3])])
async def test_a_call_has_so_many_bytes_but_at_least_one_request(
    db: Database, most: int, calls: list[int]
) -> None:
    def play(connection: Connection) -> list[int]:
        batch = begin(connection)
        for call in (1, 2, 3):
            put(connection, batch, call, Claimed(0, (), ()), body="12é45")
        return [each.call for each in requests.next_to_send(connection, batch.number, most_bytes=most)]

    assert await db.write(play) == calls


async def test_a_body_is_kept_until_the_provider_has_it(db: Database) -> None:
    def play(connection: Connection) -> list[str | None]:
        packed(connection)
        bodies = []
        for state in (TRIED, SENT):
            requests.mark_requests(connection, [1], state)
            bodies.append(connection.scalar(select(batch_requests.c.body)))
        return bodies

    kept, gone = await db.write(play)

    assert kept is not None
    assert gone is None


async def test_a_request_is_broken_by_what_the_batch_does_not_hold_any_more(db: Database) -> None:
    def play(connection: Connection) -> set[int]:
        take_in(connection, *later(4))
        batch = begin(connection)
        for call in (1, 2, 3, 4):
            put(connection, batch, call, take(connection, batch, 1))
        c = conversations.c
        delete_conversation(connection, "c0")
        connection.execute(update(conversations).where(c.id == "c1").values(revision=2))
        connection.execute(update(conversations).where(c.id == "c2").values(lease="another"))
        return requests.broken_among(connection, batch, [1, 2, 3, 4])

    assert await db.write(play) == {1, 2, 3}


async def test_what_was_never_sent_is_forgotten_without_a_trace(db: Database) -> None:
    def play(connection: Connection) -> tuple[int, int, int]:
        packed(connection)
        requests.forget_requests(connection, [1])
        return rows_in(connection)

    assert await db.write(play) == (1, 0, 0)


async def test_sizes_are_bytes(db: Database) -> None:
    def play(connection: Connection) -> tuple[int, int]:
        batch = begin(connection)
        put(connection, batch, 1, Claimed(0, (), ()), body="é")
        put(connection, batch, 2, Claimed(0, (), ()), body="ab")
        return requests.size_of(connection, batch.number)

    assert await db.write(play) == (2, 4)


async def test_a_request_is_settled_once(db: Database) -> None:
    def play(connection: Connection) -> list[int | None]:
        batch, _ = packed(connection)
        had = requests.request_of(connection, batch.number, 1)
        of_another = requests.request_of(connection, batch.number + 1, 1)
        requests.mark_requests(connection, [1], SETTLED)
        again = requests.request_of(connection, batch.number, 1)
        return [None if each is None else each.conversations for each in (had, of_another, again)]

    assert await db.write(play) == [3, None, None]


# --- deleting -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "is_kept"), [(PACKED, False), (TRIED, True), (SENT, True), (SETTLED, True)]
)
async def test_the_provider_keeps_what_it_may_have(db: Database, state: str, is_kept: bool) -> None:
    def play(connection: Connection) -> int | None:
        _, claimed = packed(connection)
        requests.mark_requests(connection, [1], state)
        return kept_until(connection, [work.job.number for work in claimed.work[:1]])

    assert await db.write(play) == (NOW + KEPT if is_kept else None)


async def test_of_several_batches_that_had_it_the_last_says_until_when_it_is_kept(db: Database) -> None:
    def play(connection: Connection) -> int | None:
        _, claimed = packed(connection)
        put(connection, begin(connection, now=NOW + HOUR), 2, claimed)
        requests.mark_requests(connection, [1, 2], SENT)
        return kept_until(connection, [work.job.number for work in claimed.work])

    assert await db.write(play) == NOW + HOUR + KEPT


@pytest.mark.parametrize(("is_gone", "left"), [(True, 2), (False, 3)])
async def test_what_was_deleted_or_has_changed_is_not_sent(db: Database, is_gone: bool, left: int) -> None:
    def play(connection: Connection) -> tuple[str | None, int]:
        _, claimed = packed(connection)
        forget_batched(connection, [claimed.work[0].job.number], is_gone=is_gone)
        return connection.scalar(select(batch_requests.c.body)), requests.count_items(connection, 1)

    assert await db.write(play) == (None, left)


async def test_what_the_provider_keeps_no_more_is_swept_and_nothing_else(db: Database) -> None:
    """It keeps requests and results for about 30 days; until then a receipt of erasure has to say so."""
    over = NOW + KEPT

    def play(connection: Connection) -> tuple[list[bool], tuple[int, int, int], tuple[int, int, int]]:
        take_in(connection, *later(3))
        old, younger, unfinished = begin(connection), begin(connection, now=NOW + HOUR), begin(connection)
        claimed = take(connection, old, 1)
        for number in range(batches.SWEPT_AT_ONCE + 1):
            put(connection, old, 100 + number, claimed)
        for batch, call in ((younger, 1), (unfinished, 2)):
            put(connection, batch, call, take(connection, batch, 1))
        for batch in (old, younger):
            end(connection, batch)
        in_time = batches.sweep_batches(connection, now=over)
        before = rows_in(connection)
        steps = [batches.sweep_batches(connection, now=over + 1) for _ in range(4)]
        return [in_time, *steps], before, rows_in(connection)

    steps, before, after = await db.write(play)

    assert steps == [False, True, True, True, False]
    assert before == (3, batches.SWEPT_AT_ONCE + 3, batches.SWEPT_AT_ONCE + 3)
    assert after == (2, 2, 2)


# --- cancelling and counting --------------------------------------------------------------------------------


async def test_a_batch_is_cancelled_once_and_looked_at_soon(db: Database) -> None:
    def play(connection: Connection) -> tuple[list[bool], Row[Any]]:
        batch = begin(connection)
        batches.release_batch(connection, batch, run_at=NOW + HOUR, failures=0)
        names = batch.id, batch.id, "no-such"
        done = [batches.cancel_batch(connection, each, by="x" * 200, now=NOW) for each in names]
        return done, row_of(connection, batch)

    done, row = await db.write(play)

    assert done == [True, False, False]
    assert (row.cancelled_by, row.run_at) == ("x" * 100, NOW)


async def test_cancelling_all_leaves_what_is_over(db: Database) -> None:
    def play(connection: Connection) -> list[str | None]:
        over = begin(connection)
        begin(connection)
        batches.end_batch(connection, over, now=NOW)
        batches.cancel_all(connection, by="BATCH_LANE", now=NOW)
        return [each["cancelled_by"] for each in batches.list_batches(connection, limit=5)]

    assert await db.write(play) == ["BATCH_LANE", None]


async def test_a_batch_that_is_being_looked_after_is_not_taken_away_by_a_cancel(db: Database) -> None:
    def play(connection: Connection) -> Row[Any]:
        batch = begin(connection)
        batches.cancel_batch(connection, batch.id, by="an admin", now=NOW)
        return row_of(connection, batch)

    row = await db.write(play)

    assert (row.lease, row.run_at) == ("looks", NOW + 300 * SECOND)


@pytest.mark.parametrize(("stage", "number"), [(FILLING, 1), (RUNNING, 1), (CANCELLING, 1), (LATE, 0)])
async def test_what_goes_live_by_now_is_not_in_the_lane(db: Database, stage: str, number: int) -> None:
    def play(connection: Connection) -> batches.LaneFigures:
        batch, _ = packed(connection)
        take_in(connection, *[each._replace(id=f"w{each.id}") for each in later(5)])
        batches.put_batch(connection, batch.number, stage=stage, answered=1)
        return batches.lane_figures(connection)

    found = await db.write(play)

    assert (found.waiting, found.batches) == (5, number)
    assert (found.requests, found.answered, found.ends_at) == ((1, 1, DEADLINE) if number else (0, 0, None))


async def test_batches_are_listed_the_newest_first(db: Database) -> None:
    def play(connection: Connection) -> tuple[list[Batch], list[str], list[str], list[bool]]:
        made = [begin(connection) for _ in range(3)]
        batches.end_batch(connection, made[1], now=NOW)
        every = [each["id"] for each in batches.list_batches(connection, limit=2)]
        is_open = [each["id"] for each in batches.list_batches(connection, limit=5, is_open=True)]
        there = [batches.get_batch(connection, id_) is not None for id_ in (made[1].id, "no-such")]
        return made, every, is_open, there

    made, every, is_open, there = await db.write(play)

    assert every == [made[2].id, made[1].id]
    assert is_open == [made[2].id, made[0].id]
    assert there == [True, False]


async def test_what_waits_is_counted_until_a_batch_has_it(db: Database) -> None:
    def play(connection: Connection) -> list[tuple[int, int]]:
        take_in(connection, *later(3))
        before = waiting.count_waiting(connection), batches.count_open(connection)
        batch = begin(connection)
        put(connection, batch, 1, take(connection, batch, 2))
        between = waiting.count_waiting(connection), batches.count_open(connection)
        batches.end_batch(connection, batch, now=NOW)
        return [before, between, (waiting.count_waiting(connection), batches.count_open(connection))]

    assert await db.write(play) == [(3, 0), (1, 1), (1, 0)]
