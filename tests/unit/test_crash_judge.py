"""That the count after kills would notice what went wrong, and that a seed repeats its kills."""

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.crash_judge import Accepted, Asked, Books, Evidence, Stored
from tests.faults.crash_moments import moments


def test_the_same_seed_kills_at_the_same_moments() -> None:
    plans = [list(moments(seed, 200)) for seed in (1, 1, 2)]

    assert plans[0] == plans[1] != plans[2]
    assert {moment.of for moment in plans[0]} == {"start", "up", "call"}


ANSWERED = Asked(0, ["a", "b"], ["a", "b"], settled=True, billed=7)


CUT_OFF = Asked(0, ["c"], ["c"], settled=False, billed=2)


AGAIN = Asked(1, ["c"], ["c"], settled=True, billed=1)


FAULTY = Asked(1, ["d"], [], settled=True)


FOUND = Stored("conv_1", "order-1", "completed", 1)


SOUND = Evidence(
    accepted=[Accepted("conv_1", "order-1"), Accepted("conv_1", "order-1"), Accepted("conv_3", "order-3")],
    deleted={"conv_3"},
    stored=[FOUND, Stored("conv_2", None, "skipped", 0), Stored("conv_4", "order-4", "completed", 1)],
    asked=[ANSWERED, CUT_OFF, AGAIN, FAULTY, FAULTY._replace(answered=["d"])],
    books=Books(calls=6, open=1, spent=10, analysed=3, rolled_up=True),
    last_life=1,
    most_in_flight=1,
)


def test_a_sound_service_gives_no_complaint() -> None:
    assert SOUND.complaints == []
    assert SOUND.in_flight == {0: 1}
    assert SOUND.asked_again == 1


def test_a_process_that_was_disturbed_beside_others_excuses_what_it_was_asking() -> None:
    late = ANSWERED._replace(texts=["e"], answered=["e"], life=1)
    twice = replace(SOUND, asked=[late, late], books=replace(SOUND.books, calls=2, open=0))
    excused = replace(twice, asked=[late._replace(disturbed=True), late])

    assert twice.repeated == ["e"]
    assert excused.repeated == []
    assert excused.asked_again == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"accepted": [*SOUND.accepted, Accepted("conv_5", None)]},
        {"stored": [*SOUND.stored, Stored("conv_5", None, "failed", 0)]},
        {"stored": [*SOUND.stored, Stored("conv_5", None, "processing", 0)]},
        {"stored": [*SOUND.stored, Stored("conv_5", None, "completed", 0)]},
    ],
    ids=["not there", "failed", "not ended", "without an insight"],
)
def test_what_was_accepted_and_did_not_end_well_is_lost(wrong: dict[str, Any]) -> None:
    assert replace(SOUND, **wrong).complaints == ["lost: conv_5"]


@pytest.mark.parametrize(
    ("wrong", "item"),
    [
        ({"accepted": [*SOUND.accepted, Accepted("conv_2", "order-1")]}, "order-1"),
        ({"stored": [*SOUND.stored, Stored("conv_6", "order-4", "skipped", 0)]}, "order-4"),
        ({"stored": [*SOUND.stored, Stored("conv_5", None, "completed", 2)]}, "conv_5"),
    ],
    ids=["answered", "stored", "insights"],
)
def test_two_of_what_there_may_be_one_are_doubled(wrong: dict[str, Any], item: str) -> None:
    assert replace(SOUND, **wrong).complaints == [f"doubled: {item}"]


def test_what_was_deleted_must_not_come_back() -> None:
    assert replace(SOUND, deleted={"conv_3", "conv_2"}).complaints == ["deleted, but there: conv_2"]


@pytest.mark.parametrize(
    ("calls", "text"),
    [
        ([Asked(1, ["b"], ["b"], settled=True)], "b"),
        ([Asked(1, ["e"], ["e"], settled=True), Asked(1, ["e"], [], settled=True)], "e"),
        ([Asked(0, ["e"], ["e"], settled=False), Asked(0, ["e"], ["e"], settled=True)], "e"),
        ([Asked(1, ["e", "e"], ["e", "e"], settled=True)], "e"),
    ],
    ids=["after a kill that came later", "without a kill", "before the kill", "in one call"],
)
def test_an_answer_that_was_asked_for_again_needs_a_kill_that_cut_it_off(
    calls: list[Asked], text: str
) -> None:
    found = replace(SOUND, asked=[ANSWERED, *calls])

    assert found.complaints == [f"repeated without a reason: {text}"]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"most_in_flight": 0}, "1 calls in flight at one kill, where 0 may be"),
        (
            {"books": replace(SOUND.books, open=0)},
            "1 calls came without an end, 0 are open in the books",
        ),
        (
            {"asked": [Asked(1, ["f"], ["f"], settled=False)]},
            "1 calls came without an end, and no kill cut them off",
        ),
        ({"books": replace(SOUND.books, calls=4)}, "5 calls came, 4 are booked"),
        ({"books": replace(SOUND.books, spent=9)}, "10 ticks were billed, 9 are spent or reserved"),
        ({"books": replace(SOUND.books, analysed=4)}, "4 conversations were answered, there can be 3"),
        ({"books": replace(SOUND.books, rolled_up=False)}, "the roll-ups are not those of a recount"),
        ({"odd": ["POST /: 500"]}, "POST /: 500"),
    ],
)
def test_books_that_do_not_agree_with_what_was_seen_are_a_complaint(
    wrong: dict[str, Any], complaint: str
) -> None:
    assert replace(SOUND, **wrong).complaints == [complaint]
