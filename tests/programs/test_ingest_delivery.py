"""How conversations get to a service that is busy, choosy, gone or odd, and what is counted meanwhile."""

import io
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from rich.console import Console
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from benchmarks.support.serving import served
from client import AsyncClient, ClientError, Encoded, Unreachable
from client.importers.conversations import Conversation
from client.importers.rows import Rejected
from client.importing.analysis import AnalysisCounts, opening, wait
from client.importing.delivery import MAX_BYTES, MAX_KEPT, Delivery, Listing, Tally
from client.progress import Meter
from client.wire import encoded
from tests.support.fake_platform import DROPPED, FakePlatform, Item, problem
from tests.support.fake_time import FakeTime

NOWHERE = "http://127.0.0.1:9"


@asynccontextmanager
async def connected(
    platform: FakePlatform, *, patience: float = 10, on_pause: Callable[[str, float], None] | None = None
) -> AsyncIterator[AsyncClient]:
    with served(platform) as server:
        on_pause = on_pause or (lambda _reason, _seconds: None)
        async with AsyncClient(server.url, patience=patience, on_pause=on_pause) as client:
            yield client


def conversations(count: int, size: int = 1) -> list[Conversation]:
    bodies = ({"external_id": str(n), "text": "x" * size} for n in range(count))
    return [Conversation(100 + n, encoded(body)) for n, body in enumerate(bodies)]


async def delivered(
    platform: FakePlatform,
    records: Sequence[Conversation | Rejected],
    batch_size: int = 100,
    on_pause: Callable[[str, float], None] | None = None,
) -> Tally:
    tally = Tally(ids={})
    async with connected(platform, on_pause=on_pause) as client:
        await Delivery(client, tally, lambda: None).send(iter(records), batch_size)
    return tally


def refuses_7(item: Item) -> str | None:
    return "text: is not liked" if item["external_id"] == "7" else None


async def test_everything_is_sent_once_in_batches_of_the_size_asked_for() -> None:
    platform = FakePlatform()

    tally = await delivered(platform, conversations(25), batch_size=10)

    assert sorted(items for items, _ in platform.bulks) == [5, 10, 10]
    assert (tally.sent, tally.accepted, len(platform.stored)) == (25, 25, 25)
    assert tally.ids == dict.fromkeys(f"conv_{n}" for n in range(25))


async def test_a_batch_is_bounded_in_bytes_too() -> None:
    platform = FakePlatform()

    await delivered(platform, conversations(5, size=MAX_BYTES // 3))

    assert sorted(items for items, _ in platform.bulks) == [1, 2, 2]
    assert max(size for _, size in platform.bulks) <= MAX_BYTES + len("[]")


async def test_a_rejected_row_among_the_conversations_is_listed() -> None:
    tally = await delivered(FakePlatform(), [*conversations(1), Rejected(3, "text is empty")])

    assert tally.rejected == Listing(1, [(3, "text is empty")])


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_service_is_left_alone_for_as_long_as_it_asks(status: int) -> None:
    pauses: list[tuple[str, float]] = []
    platform = FakePlatform(problem(status, "queue_full", retry_after="0.3"))
    start = time.monotonic()

    tally = await delivered(platform, conversations(3), on_pause=lambda *pause: pauses.append(pause))

    assert time.monotonic() - start >= 0.3
    assert pauses == [(f"{status} queue_full", 0.3)]
    assert (tally.accepted, len(platform.bulks)) == (3, 2)


async def test_a_service_may_be_busy_for_longer_than_it_may_be_gone() -> None:
    platform = FakePlatform(*[problem(429, "rate_limit_exceeded", retry_after="0.1")] * 5)

    async with connected(platform, patience=0.2) as client:
        await Delivery(client, Tally(), lambda: None).send(iter(conversations(1)), 100)

    assert len(platform.stored) == 1


async def test_retry_after_may_be_a_date() -> None:
    pauses: list[float] = []
    past, future = (datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (-60, 2))
    platform = FakePlatform(
        problem(503, "overloaded", retry_after=format_datetime(past, usegmt=True)),
        problem(503, "overloaded", retry_after=format_datetime(future, usegmt=True)),
    )

    await delivered(platform, conversations(1), on_pause=lambda _reason, seconds: pauses.append(seconds))

    assert pauses[0] == 0
    assert 0 <= pauses[1] <= 2


async def test_a_busy_service_that_does_not_say_for_how_long_is_asked_again() -> None:
    tally = await delivered(FakePlatform(problem(429, "rate_limit_exceeded")), conversations(1))

    assert tally.accepted == 1


@pytest.mark.parametrize("failure", [problem(500, "internal_error"), PlainTextResponse("bad gateway", 502)])
async def test_a_failing_service_is_asked_again(failure: Response) -> None:
    tally = await delivered(FakePlatform(failure), conversations(3))

    assert (tally.sent, tally.accepted) == (3, 3)


async def test_what_was_stored_before_the_connection_broke_is_a_duplicate() -> None:
    platform = FakePlatform(DROPPED)

    tally = await delivered(platform, conversations(3))

    assert (tally.accepted, tally.duplicates) == (0, 3)
    assert len(platform.stored) == 3


async def test_items_that_the_service_refuses_are_listed_and_the_others_sent() -> None:
    platform = FakePlatform(refuses=refuses_7)

    tally = await delivered(platform, conversations(10))

    assert tally.rejected == Listing(1, [(107, "text: is not liked")])
    assert (tally.sent, tally.accepted, len(platform.stored)) == (9, 9, 9)
    assert [items for items, _ in platform.bulks] == [10, 9]


async def test_a_batch_of_nothing_but_refused_items_is_not_sent_again() -> None:
    platform = FakePlatform(refuses=lambda _item: "no")

    tally = await delivered(platform, conversations(3))

    assert (tally.sent, tally.rejected.count, len(platform.bulks)) == (0, 3, 1)


async def test_a_batch_that_is_too_large_is_halved_until_the_one_that_is_stands_alone() -> None:
    records = conversations(8)
    records[5] = Conversation(105, encoded({"external_id": "5", "text": "x" * 2_000}))
    platform = FakePlatform(most_bytes=1_000)

    tally = await delivered(platform, records)

    assert tally.rejected == Listing(1, [(105, "413 payload_too_large")])
    assert (tally.accepted, len(platform.stored)) == (7, 7)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (problem(401, "unauthorized"), "401 unauthorized; it wants a valid API key"),
        (problem(403, "forbidden", "role viewer"), "403 forbidden: role viewer"),
        (problem(404, "not_found"), "404 not_found; is that the Insights Platform"),
        (PlainTextResponse("hello", 202), "does not answer as an Insights Platform does"),
        (JSONResponse({"details": [{"index": 9, "error": "no"}]}, 400), "refuses items that were not sent"),
    ],
)
async def test_a_service_that_will_not_take_anything_ends_it(answer: Response, hint: str) -> None:
    with pytest.raises(ClientError, match=hint):
        await delivered(FakePlatform(answer), conversations(3))


async def test_a_service_that_stays_away_ends_it() -> None:
    async with AsyncClient(NOWHERE, patience=0.2) as client:
        with pytest.raises(Unreachable, match=r"no service at http://127\.0\.0\.1:9"):
            await client.alive()


async def test_a_service_that_goes_on_failing_ends_it() -> None:
    platform = FakePlatform(*[problem(500, "internal_error")] * 100)

    async with connected(platform, patience=0.2) as client:
        with pytest.raises(Unreachable, match="500 internal_error"):
            await client.post_bulk(Encoded(b"[]", identified=True), on_conflict="skip")


async def test_another_program_at_the_address_is_no_service() -> None:
    async def other(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("hello", 404)(scope, receive, send)

    with served(other) as server:
        async with AsyncClient(server.url) as client:
            with pytest.raises(ClientError, match="404 Not Found; is that the Insights Platform"):
                await client.alive()


async def test_of_very_many_rejected_rows_the_first_are_kept() -> None:
    tally = await delivered(FakePlatform(), [Rejected(line, "no") for line in range(MAX_KEPT + 5)])

    assert tally.rejected.count == MAX_KEPT + 5
    assert tally.rejected.first == [(line, "no") for line in range(MAX_KEPT)]


async def test_waiting_asks_again_for_what_has_not_ended_and_never_for_more_than_500() -> None:
    platform = FakePlatform(stages=("queued", "processing", "completed"))
    counts = AnalysisCounts()
    seen: list[int] = []

    async with connected(platform) as client:
        tally = Tally(ids={})
        await Delivery(client, tally, lambda: None).send(iter(conversations(1_200)), 500)
        await wait(client, tally.ids or {}, counts, on_progress=lambda: seen.append(counts.ended), pause=0)

    assert +counts.statuses == {"completed": 1_200}
    assert counts.sentiments == {"negative": 1_200}
    assert counts.topics == {"delay": 1_200}
    assert len(counts.examples) == 2
    assert max(map(len, platform.asked)) == 500
    assert all(len(set(ids)) == len(ids) for ids in platform.asked)
    assert seen[-1] == 1_200


async def test_waiting_ends_for_a_conversation_that_was_deleted() -> None:
    platform = FakePlatform()
    counts = AnalysisCounts()

    async with connected(platform) as client:
        await wait(client, ["conv_gone"], counts, on_progress=lambda: None)
        begins = await opening(client, "conv_gone")

    assert +counts.statuses == {"deleted": 1}
    assert begins == ""


def test_without_a_terminal_progress_is_a_line_now_and_then() -> None:
    time, out = FakeTime(), io.StringIO()

    with Meter(Console(file=out), "Sending", "conversations", 100, every=5, clock=time) as meter:
        for done in range(0, 101, 10):
            time.now += 1
            meter.show(done, done)
        meter.pause("503 queue_full", 7)

    assert out.getvalue().splitlines() == [
        "Sending: 40%, 8 conversations/s, 0:00:06 left",
        "Sending: 90%, 9 conversations/s, 0:00:01 left",
    ]


def test_a_pause_is_shown_with_its_reason() -> None:
    time, out = FakeTime(), io.StringIO()

    with Meter(Console(file=out), "Sending", "conversations", 100, every=5, clock=time) as meter:
        time.now += 6
        meter.pause("503 queue_full", 7)

    assert out.getvalue() == "Sending: 0%, 503 queue_full: waiting 7 s\n"


def test_on_a_terminal_progress_is_a_bar() -> None:
    out = io.StringIO()

    with Meter(Console(file=out, force_terminal=True, width=100), "Sending", "rows", 100) as meter:
        meter.show(50, 50)

    assert "50%" in out.getvalue()
    assert "rows/s" in out.getvalue()


def test_a_bar_does_not_stand_at_nothing_while_the_first_of_it_is_awaited() -> None:
    out = io.StringIO()

    with Meter(Console(file=out, force_terminal=True, width=100), "Waiting", "rows", 100) as meter:
        for _ in range(3):
            meter.show(0, 0)
        assert "0%" not in out.getvalue()

    assert "100%" in out.getvalue()
