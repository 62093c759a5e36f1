"""Which conversations go into one call, and how many."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from worker.packing import GROWTH, BatchSize, pack

BUDGET = 100


class Item(NamedTuple):
    name: int
    weight: int
    limit: int | None = None


def packed(items: list[Item], size: int) -> tuple[list[Item], list[Item]]:
    return pack(
        items, size, weight=lambda each: each.weight, limit=lambda each: each.limit, token_budget=BUDGET
    )


items = st.lists(
    st.tuples(st.integers(0, 2 * BUDGET), st.none() | st.integers(1, 8)), min_size=1, max_size=12
).map(lambda drawn: [Item(name, weight, limit) for name, (weight, limit) in enumerate(drawn)])
sizes = st.integers(1, 10)


@given(items, sizes)
def test_nothing_is_lost_or_doubled_and_the_order_is_kept(waiting: list[Item], size: int) -> None:
    batch, rest = packed(waiting, size)

    assert sorted(batch + rest) == sorted(waiting)
    assert batch == sorted(batch)
    assert rest == sorted(rest)


@given(items, sizes)
def test_every_limit_is_respected(waiting: list[Item], size: int) -> None:
    batch, _ = packed(waiting, size)

    assert len(batch) <= size
    assert all(len(batch) <= each.limit for each in batch if each.limit is not None)


@given(items, sizes)
def test_only_an_item_that_is_alone_exceeds_the_budget(waiting: list[Item], size: int) -> None:
    batch, _ = packed(waiting, size)

    assert sum(each.weight for each in batch) <= BUDGET or len(batch) == 1


@given(items, sizes)
def test_the_first_never_waits_for_those_behind_it(waiting: list[Item], size: int) -> None:
    batch, _ = packed(waiting, size)

    assert batch[0] == waiting[0]


@given(items, sizes)
def test_whoever_is_left_over_had_no_room(waiting: list[Item], size: int) -> None:
    batch, rest = packed(waiting, size)
    load = sum(each.weight for each in batch)
    most = min([size, *(each.limit for each in batch if each.limit is not None)])

    for each in rest:
        full = len(batch) + 1 > min(most, each.limit or size)
        # It was turned away by those before it, who are no more than all.
        assert full or load + each.weight > BUDGET


def test_nothing_makes_an_empty_batch() -> None:
    assert packed([], 5) == ([], [])


def test_who_failed_with_nine_others_is_sent_with_at_most_four() -> None:
    waiting = [Item(0, 1), Item(1, 1), Item(2, 1, limit=5), *(Item(name, 1) for name in range(3, 10))]

    batch, rest = packed(waiting, 10)

    assert [each.name for each in batch] == [0, 1, 2, 3, 4]
    assert [each.name for each in rest] == [5, 6, 7, 8, 9]


def test_who_has_to_go_alone_waits_until_it_is_first() -> None:
    waiting = [Item(0, 1), Item(1, 1, limit=1), Item(2, 1)]

    batch, rest = packed(waiting, 10)

    assert [each.name for each in batch] == [0, 2]
    assert [each.name for each in packed(rest, 10)[0]] == [1]


# --- the size -----------------------------------------------------------------------------------------------


def test_a_size_grows_by_five_with_each_full_success_up_to_the_largest() -> None:
    size = BatchSize(1, 12, 5)

    seen = []
    for _ in range(3):
        size.succeeded()
        seen.append(size.now)

    assert seen == [10, 12, 12]


def test_a_size_is_halved_down_to_the_smallest() -> None:
    size = BatchSize(3, 50, 50)

    seen = []
    for _ in range(5):
        size.failed(size.epoch)
        seen.append(size.now)

    assert seen == [25, 12, 6, 3, 3]


def test_calls_that_left_together_halve_once_however_many_of_them_fail() -> None:
    size = BatchSize(1, 50, 40)
    left_with = [size.epoch] * 10

    for epoch in left_with:
        size.failed(epoch)

    assert size.now == 20
    size.failed(size.epoch)
    assert size.now == 10


def test_a_fixed_size_does_not_move() -> None:
    size = BatchSize.fixed(250)

    size.succeeded()
    size.failed(size.epoch)

    assert size.now == 250


@given(
    bounds=st.lists(st.integers(1, 60), min_size=3, max_size=3).map(sorted),
    # Each call leaves, and comes back some calls later, well or badly.
    calls=st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40),
)
def test_a_size_stays_in_its_bounds_and_halves_at_most_once_a_round_trip(
    bounds: list[int], calls: list[tuple[int, bool]]
) -> None:
    smallest, start, largest = bounds
    size = BatchSize(smallest, largest, start)
    away: list[tuple[int, int, bool]] = []
    halved_in: list[int] = []
    for number, (lasting, well) in enumerate(calls):
        away.append((number + lasting, size.epoch, well))
        for call in [each for each in away if each[0] <= number]:
            away.remove(call)
            before, epoch = size.now, call[1]
            if call[2]:
                size.succeeded()
                assert size.now == min(before + GROWTH, largest)
            else:
                epoch_before = size.epoch
                size.failed(epoch)
                if epoch == epoch_before:
                    halved_in.append(epoch)
                    assert size.now == max(before // 2, smallest)
                else:
                    assert size.now == before
            assert smallest <= size.now <= largest
    assert len(halved_in) == len(set(halved_in))


@given(st.integers(0, 2_000), st.integers(1, 50), st.integers(0, 60))
def test_the_calls_that_are_foretold_are_those_that_are_made(number: int, first: int, more: int) -> None:
    size = BatchSize(1, first + more, first)
    foretold, calls = size.calls_for(number), 0
    while number > 0:
        number -= size.now
        calls += 1
        size.succeeded()

    assert foretold == calls
