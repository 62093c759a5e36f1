"""What the clients send again, when, and what they raise; each test on both of them, over a real socket."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from threading import Timer
from typing import Any

import pytest
from httpx import Timeout
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import JSONResponse, PlainTextResponse, Response

from benchmarks.support.process import free_port
from benchmarks.support.serving import Served, served
from client import (
    Busy,
    ClientError,
    Conflict,
    Denied,
    Failed,
    Fault,
    Invalid,
    Lost,
    NotFound,
    Refused,
    Unexpected,
    Unreachable,
    UnusableKey,
    fresh_key,
)
from client.wire import LONGEST_PAUSE, retry_after
from tests.support.fake_platform import problem
from tests.support.scripted_server import KINDS, Caller, Calling, Scripted

BROKEN = Response(b"", 202, {"content-length": "100"})
"""The connection is gone before the answer is whole."""
TEXT = {"text": "Where is my order?"}
LISTED = [{"index": 3, "error": "text: is empty"}]


@pytest.fixture(params=KINDS)
def calling(request: pytest.FixtureRequest) -> Calling:
    return partial(Caller, request.param)


def in_seconds(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


# --- a busy service -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("after", ["0.4", "date"])
def test_a_busy_service_is_asked_again_when_it_says(calling: Calling, status: int, after: str) -> None:
    told: list[tuple[str, float]] = []
    header = in_seconds(3) if after == "date" else after
    script = Scripted(problem(status, "queue_full", retry_after=header))

    with served(script) as server:
        calling(server.url, on_pause=lambda *pause: told.append(pause))("post", TEXT)

    first, second = script.seen
    ((reason, pause),) = told
    assert reason == f"{status} queue_full"
    assert 0 <= pause <= 3 if after == "date" else pause == 0.4
    assert second.at - first.at >= pause - 0.05


def test_a_busy_service_that_names_no_time_is_asked_again(calling: Calling) -> None:
    script = Scripted(problem(429, "rate_limit_exceeded"))

    with served(script) as server:
        calling(server.url)("post", TEXT)

    assert len(script.seen) == 2


def test_a_busy_service_may_be_given_up(calling: Calling) -> None:
    busy = problem(429, "rate_limit_exceeded", retry_after="0.05")

    with served(Scripted(usual=busy)) as server, pytest.raises(Busy) as raised:
        calling(server.url, busy_patience=0.2)("post", TEXT)

    assert (raised.value.status, raised.value.retry_after) == (429, 0.05)


def test_a_pause_that_is_longer_than_the_patience_is_not_waited_for(calling: Calling) -> None:
    script = Scripted(problem(429, "rate_limit_exceeded", retry_after="3"))
    told: list[float] = []

    with served(script) as server, pytest.raises(Busy) as raised:
        calling(server.url, busy_patience=1, on_pause=lambda _, pause: told.append(pause))("post", TEXT)

    assert (raised.value.retry_after, len(script.seen), told) == (3, 1, [])


@pytest.mark.parametrize(
    ("code", "sent"), [("queue_full", 2), ("storage_full", 2), ("overloaded", 2), ("database_unavailable", 1)]
)
def test_a_post_without_an_id_is_sent_again_only_when_it_was_turned_away(
    calling: Calling, code: str, sent: int
) -> None:
    script = Scripted(problem(503, code, retry_after="0"))

    with served(script) as server:
        call = partial(calling(server.url), "post", TEXT)
        if sent == 1:
            with pytest.raises(Busy, match=code):
                call()
        else:
            call()

    assert len(script.seen) == sent


@given(st.floats(0, 10 * LONGEST_PAUSE))
def test_retry_after_in_seconds_is_kept_up_to_an_hour(seconds: float) -> None:
    assert retry_after(str(seconds)) == min(seconds, LONGEST_PAUSE)


@given(st.integers(-100_000, 100_000))
def test_retry_after_as_a_date_is_the_time_until_then_up_to_an_hour(seconds: int) -> None:
    pause = retry_after(in_seconds(seconds))

    assert pause is not None
    expected = min(max(seconds, 0), LONGEST_PAUSE)
    assert expected - 30 <= pause <= expected


@pytest.mark.parametrize("header", ["soon", "-3", "nan", "", "Tue, 03 Nov", None])
def test_a_retry_after_that_cannot_be_read_is_none(header: str | None) -> None:
    assert retry_after(header) is None


# --- a lost connection --------------------------------------------------------------------------------------


def test_a_post_without_an_id_is_not_sent_again_after_a_lost_connection(calling: Calling) -> None:
    script = Scripted(BROKEN)

    with served(script) as server, pytest.raises(Lost, match="may have been carried out"):
        calling(server.url)("post", TEXT)

    assert len(script.seen) == 1


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"external_id": "7"}, {}),
        ({"conversation_id": "c7"}, {}),
        ({}, {"idempotency_key": fresh_key()}),
    ],
)
def test_an_id_or_a_key_makes_it_safe(
    calling: Calling, fields: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    script = Scripted(BROKEN)

    with served(script) as server:
        accepted = calling(server.url)("post", {**TEXT, **fields}, **options)

    first, second = script.seen
    assert accepted.enqueued
    assert first.body == second.body
    assert first.headers.get("idempotency-key") == second.headers.get("idempotency-key")
    assert first.headers.get("idempotency-key") == options.get("idempotency_key")


def test_no_two_keys_are_the_same() -> None:
    assert len({fresh_key() for _ in range(1_000)}) == 1_000


BULK = {"ingested": 2, "enqueued": 2, "duplicates": 0, "conversation_ids": ["a", "b"]}
CHATS = {"conversation_ids": ["c"], "stored": 1, "duplicates": 0, "messages": []}
SAID = {"user_id": "u", "user_type": "customer", "message_content": "Hello?"}
ID, PLACE = {"external_id": "7"}, {"conversation_id": "c", "message_id": "1"}


@pytest.mark.parametrize(
    ("name", "sent", "answer", "safe"),
    [
        ("post_bulk", [{**TEXT, **ID}, {**TEXT, **PLACE}], BULK, True),
        ("post_bulk", [{**TEXT, **ID}, TEXT], BULK, False),
        ("post_messages", [{**SAID, **PLACE}], CHATS, True),
        ("post_messages", {**SAID, **PLACE}, CHATS, True),
        ("post_messages", [{**SAID, "conversation_id": "c"}], CHATS, False),
        ("post_messages", [{**SAID, **PLACE}, {**SAID, "message_id": "1"}], CHATS, False),
        ("statuses", ["conv_1"], {"conversations": [], "unknown": ["conv_1"]}, True),
        ("delete", "conv_1", None, False),
        ("retry", "conv_1", {"queued": 1}, False),
        ("alive", None, {"status": "ok"}, True),
    ],
)
def test_what_is_sent_again_is_safe_to_send_twice(
    calling: Calling, name: str, sent: Any, answer: object, safe: bool
) -> None:
    script = Scripted(BROKEN, usual=JSONResponse(answer))

    with served(script) as server:
        call = partial(calling(server.url), name, *([] if sent is None else [sent]))
        if safe:
            call()
        else:
            with pytest.raises(Lost):
                call()

    assert len(script.seen) == (2 if safe else 1)


def test_what_never_left_is_sent_when_the_service_is_back(calling: Calling) -> None:
    script = Scripted()
    server = Served(script, port=free_port())
    start = Timer(0.3, server.start)

    start.start()
    try:
        accepted = calling(server.url, patience=30)("post", TEXT)
    finally:
        start.join()
        server.stop()

    assert accepted.conversation_id == "conv_1"
    assert len(script.seen) == 1


# --- a failing service --------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [problem(500, "internal_error"), PlainTextResponse("bad gateway", 502)])
def test_a_failing_service_is_asked_again_where_that_is_safe(calling: Calling, failure: Response) -> None:
    script = Scripted(failure, failure)

    with served(script) as server:
        with pytest.raises(Failed) as raised:
            calling(server.url)("post", TEXT)
        calling(server.url)("post", {**TEXT, **ID})

    assert raised.value.status in (500, 502)
    assert len(script.seen) == 3


def test_a_service_that_goes_on_failing_is_as_good_as_none(calling: Calling) -> None:
    script = Scripted(usual=problem(500, "internal_error"))

    with served(script) as server, pytest.raises(Unreachable, match=r"no service .* \(500 internal_error\)"):
        calling(server.url, patience=0.2)("alive")


def test_no_service_is_told_when_patience_ends(calling: Calling) -> None:
    started_at = time.monotonic()

    with pytest.raises(Unreachable, match=r"no service at http://127\.0\.0\.1:9") as raised:
        calling("http://127.0.0.1:9", patience=0.2)("alive")

    assert raised.value.kind == "ConnectError"
    assert time.monotonic() - started_at < 10


def test_what_is_waited_for_may_take_so_much_longer(calling: Calling) -> None:
    script = Scripted(usual=problem(404, "not_found", "No conversation has this id"), delay=0.6)

    with served(script) as server:
        call = partial(calling(server.url, timeout=Timeout(30, read=0.3), patience=0), "conversation", "c")
        with pytest.raises(Unreachable) as raised:
            call()
        with pytest.raises(NotFound):
            call(wait=30)

    assert raised.value.kind == "ReadTimeout"
    assert [each.url for each in script.seen] == [
        f"/api/v1/conversations/c{more}" for more in ("", "?wait=30")
    ]


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_schema", Invalid),
        (413, "payload_too_large", Invalid),
        (415, "unsupported_media_type", Refused),
        (401, "unauthorized", Denied),
        (403, "forbidden", Denied),
        (404, "not_found", NotFound),
        (405, "method_not_allowed", Refused),
        (409, "conflict", Conflict),
        (500, "internal_error", Failed),
        (503, "database_unavailable", Failed),
    ],
)
def test_an_error_carries_its_status_code_and_details(
    calling: Calling, status: int, code: str, kind: type[Refused]
) -> None:
    with (
        served(Scripted(usual=problem(status, code, "what is wrong"))) as server,
        pytest.raises(kind) as raised,
    ):
        calling(server.url)("post", TEXT)

    error = raised.value
    assert type(error) is kind
    assert (error.status, error.code, error.details) == (status, code, "what is wrong")
    assert f"/api/v1/conversations answers {status} {code}: what is wrong" in str(error)
    assert error.faults == ()


def test_an_error_names_the_items_that_are_to_blame(calling: Calling) -> None:
    with (
        served(Scripted(usual=problem(400, "invalid_schema", LISTED))) as server,
        pytest.raises(Invalid) as raised,
    ):
        calling(server.url)("post_bulk", [TEXT])

    assert raised.value.faults == [Fault(index=3, error="text: is empty")]
    assert raised.value.details == LISTED


@pytest.mark.parametrize("answer", [PlainTextResponse("hello", 200), JSONResponse({"status": "fine"})])
def test_the_answer_of_another_api_is_unexpected(calling: Calling, answer: Response) -> None:
    with served(Scripted(usual=answer)) as server, pytest.raises(Unexpected, match="as an Insights Platform"):
        calling(server.url)("alive")


def test_every_error_is_a_client_error() -> None:
    kinds = (
        UnusableKey,
        Unreachable,
        Lost,
        Unexpected,
        Refused,
        Invalid,
        Denied,
        NotFound,
        Conflict,
        Busy,
        Failed,
    )

    assert all(issubclass(kind, ClientError) for kind in kinds)


def test_a_health_without_a_database_is_an_answer(calling: Calling) -> None:
    health = {
        "status": "unavailable",
        "reasons": ["no database"],
        "queue_size": 0,
        "summary_queue_size": 0,
        "worker_running": True,
        "db_ok": False,
        "analyzer": "offline",
        "model": "offline",
        "circuit": None,
        "oldest_queued_seconds": 0,
        "drain_seconds": None,
        "started_at": "2026-11-03T10:00:00Z",
    }

    with served(Scripted(usual=JSONResponse(health, 503))) as server:
        assert not calling(server.url, patience=0)("health").db_ok


def test_a_key_goes_with_every_call(calling: Calling) -> None:
    script = Scripted(usual=JSONResponse({"status": "ok"}))

    with served(script) as server:
        calling(server.url, key="ipk_1_secret")("alive")

    assert script.seen[0].headers["authorization"] == "Bearer ipk_1_secret"


@pytest.mark.parametrize("key", [" ipk_1_secret\r\n", "ipk_1_secret "])
def test_a_key_goes_without_the_line_end_of_its_file(calling: Calling, key: str) -> None:
    script = Scripted(usual=JSONResponse({"status": "ok"}))

    with served(script) as server:
        calling(server.url, key=key)("alive")

    assert script.seen[0].headers["authorization"] == "Bearer ipk_1_secret"


@pytest.mark.parametrize("key", ["ipk_1_secr\u00e9t", "ipk_1 secret", "ipk_1\nsecret", "ipk_1\0secret"])
def test_a_key_that_cannot_be_sent_is_not_shown(calling: Calling, key: str) -> None:
    with pytest.raises(UnusableKey) as raised:
        calling("http://localhost:1", key=key)("alive")

    assert "secr" not in str(raised.value)


@pytest.mark.parametrize("value", [float("nan"), "\ud800", object()])
def test_what_is_not_json_is_not_sent(calling: Calling, value: object) -> None:
    script = Scripted()

    with served(script) as server, pytest.raises(ValueError, match=r"JSON|surrogates"):
        calling(server.url)("post", {**TEXT, "metadata": {"x": value}})

    assert script.seen == []
