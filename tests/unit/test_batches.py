"""What a batch's counters mean, how requests are put into calls, and what rows say, whatever was sent."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analysis import BatchFault, CallFailed, Denied, ProviderFault
from llm.batches.limits import CALL_BYTES, SETTLING
from llm.batches.progress import (
    NOT_COUNTED,
    BatchCounters,
    BatchProgress,
    BatchStage,
    parse_progress,
    stage_of,
)
from llm.batches.rows import BatchRequest, BatchRow, add_body, in_calls, parse_row
from tests.unit.test_completions import JSON

FEW = st.integers(0, 5)
COUNTERS = st.builds(BatchCounters, FEW, FEW, FEW, FEW, FEW)
READINGS = st.builds(BatchProgress, COUNTERS, st.none() | st.just("no"), st.booleans())
TIMES = st.integers(0, 2 * SETTLING)
ENDS = {BatchStage.ENDED, BatchStage.REFUSED}


@given(progress=READINGS, sent=FEW, unchanged=TIMES)
def test_a_batch_with_something_pending_ends_only_if_it_was_cancelled(
    progress: BatchProgress, sent: int, unchanged: int
) -> None:
    stage = stage_of(progress, sent=sent, unchanged=unchanged)

    was_cancelled = progress.is_cancelled or progress.counters.cancelled or progress.refused
    if progress.counters.pending and not was_cancelled:
        assert stage is BatchStage.RUNNING


@given(progress=READINGS, sent=FEW)
def test_the_first_reading_of_a_cancelled_batch_never_ends_it(progress: BatchProgress, sent: int) -> None:
    stage = stage_of(progress, sent=sent, unchanged=0)

    if progress.counters.cancelled or progress.is_cancelled:
        assert stage is not BatchStage.ENDED


@given(progress=READINGS, sent=FEW, unchanged=TIMES)
def test_a_batch_that_was_not_cancelled_ends_when_each_request_has_a_row(
    progress: BatchProgress, sent: int, unchanged: int
) -> None:
    counters = progress.counters
    if progress.refused is None and not progress.is_cancelled and not counters.cancelled:
        is_whole = not counters.pending and counters.rows >= max(sent, counters.requests)
        at_least = counters.requests >= sent
        ended = stage_of(progress, sent=sent, unchanged=unchanged) is BatchStage.ENDED
        assert ended == (is_whole and at_least)


@given(progress=READINGS, sent=FEW, unchanged=TIMES, later=TIMES)
def test_what_has_ended_stays_so_while_nothing_changes(
    progress: BatchProgress, sent: int, unchanged: int, later: int
) -> None:
    stage = stage_of(progress, sent=sent, unchanged=unchanged)

    if stage in ENDS:
        assert stage_of(progress, sent=sent, unchanged=unchanged + later) is stage


@given(progress=READINGS, sent=FEW)
def test_every_cancelled_batch_ends_once_its_readings_agree_for_long_enough(
    progress: BatchProgress, sent: int
) -> None:
    """Also with a request that says it is pending: one may stay so for good."""
    if progress.is_cancelled or progress.counters.cancelled or progress.refused:
        assert stage_of(progress, sent=sent, unchanged=SETTLING) in ENDS


@given(progress=READINGS, sent=FEW, unchanged=TIMES)
def test_a_batch_that_was_refused_as_a_whole_has_no_row_to_wait_for(
    progress: BatchProgress, sent: int, unchanged: int
) -> None:
    counters = progress.counters
    is_refused = stage_of(progress, sent=sent, unchanged=unchanged) is BatchStage.REFUSED

    assert is_refused == (progress.refused is not None and not counters.rows and not counters.pending)


def test_a_cancelled_batch_that_turned_into_an_answered_one_is_waited_for_again() -> None:
    """As it was read on 2026-08-29, 20 seconds apart."""
    cancelled = BatchProgress(BatchCounters(5, 0, 0, 0, 5), is_cancelled=True)
    answered = BatchProgress(BatchCounters(5, 0, 5, 0, 0), is_cancelled=True)

    assert stage_of(cancelled, sent=5, unchanged=20_000_000) is BatchStage.SETTLING
    assert stage_of(answered, sent=5, unchanged=0) is BatchStage.SETTLING
    assert stage_of(answered, sent=5, unchanged=SETTLING) is BatchStage.ENDED


def test_a_batch_is_read_as_the_server_shows_it() -> None:
    state = {"num_requests": 8, "num_pending": 1, "num_success": 4, "num_error": 2, "num_cancelled": 1}
    shown = {
        "batch_id": "batch_1",
        "create_time": "2026-08-28",
        "expire_time": "2026-09-27T00:00:00Z",
        "cancel_time": None,
        "cancel_by_xai_message": None,
        "state": state,
    }

    assert parse_progress(shown) == BatchProgress(
        BatchCounters(8, 1, 4, 2, 1), None, False, date(2026, 8, 28), date(2026, 9, 27)
    )


@given(
    st.dictionaries(st.sampled_from(["state", "expire_time", "cancel_by_xai_message", "cancel_time"]), JSON)
)
def test_whatever_a_server_shows_is_a_reading(shown: dict[str, object]) -> None:
    progress = parse_progress(shown)

    assert all(count >= 0 for count in progress.counters)
    if not isinstance(shown.get("state"), dict):
        assert progress.counters == NOT_COUNTED


BODIES = st.dictionaries(st.text(max_size=4), st.text(max_size=40), max_size=3)
REQUESTS = st.lists(st.builds(BatchRequest, st.text(max_size=5), BODIES), max_size=12)


@given(requests=REQUESTS, most=st.integers(1, 600))
def test_calls_carry_each_request_once_in_order_and_no_more_than_fits(
    requests: Sequence[BatchRequest], most: int
) -> None:
    calls = list(in_calls(requests, most))

    assert [each for call in calls for each in call] == requests
    assert all(call for call in calls)
    assert all(len(add_body(call)) <= most or len(call) == 1 for call in calls)
    for call, after in pairwise(calls):
        assert len(add_body([*call, after[0]])) > most


def test_a_call_has_room_below_what_the_server_takes() -> None:
    request = BatchRequest("r", {"text": "x" * 1_000_000})

    assert max(len(add_body(call)) for call in in_calls([request] * 30)) <= CALL_BYTES < 25_000_000


def test_a_request_is_wrapped_as_the_batch_api_takes_it() -> None:
    [sent] = json.loads(add_body([BatchRequest("r1", {"model": "grok-4.3"})]))["batch_requests"]

    assert sent == {
        "batch_request_id": "r1",
        "batch_request": {"chat_get_completion": {"model": "grok-4.3"}},
    }


ANSWER: Mapping[str, Any] = {"choices": []}


@pytest.mark.parametrize(
    ("result", "row"),
    [
        ({"response": {"chat_get_completion": ANSWER}}, BatchRow("r1", ANSWER)),
        ({"response": {"responses": ANSWER}}, BatchRow("r1", ANSWER)),
        ({"error": "max_tokens must be positive"}, BatchRow("r1", error="max_tokens must be positive")),
        ({"response": "unknown"}, BatchRow("r1", error="unknown")),
        ({}, BatchRow("r1", error="unknown")),
        (None, BatchRow("r1", error="unknown")),
    ],
)
def test_a_row_has_an_answer_or_an_error(result: object, row: BatchRow) -> None:
    parsed = parse_row({"batch_request_id": "r1", "batch_result": result})

    assert parsed == row
    assert row.is_untold == (row.error == "unknown")


@given(JSON | st.fixed_dictionaries({"batch_request_id": st.text(), "batch_result": JSON}))
def test_whatever_a_row_is_it_has_one_of_both_or_is_nobodys(written: object) -> None:
    row = parse_row(written)

    if row is not None:
        assert (row.completion is None) != (row.error is None)
        assert isinstance(row.fault, CallFailed)


@pytest.mark.parametrize(
    ("error", "kind", "outcome"),
    [
        ("Batch cancelled", ProviderFault, "cancelled"),
        ("The service is currently unavailable", ProviderFault, "server_error"),
        ("Rate limit reached", ProviderFault, "server_error"),
        ("Team t-1 has used all available credits", Denied, "credits"),
        ("Incorrect API key provided", Denied, "credentials"),
        ("Failed to download the provided image", BatchFault, "rejected"),
        ("", BatchFault, "rejected"),
    ],
)
def test_a_failed_row_is_told_apart_by_what_it_speaks_of(
    error: str, kind: type[CallFailed], outcome: str
) -> None:
    fault = BatchRow("r1", error=error).fault

    assert type(fault) is kind
    assert fault.outcome == outcome
    assert error not in fault.detail or not error
