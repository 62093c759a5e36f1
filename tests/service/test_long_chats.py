"""Long chats in parts: every message read exactly once, nothing paid for twice, positions that still fit."""

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS, Json, Process, address, client
from benchmarks.support.waiting import eventually
from tests.fake_grok.server import KEY
from tests.support.service import Grok, Service, rows, running
from tests.support.summary_service import a_chat, grow, summarize, summary_of

Said = list[tuple[str, str]]
FILLER = "and so on and so forth, as it was said before and will be said again " * 6
TODOS = (7, 1_234, 4_900)


def long_chat(count: int, first: int = 1) -> Said:
    """So many messages, each with a text of its own; some are action items."""
    roles = ("customer", "support_agent")
    return [
        (roles[at % 2], f"{'TODO' if at in TODOS else 'Turn'} number {at}: {FILLER}")
        for at in range(first, first + count)
    ]


async def a_long_chat(service: Service, count: int, id_: str = "long") -> Said:
    """A chat of more messages than one post may have."""
    said = long_chat(count)
    await a_chat(service, id_, said[:1])
    await grow(service, id_, said[1:])
    return said


def kinds(grok: Grok) -> Counter[str]:
    return Counter(call.kind for call in grok.calls if call.kind != "analysis")


def sent_once(grok: Grok, said: Said) -> bool:
    return grok.summarised == Counter(text for _, text in said)


async def test_five_thousand_messages_are_each_read_once_and_their_positions_are_right(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url, grok) as service:
        said = await a_long_chat(service, 5_000)
        found = await summary_of(service, "long")
        again = await summary_of(service, "long")

    assert sent_once(grok, said)
    assert grok.violations == []  # one of them would be a user message over the budget
    assert (found["message_count"], found["stale"]) == (5_000, False)
    assert [item["positions"] for item in found["action_items"]] == [[at] for at in TODOS]
    assert all(said[at - 1][1].startswith("TODO") for at in TODOS)
    assert all(item["verified"] for item in found["action_items"])
    assert kinds(grok)["summary"] > 10
    assert kinds(grok)["merge"] == 1
    assert found["summary"] == f"Messages 1 to 5000, from {kinds(grok)['summary']} parts."
    assert again == found
    assert again["updated_at"] == found["updated_at"]


async def test_parts_that_are_too_many_for_one_call_are_merged_in_several_levels(
    database_url: URL, grok: Grok
) -> None:
    """Every part answers with all that it may; so only a few fit into a call that merges them."""
    item = {"text": "x" * 200, "positions": [1], "quote": "\u4f60" * 160}
    fields = {name: [item] * 10 for name in ("action_items", "decisions")} | {"summary": "\u4f60" * 1_500}
    grok.misbehave("summary_fields", fields=fields)
    async with running(database_url, grok) as service:
        await a_long_chat(service, 5_000)
        found = await summary_of(service, "long")

    assert grok.violations == []
    assert found["summary"] == "\u4f60" * 1_500
    levels = [merge for merge in grok.merged if merge[0][0] == 1]
    assert len(levels) >= 2
    assert [levels[-1][0][0], levels[-1][-1][1]] == [1, 5_000]
    for merge in grok.merged:
        assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(merge))


async def test_a_chat_that_grows_is_read_again_only_from_its_last_part_on(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url, grok) as service:
        said = await a_long_chat(service, 1_500)
        await summary_of(service, "long")
        before = kinds(grok)
        await grow(service, "long", long_chat(3, first=1_501))
        found = await summary_of(service, "long")

    after = kinds(grok)
    assert (found["message_count"], found["stale"]) == (1_503, False)
    assert (after["summary"] - before["summary"], after["merge"] - before["merge"]) == (1, 1)
    read_twice = [text for text, times in grok.summarised.items() if times > 1]
    assert 0 < len(read_twice) < len(said) / before["summary"] + 1
    assert max(grok.summarised.values()) == 2


async def test_a_part_that_fails_holds_up_only_itself(database_url: URL, grok: Grok) -> None:
    grok.misbehave("content", text="no JSON", marker="number 700:", calls=2)
    async with running(database_url, grok, max_retries=2) as service:
        said = await a_long_chat(service, 1_500)
        found = await summary_of(service, "long")

    assert found["status"] == "completed"
    bad = [text for text, times in grok.summarised.items() if times > 1]
    assert set(Counter(grok.summarised).values()) == {1, 3}
    assert any("number 700:" in text for text in bad)
    assert len(bad) < len(said) / 2


async def test_one_part_that_never_works_fails_the_summary_in_bounded_calls(
    database_url: URL, grok: Grok
) -> None:
    grok.misbehave("status", status=500, marker="number 700:")
    async with running(database_url, grok, max_retries=2) as service:
        await a_long_chat(service, 1_500)
        found = (await summarize(service, "long")).json()

    assert found["status"] == "failed"
    assert "HTTP 500" in found["error"]
    # The others once each; the bad one at most as often as there was progress, and MAX_RETRIES more.
    assert max(grok.summarised.values()) <= 3 + len(grok.summarised)
    assert kinds(grok)["merge"] == 0


async def test_a_deleted_chat_leaves_nothing_of_the_summary_that_was_being_written(
    database_url: URL, grok: Grok
) -> None:
    grok.latency = 0.5
    async with running(database_url, grok) as service:
        await a_long_chat(service, 1_500)
        pending = await summarize(service, "long", wait=0)
        await eventually(lambda: kinds(grok)["summary"])
        assert (await service.http.delete(f"{POSTS}/long")).status_code == 204
        made = len(grok.calls)

        async def settled() -> bool:
            open_ = await service.rows("SELECT count(*) FROM grok_calls WHERE finished_at IS NULL")
            return bool(open_[0][0] == 0)

        await eventually(settled)
        counts = [
            (await service.rows(f"SELECT count(*) FROM {table}"))[0][0]  # noqa: S608  names of tables
            for table in ("summaries", "summary_parts", "messages", "conversations")
        ]
        spent = await service.rows("SELECT spent, reserved, summary_spent FROM spending")
        gone = await service.http.get("/chats/long/summary")

    assert pending.status_code == 202
    assert counts == [0] * 4
    assert gone.status_code == 404
    # What was in flight is paid for, and nothing has left since.
    assert len(grok.calls) <= made + 1
    assert spent[0].spent == grok.billed_ticks > 0
    assert (spent[0].reserved, spent[0].summary_spent > 0) == (0, True)


# --- crashes ------------------------------------------------------------------------------------------------


@pytest.fixture
def process(database_url: URL, grok: Grok, tmp_path: Path) -> Iterator[Process]:
    environ: Json = {
        "DATABASE_URL": address(database_url),
        "GROK_API_KEY": KEY,
        "GROK_BASE_URL": grok.url,
        "INBOUND_RPS": 0,
        "MAX_IN_FLIGHT": 2,
        "BATCH_FLUSH_SECONDS": 60,  # or on a busy machine the analysis takes one of the two places
        "PREFILTER": "on",
    }
    with Process(tmp_path, **environ) as started:
        yield started


async def posted(process: Process, said: Sequence[tuple[str, str]]) -> None:
    messages = [{"role": role, "text": text} for role, text in said]
    async with client(process.url) as http:
        answer = await http.post(POSTS, json={"conversation_id": "long", "messages": messages})
        assert answer.status_code == 202, answer.text
        asked = await http.post("/chats/summarize", params={"wait": 0}, json={"conversation_id": "long"})
        assert asked.status_code == 202


async def test_after_a_crash_only_calls_in_flight_are_repeated(
    database_url: URL, grok: Grok, process: Process
) -> None:
    grok.latency = 0.5
    said = long_chat(1_000)
    await posted(process, said)

    async def some_are_kept() -> bool:
        return bool((await rows(database_url, "SELECT count(*) FROM summary_parts"))[0][0] >= 1)

    await eventually(some_are_kept, 30)
    process.end(signal.SIGKILL)
    kept = await rows(database_url, "SELECT first, last FROM summary_parts")
    # On PostgreSQL a lease outlives who was killed; on SQLite the start ends it.
    await rows(database_url, "UPDATE summaries SET run_at = 0 WHERE run_at IS NOT NULL")
    process.start()
    async with client(process.url) as http:
        answer = await http.get("/chats/long/summary", params={"wait": 60})

    assert (answer.status_code, answer.json()["message_count"]) == (200, 1_000)
    times = {at: grok.summarised[text] for at, (_, text) in enumerate(said, 1)}
    assert set(times.values()) <= {1, 2}
    assert all(times[at] == 1 for row in kept for at in range(row.first, row.last + 1))
    assert kinds(grok)["summary"] <= len({*grok.merged[0]}) + 2


async def test_at_sigterm_a_summary_is_given_back_and_the_process_ends_in_time(
    database_url: URL, grok: Grok, process: Process
) -> None:
    grok.latency = 60
    await posted(process, long_chat(1_000))
    await eventually(lambda: kinds(grok)["summary"] == 2)
    seconds = await asyncio.to_thread(process.end, signal.SIGTERM)

    state = await rows(database_url, "SELECT status, lease, failures FROM summaries")
    calls = await rows(database_url, "SELECT outcome FROM grok_calls WHERE outcome IS NOT NULL")
    assert process.exit_code() == 0
    assert seconds < 20  # eight are promised; this is about giving back
    assert [tuple(row) for row in state] == [("queued", None, 0)]
    assert [row.outcome for row in calls] == ["given_back"] * len(calls)
    assert len(calls) >= 2
