"""A chat that is deleted while calls about it are under way: what comes back later finds nobody and leaves nothing."""

from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS
from benchmarks.support.waiting import eventually
from tests.support.service import Grok, Service, running
from tests.support.summary_data import LATE
from tests.support.summary_service import a_chat, summarize, summary_of

ROWS = (
    *("conversations", "messages", "participants", "insights", "insight_topics", "asking"),
    *("summaries", "summary_parts"),
)
COUNTS = ("counts", "totals", "topic_months", "topic_years")


async def all_is_settled(service: Service) -> bool:
    open_ = await service.rows("SELECT count(*) AS n FROM grok_calls WHERE finished_at IS NULL")
    return bool(open_[0].n == 0)


async def left(service: Service) -> dict[str, int]:
    """What is left of conversations, by table: rows, and of the roll-ups what they count."""
    found = {}
    for table in ROWS:
        (row,) = await service.rows(f"SELECT count(*) AS n FROM {table}")  # noqa: S608  names of tables
        found[table] = row.n
    for table in COUNTS:
        (row,) = await service.rows(f"SELECT coalesce(sum(n), 0) AS n FROM {table}")  # noqa: S608  the same
        found[table] = int(row.n)
    return found


NOTHING = dict.fromkeys((*ROWS, *COUNTS), 0)


async def test_a_chat_deleted_while_it_is_analysed_and_summarised_leaves_nothing(
    database_url: URL, grok: Grok
) -> None:
    grok.latency = 3
    async with running(database_url, grok) as service:
        await a_chat(service)
        pending = await summarize(service, "chat-1", wait=0)
        await eventually(lambda: {call.kind for call in grok.calls} == {"analysis", "summary"})
        assert (await service.http.delete("/chats/chat-1")).status_code == 204
        under_way = not await all_is_settled(service)
        await eventually(lambda: all_is_settled(service))
        found, health = await left(service), await service.get("/health")
        searched = await service.get("/chats", keyword="parcel")
        trends = await service.get("/api/v1/trends")
        spent = await service.rows("SELECT spent, reserved FROM spending")
        calls = len(grok.calls)
        # Nor does the same text find an answer to the one that is gone.
        grok.latency = 0
        await a_chat(service)
        again = await service.ended("chat-1")

    assert (pending.status_code, under_way) == (202, True)
    assert found == NOTHING
    assert (health["queue_size"], health["summary_queue_size"]) == (0, 0)
    assert (searched["total"], trends["total_insights"], trends["skipped_count"]) == (0, 0, 0)
    # What was under way is paid for.
    assert [tuple(row) for row in spent] == [(sum(call.billed_ticks for call in grok.calls[:calls]), 0)]
    assert (again["insight"]["cached"], len(grok.calls)) == (False, calls + 1)


async def test_of_a_summary_that_could_not_be_read_the_calls_log_keeps_no_text(
    database_url: URL, grok: Grok
) -> None:
    words = f"The customer wrote: {LATE[0][1]}"
    async with running(database_url, grok, max_retries=0) as service:
        await a_chat(service)
        await service.ended("chat-1")
        grok.misbehave("content", text=words, marker="TODO")
        failed = await summary_of(service, "chat-1")
        await service.http.delete("/chats/chat-1")
        logged = [str(tuple(row)) for row in await service.rows("SELECT * FROM grok_calls")]
        found = await left(service)

    assert failed["status"] == "failed"
    assert any("malformed" in row for row in logged)
    assert not [row for row in logged if "parcel" in row]
    assert found == NOTHING


async def test_what_could_not_be_read_of_a_batch_goes_with_any_conversation_in_it(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url, grok, start_batch=2, min_batch=2) as service:
        grok.misbehave("content", text="My parcel, it said", calls=1)
        before, after = await service.post_all(
            ["My parcel is late and nobody answers", "My refund has not come at all"]
        )
        await service.all_ended([before, after])
        kept = [row.body for row in await service.rows("SELECT body FROM grok_calls") if row.body]
        late = await service.post("The box was torn when it came")
        await service.ended(late)
        await service.http.delete(f"{POSTS}/{late}")
        still = [row.body for row in await service.rows("SELECT body FROM grok_calls") if row.body]
        await service.http.delete(f"{POSTS}/{after}")
        gone = [row.body for row in await service.rows("SELECT body FROM grok_calls") if row.body]

    assert kept == still == ["My parcel, it said"]
    assert gone == []


async def test_what_comes_after_the_deletion_and_cannot_be_read_is_not_kept(
    database_url: URL, grok: Grok
) -> None:
    grok.latency = 1.5
    grok.misbehave("content", text="My parcel, it said", calls=1)
    async with running(database_url, grok) as service:
        id_ = await service.post("My parcel is late and nobody answers")
        await eventually(lambda: grok.calls)
        await service.http.delete(f"{POSTS}/{id_}")
        await eventually(lambda: all_is_settled(service))
        booked = await service.rows("SELECT outcome, body FROM grok_calls ORDER BY number")

    assert tuple(booked[0]) == ("malformed", None)
