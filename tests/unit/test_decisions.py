"""From what came back to what becomes of each conversation."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import SECOND
from domain.analysis import (
    BatchFault,
    CallFailed,
    Denied,
    Invalid,
    ProviderFault,
    RateLimited,
    Reply,
    Row,
)
from domain.jobs import Failed, Requeued
from domain.text import MAX_ANALYSED, Turn, cache_key
from store.queue.analysis import AnalysisJob, Completed
from tests.support.insight_data import an_analysis
from tests.support.rows import LATE, NOW, POLICY
from worker.outcomes import (
    Provenance,
    Work,
    charged,
    completed,
    given_back,
    outcomes_after,
    outcomes_of,
    skip_reason,
    work_of,
)

BY = Provenance("grok", "grok-4.3", 7, NOW + 1, "1")


def job(number: int = 1, *turns: Turn, **fields: Any) -> AnalysisJob:
    given: dict[str, Any] = {
        "number": number,
        "id": f"c{number}",
        "revision": 1,
        "timestamp": NOW - 5,
        "author": "someone",
        "is_chat": False,
        "turns": turns or [("customer", LATE)],
        "due_at": NOW,
        "lease": "a",
    }
    return AnalysisJob(**{**given, **fields})


def works(number: int, **fields: Any) -> list[Work]:
    return [work_of(job(at, **fields), "v", str) for at in range(1, number + 1)]


def requeued(outcome: object) -> Requeued[AnalysisJob]:
    assert isinstance(outcome, Requeued)
    return outcome


# --- what is asked ------------------------------------------------------------------------------------------


def test_of_a_text_the_text_itself_is_asked_about() -> None:
    work = work_of(job(), "v", str)

    assert (work.excerpt.text, work.excerpt.partial) == (LATE, False)
    assert work.key == cache_key(LATE, "v")


def test_of_a_dialogue_the_transcript_is_asked_about() -> None:
    work = work_of(job(1, ("customer", "Hi"), ("support_agent", "Hello"), is_chat=True), "v", str)

    assert work.excerpt.text == "customer: Hi\nagent: Hello"


def test_a_text_and_a_dialogue_of_one_message_are_different_texts() -> None:
    assert work_of(job(is_chat=True), "v", str).key != work_of(job(), "v", str).key


def test_of_a_long_text_the_excerpt_is_asked_about_and_its_insight_says_so() -> None:
    work = work_of(job(1, ("customer", "x" * (MAX_ANALYSED + 1))), "v", str)

    assert work.excerpt.partial
    assert completed(work, an_analysis(), BY).insight.partial


@pytest.mark.parametrize(
    ("fields", "prefilter", "reason"),
    [
        ({}, True, "too_short"),
        ({}, False, None),
        ({"pass_prefilter": True}, True, None),
    ],
)
def test_a_short_text_is_spared_unless_somebody_wants_it(
    fields: dict[str, Any], prefilter: bool, reason: str | None
) -> None:
    short = job(1, ("customer", "ok"), **fields)

    assert skip_reason(short, replace(POLICY, prefilter=prefilter)) == reason
    assert skip_reason(job(**fields), POLICY) is None


# --- an answer ----------------------------------------------------------------------------------------------


def test_a_completed_conversation_carries_all_that_an_insight_needs() -> None:
    [work] = works(1)
    outcome = completed(work, an_analysis(), BY, cached=True)

    insight = outcome.insight
    assert (insight.conversation, insight.revision, insight.timestamp) == (1, 1, NOW - 5)
    assert (insight.author, insight.analysis, insight.cache_key) == ("someone", an_analysis(), work.key)
    assert (insight.analyzer, insight.model, insight.call, insight.analysed_at) == (
        "grok",
        "grok-4.3",
        7,
        NOW + 1,
    )
    assert insight.cached


rows = st.lists(st.sampled_from([an_analysis(), Invalid("confidence is missing")]), min_size=1, max_size=8)


@given(rows)
def test_each_row_is_judged_by_itself(answered: Sequence[Row]) -> None:
    asked = works(len(answered))

    outcomes = outcomes_of(Reply(rows=answered, model="grok-4.3"), asked, BY, POLICY)

    assert [outcome.job for outcome in outcomes] == [work.job for work in asked]
    for row, outcome in zip(answered, outcomes, strict=True):
        if isinstance(row, Invalid):
            assert outcome == Requeued(outcome.job, NOW + 1, 1, "confidence is missing")
        else:
            assert isinstance(outcome, Completed)
            assert outcome.insight.analysis is row


def test_a_reply_with_too_few_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        outcomes_of(Reply(rows=[an_analysis()], model="grok-4.3"), works(2), BY, POLICY)


@given(st.integers(0, 20))
def test_a_row_is_asked_once_and_again_as_often_as_the_policy_says(max_retries: int) -> None:
    policy = replace(POLICY, max_retries=max_retries)
    asked, now = 0, job()
    while True:
        asked += 1
        outcome = charged(now, "invalid_row", "clusters is missing", at=NOW, policy=policy)
        if isinstance(outcome, Failed):
            break
        now = now._replace(failures=requeued(outcome).failures)

    assert asked == 1 + max_retries
    assert outcome == Failed(now, "invalid_row", "clusters is missing", 1 + max_retries)


def test_who_is_charged_keeps_the_size_of_the_calls_it_may_be_in() -> None:
    outcome = charged(job(pack_limit=3), "invalid_row", "why", at=NOW, policy=POLICY)

    assert requeued(outcome).job.pack_limit == 3


# --- a fault ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (ProviderFault("unreachable", "refused"), 2.0),
        (RateLimited("slow down", retry_after=None), 2.0),
        (RateLimited("slow down", retry_after=7.5), 7.5),
        (RateLimited("slow down", retry_after=0.0), 0.0),
        (Denied("unauthorized", "401", status=401), 2.0),
    ],
)
def test_what_is_nobodys_fault_is_charged_to_nobody(fault: CallFailed, seconds: float) -> None:
    asked = works(3, failures=2, pack_limit=5)

    outcomes = outcomes_after(fault, asked, at=NOW, policy=POLICY, wait=2.0)

    due = NOW + round(seconds * SECOND)
    assert outcomes == [Requeued(work.job, due, 2) for work in asked]


SUSPICIOUS = (
    (ProviderFault("timeout", "60 s"), 2.0),
    (ProviderFault("server_error", "500", status=500), 2.0),
    (BatchFault("malformed", "no JSON"), 0.0),
)


@pytest.mark.parametrize(("fault", "seconds"), SUSPICIOUS)
def test_what_a_text_may_have_caused_is_tried_again_in_halves(fault: CallFailed, seconds: float) -> None:
    asked = works(6, failures=2)

    outcomes = outcomes_after(fault, asked, at=NOW, policy=POLICY, wait=2.0, canary_passed=False)

    due = NOW + round(seconds * SECOND)
    assert outcomes == [Requeued(work.job._replace(pack_limit=3), due, 2, str(fault)) for work in asked]


@pytest.mark.parametrize(("fault", "seconds"), SUSPICIOUS)
def test_who_fails_alone_is_charged_only_where_a_canary_came_back(fault: CallFailed, seconds: float) -> None:
    [alone] = works(1, failures=2)
    due = NOW + round(seconds * SECOND)

    [outage] = outcomes_after(fault, [alone], at=NOW, policy=POLICY, wait=2.0, canary_passed=False)
    [poison] = outcomes_after(fault, [alone], at=NOW, policy=POLICY, wait=2.0, canary_passed=True)

    assert outage == Requeued(alone.job._replace(pack_limit=1), due, 2, str(fault))
    assert (requeued(poison).failures, requeued(poison).run_at) == (3, due)


@pytest.mark.parametrize("number", [2, 3, 9, 50])
def test_a_batch_that_fails_is_split_and_charged_to_nobody(number: int) -> None:
    asked = works(number, failures=1)

    outcomes = outcomes_after(BatchFault("malformed", "no JSON"), asked, at=NOW, policy=POLICY, wait=2.0)

    assert outcomes == [
        Requeued(work.job._replace(pack_limit=number // 2), NOW, 1, "malformed: no JSON") for work in asked
    ]


def test_splitting_ends_with_single_conversations() -> None:
    number, calls = 50, 0
    while number > 1:
        outcome, *_ = outcomes_after(
            BatchFault("malformed", "?"), works(number), at=NOW, policy=POLICY, wait=0
        )
        smaller = requeued(outcome).job.pack_limit
        assert smaller is not None
        assert 1 <= smaller < number
        number, calls = smaller, calls + 1

    assert calls == 5


def test_who_fails_alone_is_charged_and_in_the_end_given_up() -> None:
    fault = BatchFault("refused", "content filter")

    [first] = outcomes_after(fault, works(1), at=NOW, policy=POLICY, wait=2.0)
    [last] = outcomes_after(fault, works(1, failures=3), at=NOW, policy=POLICY, wait=2.0)

    assert (requeued(first).failures, requeued(first).run_at) == (1, NOW)
    assert isinstance(last, Failed)
    assert (last.reason, last.error, last.failures) == ("refused", "refused: content filter", 4)


def test_what_is_given_back_is_due_at_that_moment() -> None:
    asked = job(failures=2, pack_limit=4)

    assert given_back([asked], at=NOW + 3) == [Requeued(asked, NOW + 3, 2)]
