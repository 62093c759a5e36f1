"""The judge of a lane that was killed: what it complains of, and what it lets pass."""

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.batch_judge import MANY_KILLS, Findings, Kept, Life, Money, Submission

TEXT = "It is late"
LIFE = Life(limit=100, peak=100, has_refused=True)
GOOD = Findings(
    accepted={"c1", "c2", "c3"},
    deleted={"c3"},
    kept=[Kept("c1", "completed", 1), Kept("c2", "skipped", 0)],
    sent=[Submission(TEXT, 1.0, "b1", "7", answered_at=2.0, read_at=3.0)],
    money=Money(billed=90, spent=90, reserved=0, lives=[LIFE]),
    kills=(),
    answered=1,
    names={"insights-1": 1},
)


def test_it_has_nothing_to_say_of_what_went_well() -> None:
    assert GOOD.complaints == []


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"accepted": {"c9"}}, "lost: c9"),
        ({"kept": [Kept("c1", "queued", 0)]}, "lost: c1"),
        ({"deleted": {"c1"}}, "deleted, but there: c1"),
        ({"kept": [Kept("c1", "completed", 2)]}, "several insights of one"),
        ({"answered": 5}, "5 conversations were answered"),
        ({"names": {"insights-1": 2}}, "in two batches: insights-1"),
        ({"unfinished": 1}, "1 batches or conversations are held"),
        ({"money": Money(101, 90, 10, [LIFE])}, "101 ticks were billed"),
        ({"money": Money(90, 95, 0, [LIFE])}, "nothing was killed"),
        (
            {"money": Money(90, 90, 0, [LIFE, LIFE._replace(peak=101)])},
            "life 2: 101 ticks were spent or reserved",
        ),
        ({"kills": [0.0] * MANY_KILLS, "mishaps": {"stuck": 0}}, "the provider never did this: stuck"),
        (
            {"kills": [0.0] * MANY_KILLS, "money": Money(90, 90, 0, [LIFE._replace(has_refused=False)])},
            "the budget never bound",
        ),
        ({"odd": ["logged: a line"]}, "logged: a line"),
    ],
)
def test_it_complains_of_what_does_not_hold(changed: dict[str, Any], complaint: str) -> None:
    assert any(complaint in line for line in replace(GOOD, **changed).complaints)


def again(at: float, **before: Any) -> Findings:
    """The same text, sent again at that time."""
    first = GOOD.sent[0]._replace(**before)
    return replace(GOOD, sent=[first, Submission(TEXT, at)])


def test_a_text_whose_answer_was_read_is_not_sent_again() -> None:
    [complaint] = again(4.0).complaints

    assert complaint.startswith(f"asked twice: {TEXT} (batch: answered 1.0, read 2.0, cancelled None")


def test_nor_is_one_whose_answer_waits_to_be_read() -> None:
    [complaint] = again(2.5).complaints

    assert "live again 1.50" in complaint


def test_a_kill_between_the_two_explains_it() -> None:
    assert replace(again(4.0), kills=[3.5]).complaints == []
    assert replace(again(4.0), kills=[0.5]).complaints != []


def test_what_has_no_answer_is_sent_again() -> None:
    assert again(4.0, answered_at=None, read_at=None).complaints == []
    assert again(1.5).complaints == []


def test_what_was_answered_after_its_batch_was_cancelled_may_have_gone_live() -> None:
    findings = again(4.0, answered_at=3.9, read_at=4.5, stopped_at=3.0)

    assert findings.complaints == []
    assert findings.late == 1


def test_a_request_is_in_one_batch() -> None:
    other = GOOD.sent[0]._replace(batch="b2", at=9.0, text="Another")

    assert replace(GOOD, sent=[*GOOD.sent, other]).complaints == ["in two batches: 7"]
