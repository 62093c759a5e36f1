"""Whose turn it is where summaries and batches wait for the same thing."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.priority import BATCHES, REANALYSES, SUMMARIES, Alternation, Lane, PartOfTurns, PrioritySemaphore
from rate_limiter import LocalPacer
from tests.support.fake_time import FakeTime

BOTH = frozenset([SUMMARIES, BATCHES])


def lane_of(rank: int) -> Lane:
    return Lane(rank, f"{rank}")


def crowds(lanes: Iterable[Lane]) -> st.SearchStrategy[list[frozenset[Lane]]]:
    """Who waits, turn after turn."""
    some = st.sets(st.sampled_from(sorted(lanes)), min_size=1).map(frozenset)
    return st.lists(some, max_size=100)


WAITING = crowds(BOTH)
MANY = st.integers(1, 6).flatmap(lambda number: crowds(map(lane_of, range(number))))


def turns(waiting: Sequence[frozenset[Lane]]) -> list[Lane]:
    """Whose turn it was each time, by who waited."""
    policy = Alternation()
    return [policy.next(lanes) for lanes in waiting]


@given(WAITING)
def test_a_turn_is_always_somebodys_who_waits(waiting: list[frozenset[Lane]]) -> None:
    assert all(turn in lanes for turn, lanes in zip(turns(waiting), waiting, strict=True))


@given(WAITING)
def test_while_a_batch_waits_at_most_every_second_turn_is_a_summarys(
    waiting: list[frozenset[Lane]],
) -> None:
    taken = list(zip(turns(waiting), waiting, strict=True))

    assert not any(
        before is SUMMARIES and turn is SUMMARIES and BATCHES in lanes
        for (before, _), (turn, lanes) in pairwise(taken)
    )


@given(WAITING)
def test_while_a_summary_waits_no_two_batches_follow_each_other(waiting: list[frozenset[Lane]]) -> None:
    taken = list(zip(turns(waiting), waiting, strict=True))

    assert not any(
        before is BATCHES and turn is BATCHES and SUMMARIES in lanes
        for (before, _), (turn, lanes) in pairwise(taken)
    )


def test_a_summary_goes_ahead_of_a_batch() -> None:
    assert turns([BOTH]) == [SUMMARIES]


@given(WAITING)
def test_with_two_lanes_the_one_that_was_not_served_last_goes_next_where_it_waits(
    waiting: list[frozenset[Lane]],
) -> None:
    last = BATCHES
    for turn, lanes in zip(turns(waiting), waiting, strict=True):
        other = BATCHES if last == SUMMARIES else SUMMARIES
        assert turn == (other if other in lanes else last)
        last = turn


# --- any number of lanes ------------------------------------------------------------------------------------


@given(MANY)
def test_however_many_lanes_there_are_a_turn_is_somebodys_who_waits(waiting: list[frozenset[Lane]]) -> None:
    assert all(turn in lanes for turn, lanes in zip(turns(waiting), waiting, strict=True))


@given(MANY)
def test_no_lane_starves(waiting: list[frozenset[Lane]]) -> None:
    """Every second turn is the first lane's, every fourth the second's, and so on, if they wait."""
    passed_over: Counter[Lane] = Counter()
    hindmost = max((lane.rank for lanes in waiting for lane in lanes), default=0)
    for turn, lanes in zip(turns(waiting), waiting, strict=True):
        passed_over = Counter({lane: passed_over[lane] + 1 for lane in lanes - {turn}})
        assert all(times < 2 ** min(lane.rank + 1, hindmost) for lane, times in passed_over.items())


@given(MANY)
def test_no_lane_goes_twice_in_a_row_ahead_of_one_behind_it(waiting: list[frozenset[Lane]]) -> None:
    last: dict[Lane, Lane] = {}
    for turn, lanes in zip(turns(waiting), waiting, strict=True):
        assert last.get(turn) != turn or turn == max(lanes)
        # Of the lanes from this one on, whose turn was the last?
        last |= dict.fromkeys(map(lane_of, range(turn.rank + 1)), turn)


def test_while_all_wait_each_lane_has_half_of_what_the_lanes_ahead_leave() -> None:
    everybody = frozenset(lane_of(rank) for rank in range(4))

    assert [turn.rank for turn in turns([everybody] * 8)] == [0, 1, 0, 2, 0, 1, 0, 3]


class Queue:
    """Tasks that each take a turn and keep it until told; the order in which they were served."""

    def __init__(self, free: int) -> None:
        self.turns = PrioritySemaphore(free)
        self.served: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leave: dict[str, asyncio.Event] = {}
        self.holding: deque[str] = deque()

    async def arrive(self, name: str, lane: Lane) -> None:
        self._leave[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._visit(name, lane))
        await settled()

    async def _visit(self, name: str, lane: Lane) -> None:
        async with self.turns.taken(lane):
            self.served.append(name)
            self.holding.append(name)
            await self._leave[name].wait()

    async def next_leaves(self) -> None:
        self._leave[self.holding.popleft()].set()
        await settled()

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await settled()

    async def empty(self) -> None:
        while self.holding:
            await self.next_leaves()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_turns_are_held_than_there_are() -> None:
    queue = Queue(2)
    for name in "abc":
        await queue.arrive(name, BATCHES)

    assert queue.served == ["a", "b"]
    await queue.next_leaves()
    assert queue.served == ["a", "b", "c"]
    await queue.empty()


async def test_within_a_lane_who_came_first_is_served_first_and_the_lanes_alternate() -> None:
    queue = Queue(1)
    for name, lane in (
        ("batch 1", BATCHES),
        ("batch 2", BATCHES),
        ("batch 3", BATCHES),
        ("summary 1", SUMMARIES),
        ("summary 2", SUMMARIES),
        ("summary 3", SUMMARIES),
    ):
        await queue.arrive(name, lane)
    await queue.empty()

    assert queue.served == ["batch 1", "summary 1", "batch 2", "summary 2", "batch 3", "summary 3"]


@pytest.mark.parametrize("given_up", ["batch 2", "batch 3", "summary 1"])
async def test_who_gives_up_waiting_takes_nothing_from_the_others(given_up: str) -> None:
    queue = Queue(1)
    names = ["batch 1", "batch 2", "batch 3", "summary 1"]
    for name in names:
        await queue.arrive(name, SUMMARIES if "summary" in name else BATCHES)
    await queue.cancel(given_up)
    await queue.empty()

    assert sorted(queue.served) == [name for name in names if name != given_up]


async def test_who_gives_up_in_the_moment_of_being_served_passes_the_turn_on() -> None:
    turns = PrioritySemaphore(1)
    await turns.take(BATCHES)
    waiting = asyncio.create_task(turns.take(BATCHES))
    await settled()
    turns.give_back()
    waiting.cancel()
    await settled()

    async with asyncio.timeout(5):
        await turns.take(BATCHES)
    assert waiting.cancelled()


async def test_a_semaphore_serves_as_many_lanes_as_come() -> None:
    queue = Queue(1)
    await queue.arrive("first", lane_of(3))
    for rank in (2, 1, 0):
        for number in range(2):
            await queue.arrive(f"{rank}.{number}", lane_of(rank))
    await queue.empty()

    assert queue.served == ["first", "0.0", "1.0", "0.1", "2.0", "1.1", "2.1"]


async def test_the_pacer_lets_a_summary_pass_the_batches_that_wait() -> None:
    time = FakeTime()
    pacer = LocalPacer(10, time, time.sleep)
    left: list[str] = []

    async def call(name: str, lane: Lane) -> None:
        await pacer.slot(lane=lane)
        left.append(name)

    batches = [asyncio.create_task(call(f"batch {number}", BATCHES)) for number in range(4)]
    await settled()
    summaries = [asyncio.create_task(call(f"summary {number}", SUMMARIES)) for number in range(2)]
    await time.run(2)
    await asyncio.gather(*batches, *summaries)

    # The first has left, the second is the one that the pacer holds; from there on they alternate.
    assert left == ["batch 0", "batch 1", "summary 0", "batch 2", "summary 1", "batch 3"]


# --- a lane that yields -------------------------------------------------------------------------------------

ALL = frozenset([SUMMARIES, BATCHES, REANALYSES])


@given(crowds(ALL))
def test_a_lane_that_yields_is_served_only_while_no_other_waits(waiting: list[frozenset[Lane]]) -> None:
    taken = zip(turns(waiting), waiting, strict=True)

    assert all(turn != REANALYSES or lanes == {REANALYSES} for turn, lanes in taken)


@given(crowds(ALL))
def test_a_lane_that_yields_changes_nothing_for_the_others(waiting: list[frozenset[Lane]]) -> None:
    fresh = [lanes - {REANALYSES} for lanes in waiting if lanes != {REANALYSES}]

    assert [turn for turn in turns(waiting) if turn != REANALYSES] == turns(fresh)


async def test_a_part_of_the_turns_leaves_the_others_free() -> None:
    whole = PrioritySemaphore(3)
    part = PartOfTurns(whole, 2)
    for _ in range(2):
        await part.take(REANALYSES)
    third = asyncio.create_task(part.take(REANALYSES))
    async with whole.taken(BATCHES):
        assert not third.done()
    third.cancel()
    await asyncio.wait([third])
    part.give_back()
    async with asyncio.timeout(10):
        await part.take(REANALYSES)


async def test_turns_of_a_part_keep_their_distance() -> None:
    part, clock = PartOfTurns(PrioritySemaphore(3), 3, gap=0.05), asyncio.get_running_loop().time
    since = clock()
    await asyncio.gather(*(part.take(REANALYSES) for _ in range(3)))

    assert clock() - since >= 0.1


async def test_several_processes_keep_the_distance_together() -> None:
    part, clock = PartOfTurns(PrioritySemaphore(3), 3, 0.05, lambda: 3), asyncio.get_running_loop().time
    since = clock()
    await asyncio.gather(*(part.take(REANALYSES) for _ in range(2)))

    assert clock() - since >= 0.15
