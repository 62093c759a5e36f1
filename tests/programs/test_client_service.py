"""Both clients against a real service: every call, every iterator, and the same answers from either."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel

from benchmarks.support import databases
from benchmarks.support.serving import served
from client import AsyncClient, Client, Conflict, NotFound, fresh_key
from client.answers import ChatSummary, Status
from client.api import Api
from tests.support.fake_platform import FakePlatform
from tests.support.scripted_server import KINDS, Caller, Calling
from tests.support.service import serving

MANY = 1_100
"""More than a page of the longest."""
TOO_MANY = 5 * MANY
"""An iterator that never ends is cut off here."""
START = datetime(2026, 11, 1, tzinfo=UTC)
WINDOW = {"start_time": START, "end_time": START + timedelta(days=2)}
BOTH = pytest.mark.parametrize("kind", KINDS)


def texts(count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "text": f"Parcel number {number} is late and I am not happy about it.",
            "external_id": f"{uuid4().hex}-{number}",
            "timestamp": START + timedelta(minutes=number),
            **more,
        }
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that has analysed very many conversations, and has a chat of three messages with a summary."""
    with serving(databases.sqlite(tmp_path_factory.mktemp("client")), None, chat_quiet_seconds=0) as server:
        with Client(server.url) as client:
            items: Any = texts(MANY)
            ids = [
                each
                for first in range(0, MANY, 500)
                for each in client.post_bulk(items[first : first + 500]).conversation_ids
            ]
            client.post_messages(said("lamp", 3))
            for _ in client.wait_for_analysis([*filter(None, ids), "lamp"]):
                pass
            client.wait_for_summary("lamp")
        yield server.url


def said(chat: str, count: int) -> Any:
    return [
        {
            "conversation_id": chat,
            "message_id": str(number),
            "user_id": "ann",
            "user_type": "customer",
            "message_content": f"My lamp flickers, and number {number} of it does not work at all.",
        }
        for number in range(1, count + 1)
    ]


@pytest.fixture(params=KINDS)
def calling(request: pytest.FixtureRequest) -> Calling:
    return partial(Caller, request.param)


def test_an_iterator_repeats_no_conversation_and_leaves_none_out(url: str) -> None:
    with Client(url) as client:
        before = {each.conversation_id for each in islice(client.conversations(), TOO_MANY)}
        walk = client.conversations()
        found = [next(walk)]
        client.post_bulk(texts(3))  # type: ignore[arg-type]
        found += islice(walk, TOO_MANY)

    counts = Counter(each.conversation_id for each in found)
    assert len(before) > MANY
    assert counts == dict.fromkeys(before, 1)


async def test_an_asynchronous_iterator_repeats_no_insight_and_leaves_none_out(url: str) -> None:
    async with AsyncClient(url) as client:
        before = {each.conversation_id async for each in client.insights(**WINDOW)}  # type: ignore[arg-type]
        walk = client.insights(**WINDOW)  # type: ignore[arg-type]
        found = [await anext(walk)]
        late = await client.post_bulk(texts(3))  # type: ignore[arg-type]
        async for _ in client.wait_for_analysis(filter(None, late.conversation_ids)):
            pass
        found += [each async for each in walk]
        after = {each.conversation_id async for each in client.insights(**WINDOW)}  # type: ignore[arg-type]

    counts = Counter(each.conversation_id for each in found)
    assert len(before) >= MANY
    assert counts.keys() >= before
    assert set(counts.values()) == {1}
    assert after - before == set(late.conversation_ids)


def test_chats_and_messages_come_page_by_page_and_once(url: str, calling: Calling) -> None:
    chat, user = uuid4().hex, uuid4().hex
    call = calling(url)
    call("post_messages", said(chat, 250))
    call("post_messages", [{**said(f"{chat}-{n}", 1)[0], "user_id": user} for n in range(120)])

    assert [each.position for each in call("messages", chat)] == list(range(1, 251))
    chats = [each.conversation_id for each in call("user_chats", user)]
    assert sorted(chats) == sorted(f"{chat}-{n}" for n in range(120))
    assert [each.conversation_id for each in call("chats", user_id=user)] == chats


READS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("alive", (), {}),
    ("me", (), {}),
    ("conversation", ("lamp",), {"wait": 1, "raw": True, "history": True}),
    ("conversations", (), {"status": "completed"}),
    ("conversations_page", (), {"limit": 3}),
    ("statuses", (["lamp", "nothing"],), {}),
    ("insights", (), {**WINDOW, "sentiment": "negative", "min_confidence": 0.1}),
    ("insights_page", (), {**WINDOW, "limit": 3}),
    ("recent_insights", (), {"limit": 3}),
    ("trends", (), {**WINDOW, "cluster": "delay"}),
    ("quality", (), {"target": 0.9}),
    ("quality_sample", (), {"limit": 2}),
    ("explain", (), {**WINDOW, "baseline": "4w"}),
    ("compare_topics", (), {**WINDOW, "sort": "-surprise"}),
    ("people_page", (), {**WINDOW, "role": "customer", "sort": "-mean"}),
    ("facets", ("author",), {**WINDOW}),
    ("own_fields", (), {}),
    ("summaries_page", (), {**WINDOW, "outcome": "maybe", "has_open_questions": True}),
    ("estimate_summaries", tuple(WINDOW.values()), {"chosen": {"sentiment": "negative"}}),
    ("estimate_reanalysis", ({"analyzer": "offline"},), {**WINDOW, "sample": 5}),
    ("all_topics_page", (), {"limit": 3, "state": "active"}),
    ("topic_changes", (), {"limit": 3}),
    ("topic_history", ("delay",), {}),
    ("proposals_page", (), {"limit": 3}),
    ("jobs_page", (), {"kind": "merge_topics", "limit": 3}),
    ("webhooks", (), {}),
    ("alerts", (), {}),
    ("chat", ("lamp",), {"page": 1, "limit": 2}),
    ("messages", ("lamp",), {}),
    ("chats", (), {"user_id": "ann", "keyword": "lamp", "end_date": "2100-01-01"}),
    ("chats_page", (), {"limit": 3}),
    ("user_chats", ("ann",), {}),
    ("user_chats_page", ("ann",), {"page": 1, "limit": 2}),
    ("summarize", ("lamp",), {}),
    ("summary", ("lamp",), {"wait": 1}),
    ("wait_for_summary", ("lamp",), {}),
    ("analyse_chat", ("lamp",), {}),
    ("chat_insights", ("lamp",), {}),
    ("spending", (), {"days": 30}),
    ("estimate", (), {}),
    ("batches", (), {}),
    ("pause_analysis", (), {}),
    ("resume_analysis", (), {}),
    ("wait_for_analysis", (["lamp"],), {}),
]
WRITES = {
    *("correct", "withdraw_correction"),
    *("post", "post_bulk", "post_messages", "retry", "retry_all", "delete", "health", "metrics"),
    *(
        "summarize_many",
        "save_insights",
        "save_people",
        "save_facets",
        "save_summaries",
        "save_topics",
        "save_compared_topics",
    ),
    *("reanalyse", "reanalysis", "cancel_batch"),
    *("create_alert", "alert", "change_alert", "delete_alert"),
    *("create_webhook", "webhook", "change_webhook", "delete_webhook", "deliveries_page", "resend_event"),
    *("discover_topics", "proposal", "accept_proposal", "reject_proposal"),
    *(
        "change_topic",
        "merge_topics",
        "split_topic",
        "undo_topic_change",
        "job",
        "cancel_job",
        "pause_job",
        "resume_job",
    ),
}


@pytest.mark.parametrize(("name", "args", "given"), READS, ids=[name for name, *_ in READS])
def test_both_clients_give_the_same_answer(
    url: str, name: str, args: tuple[Any, ...], given: dict[str, Any]
) -> None:
    blocking, awaited = (Caller(kind, url)(name, *args, **given) for kind in KINDS)

    assert blocking == awaited
    assert isinstance(blocking, list | BaseModel)
    assert blocking


def test_every_method_is_tried_on_a_real_service() -> None:
    methods = {name for name in vars(Api) if not name.startswith("_")}

    assert methods == {name for name, *_ in READS} | WRITES


def test_topics_are_changed_merged_and_apart_again(url: str, calling: Calling) -> None:
    call = calling(url)

    renamed = call("change_topic", "refund", label="Money back", parent="billing")
    job = call("merge_topics", ["Money back"], "billing")
    with pytest.raises(Conflict):
        call("resume_job", job.id)
    for steer in ("pause_job", "cancel_job"):
        with suppress(Conflict):
            call(steer, job.id)
    assert call("job", job.id).has_ended
    with pytest.raises(Conflict):
        call("split_topic", "billing", "delay", words="parcel")

    assert (renamed.label, renamed.parent is None) == ("Money back", False)
    # The rename, and the merge where the job was over before it could be cancelled.
    with pytest.raises(Conflict, match="no change"):
        undo_all(call)


def test_webhooks_are_made_changed_and_deleted(url: str, calling: Calling) -> None:
    call = calling(url)
    made = call("create_webhook", "https://example.com/hook", ["insight.completed"])

    changed = call("change_webhook", made.id, events=["alert.fired"], enabled=False)
    assert made.secret.startswith("whsec_")
    assert call("webhook", made.id) == changed
    assert (changed.events, changed.enabled, changed.url) == (["alert.fired"], False, made.url)
    assert call("deliveries_page", made.id, state="pending").deliveries == []
    with pytest.raises(NotFound):
        call("resend_event", made.id, "evt_of_nobody")
    call("delete_webhook", made.id)
    with pytest.raises(NotFound):
        call("webhook", made.id)


def test_alerts_are_made_changed_and_deleted(url: str, calling: Calling) -> None:
    call = calling(url)
    made = call("create_alert", "Late", "negative_share", 0.4, topic="delay", window="6h")

    changed = call("change_alert", made.id, threshold=0.5)
    assert (made.window, made.topic, changed.threshold, changed.name) == ("6h", "delay", 0.5, "Late")
    assert call("alert", made.id).resolve_threshold == pytest.approx(0.45)
    assert made.id in {each.id for each in call("alerts").alerts}
    call("delete_alert", made.id)
    with pytest.raises(NotFound):
        call("alert", made.id)


def undo_all(call: Callable[..., Any]) -> None:
    while call("undo_topic_change"):
        pass


def test_what_was_posted_is_known_by_its_id_or_key(url: str, calling: Calling) -> None:
    call, (item,) = calling(url), texts(1)
    keyed = {"idempotency_key": fresh_key()}

    first, again = (call("post", item) for _ in range(2))
    by_key, by_key_again = (call("post", {"text": "Who has my parcel?"}, **keyed) for _ in range(2))
    bulk = call("post_bulk", [item, {**item, "text": "Something else."}][:1])

    assert (first.enqueued, again.enqueued) == (True, False)
    assert first.conversation_id == again.conversation_id == bulk.conversation_ids[0]
    assert (by_key.enqueued, by_key_again.enqueued) == (True, False)
    assert by_key.conversation_id == by_key_again.conversation_id


def test_a_conflict_is_an_error_or_skipped(url: str, calling: Calling) -> None:
    call, (item,) = calling(url), texts(1)
    id_ = call("post", item).conversation_id
    other = [{**item, "text": "I never wrote the other text."}, *texts(1)]

    with pytest.raises(Conflict) as raised:
        call("post_bulk", other)
    skipped = call("post_bulk", other, on_conflict="skip", freshness="day")

    assert [(fault.index, fault.conversation_id) for fault in raised.value.faults] == [(0, id_)]
    assert (skipped.ingested, skipped.conversation_ids[0]) == (1, None)
    assert [(each.index, each.conversation_id) for each in skipped.conflicts] == [(0, id_)]


def test_what_is_deleted_is_gone_and_what_ended_well_is_not_retried(url: str, calling: Calling) -> None:
    call = calling(url)
    id_ = call("post", texts(1)[0]).conversation_id
    assert call("conversation", id_, wait=30).status == "completed"

    with pytest.raises(Conflict, match="Only a conversation that failed"):
        call("retry", id_)
    assert call("delete", id_) is None
    with pytest.raises(NotFound, match="No conversation has this id"):
        call("conversation", id_)
    assert call("wait_for_analysis", [id_]) == [[Status(conversation_id=id_, status="deleted")]]
    assert call("retry_all", "failed").queued == 0


def test_a_summary_is_waited_for(url: str, calling: Calling) -> None:
    chat = uuid4().hex
    calling(url)("post_messages", said(chat, 2), freshness="day")

    summary = calling(url)("wait_for_summary", chat)

    assert isinstance(summary, ChatSummary)
    assert summary.message_count == 2


def test_health_and_metrics_are_read(url: str, calling: Calling) -> None:
    health, metrics = calling(url)("health"), calling(url)("metrics")

    assert (health.status, health.analyzer) == ("ok", "offline")
    assert "processing_queue_depth" in metrics


@BOTH
def test_waiting_tells_of_each_conversation_as_it_ends(kind: str) -> None:
    platform = FakePlatform(stages=("queued", "completed"))
    platform.stored = {f"conv_{number}": {"text": "x"} for number in range(3)}

    with served(platform) as server:
        looks = Caller(kind, server.url)("wait_for_analysis", [*platform.stored, "gone"], pause=0.01)

    ended = [(each.conversation_id, each.status) for look in looks for each in look]
    assert [len(look) for look in looks] == [1, 3]
    assert ended == [("gone", "deleted"), *((id_, "completed") for id_ in platform.stored)]


async def test_calls_of_one_client_run_side_by_side(url: str) -> None:
    async with AsyncClient(url) as client:
        answers = await asyncio.gather(*(client.conversation("lamp") for _ in range(20)))

    assert len({each.conversation_id for each in answers}) == 1


def test_a_batch_that_there_is_not_cannot_be_cancelled(url: str, calling: Calling) -> None:
    with pytest.raises(NotFound, match="No batch has this id"):
        calling(url)("cancel_batch", "no-such")
