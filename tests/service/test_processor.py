"""The processor against a fake Grok, through the running service: what is sent, how often, and how fast."""

import time
from bisect import bisect_left
from collections import Counter

from sqlalchemy.engine import URL

from benchmarks.support.process import Json
from benchmarks.support.waiting import eventually
from llm.prompts import text_tokens
from tests.support.service import Grok, running

LATE = "My parcel is three days late and nobody answers"
SECONDS_OF_CAP = 2.0


def several(count: int, said: str = LATE) -> list[str]:
    return [f"{said} ({number})" for number in range(count)]


def sizes(grok: Grok) -> list[int]:
    """How many conversations each call carried, in order of arrival."""
    return [len(call.texts) for call in grok.calls]


def most_at_once(grok: Grok) -> int:
    """The most calls that were being answered at one moment; each takes the fake's latency."""
    starts = sorted(call.arrived for call in grok.calls)
    return max(number - bisect_left(starts, at - grok.latency) + 1 for number, at in enumerate(starts))


# --- what is sent -------------------------------------------------------------------------------------------


async def test_each_text_is_sent_once_in_batches_of_up_to_the_most(database_url: URL, grok: Grok) -> None:
    said = several(100)
    async with running(database_url, grok, start_batch=10, max_batch=10) as service:
        ids = await service.post_all(said)
        views = await service.all_ended(ids)

    assert {view["status"] for view in views} == {"completed"}
    assert grok.sent == Counter(said)
    assert max(sizes(grok)) == 10
    assert len(grok.calls) <= 15
    assert grok.violations == []


async def test_twins_are_asked_about_once_and_share_the_answer(database_url: URL, grok: Grok) -> None:
    grok.latency = 0.3
    said = [
        LATE,
        f"  {LATE.upper()}  ",
        f"@support {LATE} https://example.com/x",
        LATE,
        "The invoice is wrong",
    ]
    async with running(database_url, grok) as service:
        ids = await service.post_all(said)
        early = await service.all_ended(ids)
        late = await service.ended(await service.post(LATE))

    insights = [view["insight"] for view in [*early[:4], late]]
    assert grok.sent.total() == 2
    assert [insight["cached"] for insight in insights] == [False, True, True, True, True]
    assert len({insight["grok_analysis"]["reasoning"] for insight in insights}) == 1
    assert early[4]["insight"]["cached"] is False


async def test_a_long_chat_is_sent_in_part_and_says_so(database_url: URL, grok: Grok) -> None:
    turns = [{"role": "customer", "text": f"turn {number}: " + "x" * 980} for number in range(30)]
    async with running(database_url, grok) as service:
        long = await service.http.post("/api/v1/conversations", json={"messages": turns})
        long_text = await service.post(f"start {'y' * 19_000} end")
        short = await service.post(LATE)
        views = await service.all_ended([long.json()["conversation_id"], long_text, short])

    chat, text = sorted((said for said in grok.sent if len(said) > 100), key=lambda said: "turn" not in said)
    assert [view["insight"]["partial"] for view in views] == [True, True, False]
    assert len(chat) <= 12_010
    lines = chat.splitlines()
    assert lines[0].startswith("customer: turn 0: ")
    assert lines[-1].startswith("customer: turn 29: ")
    assert "[...]" in lines
    assert len(text) <= 12_010
    assert text.startswith("start y")
    assert text.endswith("y end")


async def test_a_dialogue_is_sent_as_a_transcript(database_url: URL, grok: Grok) -> None:
    turns = [
        {"text": "It never arrived", "inbound": True},
        {"text": "Which order?", "user_type": "support_agent"},
        {"text": "The blue one"},
    ]
    async with running(database_url, grok) as service:
        response = await service.http.post("/api/v1/conversations", json={"messages": turns})
        await service.ended(response.json()["conversation_id"])

    transcript = "customer: It never arrived\nagent: Which order?\ncustomer: The blue one"
    assert grok.sent == Counter([transcript])


# --- what comes back ----------------------------------------------------------------------------------------


async def test_a_missing_row_is_asked_again_and_then_given_up(database_url: URL, grok: Grok) -> None:
    grok.misbehave("missing", marker="LOST")
    said = [*several(4), "LOST is all there is to this one"]
    async with running(database_url, grok, max_retries=2) as service:
        ids = await service.post_all(said)
        *good, lost = await service.all_ended(ids)
        view = await service.one(ids[-1])

    assert {each["status"] for each in good} == {"completed"}
    assert {grok.sent[each] for each in said[:4]} == {1}
    assert (lost["status"], lost["error"], lost["insight"]) == ("failed", "no row in the answer", None)
    assert grok.sent[said[-1]] == view["attempts"] == 3


INVALID = {
    "sentiment_score is outside [-1, 1]": {"sentiment_score": 1.5},
    "sentiment_score must be a number": {"sentiment_score": "bad"},
    "confidence is outside [0, 1]": {"confidence": 1.2},
    "clusters must name a topic": {"clusters": ["!!"]},
    "reasoning is missing": {"reasoning": None},
}


async def test_an_invalid_row_fails_with_the_reason_and_spares_its_neighbours(
    database_url: URL, grok: Grok
) -> None:
    for number, fields in enumerate(INVALID.values()):
        grok.misbehave("fields", marker=f"BAD{number}", fields=fields)
    grok.misbehave("twice_differently", marker="TWICE")
    wrong = [f"BAD{number} is how this text begins" for number in range(len(INVALID))]
    async with running(database_url, grok, max_retries=1, start_batch=20) as service:
        ids = await service.post_all([*wrong, "TWICE is how this text begins", *several(5)])
        views = await service.all_ended(ids)
        failed = (await service.metrics())['conversations_failed_total{reason="invalid_row"}']

    errors = [view["error"] for view in views[: len(wrong) + 1]]
    assert errors == [*INVALID, "two different rows for the same id"]
    assert {view["status"] for view in views[len(wrong) + 1 :]} == {"completed"}
    assert {grok.sent[each] for each in wrong} == {2}
    assert failed == len(wrong) + 1


async def test_a_row_that_comes_right_at_the_second_asking_is_stored(database_url: URL, grok: Grok) -> None:
    grok.misbehave("missing", first_only=True)
    async with running(database_url, grok) as service:
        view = await service.ended(await service.post(LATE), include="raw")
        failures = await service.rows("SELECT failures FROM conversations")

    assert (view["status"], view["error"], view["attempts"]) == ("completed", None, 2)
    assert view["raw"]["call"]["request_id"] == "call-2"
    assert failures[0][0] == 1


async def test_answers_in_another_order_and_for_nobody_do_no_harm(database_url: URL, grok: Grok) -> None:
    grok.misbehave("reordered")
    grok.misbehave("invented")
    said = [
        "A great service, thanks",
        "The worst I have seen, broken and late",
        "Where is the invoice, please?",
    ]
    async with running(database_url, grok) as service:
        views = await service.all_ended(await service.post_all(said))

    sentiments = [view["insight"]["sentiment"] for view in views]
    assert sentiments == ["positive", "negative", "neutral"]
    assert grok.sent == Counter(said)


async def test_every_call_is_kept_with_its_usage(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, start_batch=4, max_batch=4) as service:
        await service.all_ended(await service.post_all(several(8)))
        kept = await service.rows(
            "SELECT sum(conversations), sum(prompt_tokens), sum(completion_tokens), sum(cost_ticks),"
            " count(*), count(finished_at), min(outcome), min(request_id) FROM grok_calls"
        )

    calls = len(grok.calls)
    tokens = grok.tokens["prompt_tokens"], grok.tokens["completion_tokens"]
    assert tuple(kept[0]) == (8, *tokens, grok.billed_ticks, calls, calls, "ok", "call-1")


# --- when it is sent ----------------------------------------------------------------------------------------


async def test_a_partial_batch_leaves_when_it_has_waited_and_a_full_one_at_once(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url, grok, batch_flush_seconds=1, start_batch=5, max_batch=5) as service:
        since = time.monotonic()
        await service.ended(await service.post(LATE))
        waited = grok.calls[0].arrived - since
    async with running(database_url, grok, batch_flush_seconds=60, start_batch=5, max_batch=5) as service:
        since = time.monotonic()
        await service.all_ended(await service.post_all(several(5)))
        at_once = grok.calls[1].arrived - since

    assert waited > 0.9
    assert at_once < 30
    assert sizes(grok) == [1, 5]


async def test_a_call_carries_what_its_tokens_allow_and_what_is_larger_goes_alone(
    database_url: URL, grok: Grok
) -> None:
    """In an alphabet of two bytes a letter: it is tokens that count, not characters."""
    short, long = several(6, "Где моя посылка?"), "Где моя посылка? " * 20
    room = 3 * max(map(text_tokens, short))
    given = {"start_batch": 10, "max_batch": 10, "max_batch_tokens": room, "prefilter": "off"}
    async with running(database_url, grok, **given) as service:
        await service.all_ended(await service.post_all([*short, long]))

    assert sorted(sizes(grok)) == [1, 3, 3]
    assert text_tokens(long) > room
    assert [long] in [list(call.texts) for call in grok.calls]


async def test_batches_grow_with_success_and_are_halved_by_a_fault(database_url: URL, grok: Grok) -> None:
    given = {"start_batch": 2, "max_batch": 12, "max_in_flight": 1}
    async with running(database_url, grok, **given) as service:
        await service.all_ended(await service.post_all(several(60)))
        grown = sizes(grok)
        grok.misbehave("content", text="no JSON", calls=1)
        await service.all_ended(await service.post_all(several(60, "The invoice is wrong")))

    assert grown[0] == 2
    assert max(grown) == 12
    # Five more with each full success, and one call at a time.
    assert all(size <= 2 + 5 * number for number, size in enumerate(grown))
    after = sizes(grok)[len(grown) :]
    assert after[1] <= after[0] // 2
    assert max(after[2:]) == 12


async def test_no_more_calls_are_in_flight_than_allowed(database_url: URL, grok: Grok) -> None:
    grok.latency = 0.4
    async with running(database_url, grok, max_in_flight=3, start_batch=5, max_batch=5) as service:
        await service.all_ended(await service.post_all(several(60)))

    assert most_at_once(grok) == 3


async def test_the_cap_is_kept_and_used_however_slow_the_calls_are(database_url: URL, grok: Grok) -> None:
    """Two seconds a call and ten calls a second: 20 are in flight, and the queue is deep for four seconds."""
    grok.latency = SECONDS_OF_CAP
    given = {"outbound_rps": 10, "start_batch": 10, "max_batch": 10, "max_in_flight": 64}
    async with running(database_url, grok, **given) as service:
        ids = await service.post_all(several(400))
        # Asking for all of them again and again would take the time that is measured.
        await service.ended(ids[-1], 40)
        await service.all_ended(ids)

    arrivals = sorted(call.arrived for call in grok.calls)
    # Up to the last full batch the queue was deep.
    deep = arrivals[: max(number for number, size in enumerate(sizes(grok)) if size == 10) + 1]
    # The service, the fake and the database share two cores here: a call that waits for its turn on them arrives
    # closer to the next one. When calls leave is held to the microsecond in test_pacer.py.
    assert grok.busiest_second(jitter=0.5) <= 10
    assert len(deep) >= 35
    # Ten calls at a time would make half of what the cap allows. How much of it is used is asked by
    # benchmarks/engine.py, 0.97: here all shares one interpreter, on whatever else the machine does.
    assert most_at_once(grok) > 10
    assert set(grok.sent.values()) == {1}
    assert len(grok.sent) == 400


async def test_a_processor_that_died_goes_on_where_it_was(database_url: URL, grok: Grok) -> None:
    """What a dead loop held (a place in flight, a place in line) must not be gone with it."""
    async with running(database_url, grok) as service:
        await service.rows("ALTER TABLE asking RENAME TO asking_gone")
        id_ = await service.post(LATE)

        async def died() -> Json | None:
            health = await service.get("/health")
            return health if health["worker_restarts"] >= 2 else None

        health = await eventually(died)
        await service.rows("ALTER TABLE asking_gone RENAME TO asking")
        view = await service.ended(id_)

    assert (health["status"], health["worker_running"]) == ("degraded", False)
    assert any("the worker is being restarted" in reason for reason in health["reasons"])
    assert view["status"] == "completed"
    assert grok.sent[LATE] == 1
