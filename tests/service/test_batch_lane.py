"""What can wait goes by batches at the provider: the whole service and the fake Batch API."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS, Json
from benchmarks.support.waiting import eventually
from llm.prices import TICKS_PER_USD
from tests.support.service import Grok, Service, rows, running

BULK = f"{POSTS}/bulk"
HOURS = 0.002
"""7.2 seconds: a batch is looked at after 0.07 of them, and settles in 0.7."""
LANE: Json = {"batch_lane_hours": HOURS, "max_batch": 10}


def several(number: int, said: str = "My parcel is late again, and nobody answers") -> list[str]:
    return [f"{said}, order {at}" for at in range(number)]


async def post_later(service: Service, said: Sequence[str]) -> list[str]:
    items = [{"text": each} for each in said]
    answer = await service.http.post(BULK, json=items, params={"freshness": "day"})
    assert answer.status_code == 202, answer.text
    ids: list[str] = answer.json()["conversation_ids"]
    return ids


async def say_later(service: Service, said: Sequence[str]) -> list[str]:
    """Each in a chat of its own."""
    new = [
        {"conversation_id": f"chat-{at}", "message_content": each, "user_id": "u", "user_type": "customer"}
        for at, each in enumerate(said)
    ]
    answer = await service.http.post("/chats", json=new, params={"freshness": "day"})
    assert answer.status_code == 201, answer.text
    ids: list[str] = answer.json()["conversation_ids"]
    return ids


LONG_AGO = {
    "conversations": "UPDATE conversations SET run_at = 1 WHERE status = 'processing'",
    "asking": "UPDATE asking SET until = 1",
}
"""By table: what a batch holds, it holds no longer."""


async def some_done(url: URL) -> bool:
    found = await rows(url, "SELECT count(*) AS n FROM insights")
    return bool(found[0].n)


async def all_over(url: URL) -> bool:
    found = await rows(url, "SELECT count(*) AS n FROM provider_batches WHERE run_at IS NOT NULL")
    return bool(found[0].n == 0)


async def booked(url: URL) -> tuple[int, int]:
    [row] = await rows(url, "SELECT sum(spent) AS spent, sum(reserved) AS reserved FROM spending")
    return int(row.spent or 0), int(row.reserved or 0)


async def test_each_gets_one_insight_at_the_price_of_batches(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, **LANE, chat_quiet_seconds=0.1) as service:
        ids = await post_later(service, [*several(43), several(1)[0]])
        ids += await say_later(
            service, ["And my invoice is wrong, order 50", "My bill for this order is wrong, too"]
        )
        ended = await service.all_ended(ids)
        await eventually(lambda: all_over(database_url))
    insights = await rows(database_url, "SELECT cached FROM insights")

    assert {each["status"] for each in ended} == {"completed"}
    assert sorted(bool(each.cached) for each in insights) == [False] * 45 + [True]
    assert grok.calls == []
    assert grok.batches.stats()["most_often_asked"] == 1
    assert await booked(database_url) == (grok.batches.billed_ticks, 0)


async def test_whatever_goes_wrong_each_gets_one_insight_and_the_bill_is_booked(
    database_url: URL, grok: Grok
) -> None:
    for kind in ("twice", "short_pages", "empty_token", "late_rows", "no_state"):
        grok.batches.misbehave(kind, probability=0.3)
    for status in (404, 429, 503):
        grok.batches.misbehave("status", status=status, probability=0.1)
    grok.batches.misbehave("lost_answer", probability=0.2)
    grok.batches.misbehave("garbage", probability=0.1)
    grok.batches.misbehave("error", marker="order 7,")
    async with running(database_url, grok, **LANE | {"batch_lane_hours": 0.005}) as service:
        ids = await post_later(service, [f"{each}, truly" for each in several(60)])
        ended = await service.all_ended(ids)
        await eventually(lambda: all_over(database_url), 60)
    insights = await rows(database_url, "SELECT count(*) AS n FROM insights")

    assert {each["status"] for each in ended} == {"completed"}
    assert insights[0].n == 60
    assert grok.batches.stats()["most_often_asked"] == 1
    live, batched = grok.billed_ticks, grok.batches.billed_ticks
    assert await booked(database_url) == (live + batched, 0)


async def test_what_stays_pending_is_cancelled_and_goes_live_and_a_late_row_is_dropped_and_paid(
    database_url: URL, grok: Grok
) -> None:
    grok.batches.misbehave("stuck", marker="order 3,")
    grok.batches.misbehave("reverts")
    async with running(database_url, grok, **LANE) as service:
        ids = await post_later(service, [f"{each}, truly" for each in several(20)])
        ended = await service.all_ended(ids)
        await eventually(lambda: all_over(database_url), 60)
    insights = await rows(database_url, "SELECT count(*) AS n FROM insights")
    batches = await rows(database_url, "SELECT cancelled_by FROM provider_batches WHERE requests > 0")

    assert {each["status"] for each in ended} == {"completed"}
    assert insights[0].n == 20
    assert [each.cancelled_by for each in batches] == ["the deadline"]
    assert await booked(database_url) == (grok.billed_ticks + grok.batches.billed_ticks, 0)


@pytest.mark.parametrize("kind", ["unknown", "nothing"])
async def test_a_row_that_says_nothing_is_booked_at_what_was_reserved_for_it(
    database_url: URL, grok: Grok, kind: str
) -> None:
    grok.batches.misbehave(kind, marker="order 3,")
    async with running(database_url, grok, **LANE) as service:
        ids = await post_later(service, [f"{each}, truly" for each in several(20)])
        ended = await service.all_ended(ids)
        await eventually(lambda: all_over(database_url))

    assert {each["status"] for each in ended} == {"completed"}
    spent, reserved = await booked(database_url)
    assert spent > grok.billed_ticks + grok.batches.billed_ticks
    assert reserved == 0


@pytest.mark.parametrize("kind", ["refused", "stopped"])
async def test_a_batch_that_the_provider_ends_goes_live(database_url: URL, grok: Grok, kind: str) -> None:
    grok.batches.misbehave(kind)
    async with running(database_url, grok, **LANE) as service:
        ids = await post_later(service, several(20))
        ended = await service.all_ended(ids)
        await eventually(lambda: all_over(database_url), 60)
    insights = await rows(database_url, "SELECT count(*) AS n FROM insights")

    assert {each["status"] for each in ended} == {"completed"}
    assert insights[0].n == 20
    assert await booked(database_url) == (grok.billed_ticks + grok.batches.billed_ticks, 0)


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_batch_that_is_never_begun_holds_nothing_up_and_the_next_is_not_tried_at_once(
    database_url: URL, grok: Grok, status: int
) -> None:
    grok.batches.misbehave("status", on="create", status=status)
    async with running(database_url, grok, **LANE | {"batch_lane_hours": 0.05}) as service:
        ended = await service.all_ended(await post_later(service, several(20)))
        await eventually(lambda: all_over(database_url))
        said = several(20, "The app has lost my basket once more, and nobody answers")
        ended += await service.all_ended(await post_later(service, said))
        [batch] = await listed(service)
        lane = (await service.get("/health"))["batch_lane"]

    assert {each["status"] for each in ended} == {"completed"}
    assert grok.batches.operations["create"] == 1
    assert (batch["stage"], batch["error"]) == ("ended", "the provider refused to begin it")
    assert not lane["is_open"]
    assert f"HTTP {status}" in lane["reason"]
    assert await booked(database_url) == (grok.billed_ticks, 0)


async def test_while_half_of_the_days_budget_is_used_it_is_told_and_what_waits_is_not_late(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url, grok, **LANE) as service:
        await service.all_ended(await post_later(service, several(1)))
        await eventually(lambda: all_over(database_url))
    [call] = await rows(database_url, "SELECT reserved_ticks FROM grok_calls")
    # Live the same takes 1.25 times as much.
    budget = (1.5 * call.reserved_ticks + (await booked(database_url))[0]) / TICKS_PER_USD
    async with running(database_url, grok, **LANE, daily_budget_usd=budget) as service:
        ids = await post_later(service, ["My bill is wrong, order 50"])
        lane, figures = await eventually(lambda: standing_still(service))
        ended = await service.all_ended(ids)

    assert lane["reason"] == "half of DAILY_BUDGET_USD is spent or reserved"
    assert abs(datetime.fromisoformat(lane["tried_again_at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert (figures["batch_lane_refused"], ended[0]["status"], len(grok.calls)) == (0, "completed", 1)


async def test_a_re_analysis_at_its_cap_is_not_told_as_a_spent_day(database_url: URL, grok: Grok) -> None:
    async with running(database_url) as offline:
        await offline.all_ended(await offline.post_all(several(3)))
    async with running(database_url, grok, **LANE, daily_budget_usd=5) as service:
        body = {"freshness": "day", "max_usd": 0.0001}
        await service.http.post("/api/v1/reanalysis", json=body)
        await eventually(lambda: has_ended_one(service))
        lane = (await service.get("/health"))["batch_lane"]

    assert (lane["is_open"], lane["reason"], lane["tried_again_at"]) == (True, None, None)


async def test_a_model_without_a_batch_price_goes_live(database_url: URL, grok: Grok) -> None:
    async with running(database_url) as offline:
        await offline.all_ended(await offline.post_all(several(3, "It works again")))
    async with running(database_url, grok, **LANE, grok_model="grok-4.7") as service:
        await service.all_ended(await post_later(service, several(20)))
        prices = [await price_of(service, {"freshness": each}) for each in ("now", "day")]

    assert grok.batches.stats()["batches"] == 0
    assert len(grok.calls) > 0
    assert prices[0] == prices[1]
    assert prices[0]["usd"] > 0


async def test_what_was_deleted_or_has_changed_is_dropped_and_its_cost_is_kept(
    database_url: URL, grok: Grok
) -> None:
    grok.batches.seconds = 1e9
    given = LANE | {"batch_lane_hours": 0.01, "chat_quiet_seconds": 1}
    async with running(database_url, grok, **given) as service:
        ids = await post_later(service, several(10))
        await eventually(lambda: has_sent(grok))
        await service.http.delete(f"{POSTS}/{ids[0]}")
        said = {
            "conversation_id": ids[1],
            "message_content": "Hello?",
            "user_id": "u",
            "user_type": "customer",
        }
        await service.http.post("/chats", json=said)
        [kept] = await rows(database_url, "SELECT count(*) AS n FROM batch_items")
        grok.batches.hurry()
        await eventually(lambda: all_over(database_url), 60)
        await service.all_ended(ids[1:])
    [batch] = await rows(database_url, "SELECT stored, dropped FROM provider_batches WHERE requests > 0")
    insights = await rows(database_url, "SELECT revision FROM insights ORDER BY conversation")

    assert kept.n == 9
    assert (batch.stored, batch.dropped) == (8, 2)
    assert [each.revision for each in insights] == [2] + [1] * 8
    assert await booked(database_url) == (grok.billed_ticks + grok.batches.billed_ticks, 0)


async def test_a_re_analysis_that_can_wait_goes_by_a_batch_and_pays_its_price(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url) as offline:
        await offline.all_ended(await offline.post_all(several(30)))
    async with running(database_url, grok, **LANE | {"batch_lane_hours": 0.01}) as service:
        body = {"filter": {"analyzer": "offline"}, "freshness": "day", "max_usd": 1}
        live, later = [await price_of(service, body | {"freshness": each}) for each in ("now", "day")]
        id_ = (await service.http.post("/api/v1/reanalysis", json=body)).json()["id"]
        done = await eventually(lambda: job_ended(service, id_), 60)
        await eventually(lambda: all_over(database_url), 60)
        price = (await rows(database_url, "SELECT cost_ticks, reserved_ticks FROM reanalyses"))[0]

    assert (done["job"]["status"], done["changed"]) == ("completed", 30)
    assert grok.calls == []
    assert later["usd"] == pytest.approx(0.8 * live["usd"], abs=1e-6)
    assert (later["seconds"], later["calls"]) == (36.0, live["calls"])
    assert live["seconds"] < 36
    assert later["based_on"].startswith("xAI's list price of batches and ")
    assert tuple(price) == (grok.batches.billed_ticks, 0)


async def test_a_re_analysis_that_is_cancelled_has_its_batch_cancelled(database_url: URL, grok: Grok) -> None:
    grok.batches.misbehave("stuck")
    async with running(database_url) as offline:
        await offline.all_ended(await offline.post_all(several(10)))
    async with running(database_url, grok, **LANE | {"batch_lane_hours": 0.01}) as service:
        id_ = (await service.http.post("/api/v1/reanalysis", json={"freshness": "day"})).json()["id"]
        await eventually(lambda: has_sent(grok))
        await service.http.post(f"/api/v1/jobs/{id_}/cancel")
        await eventually(lambda: grok.batches.operations["cancel"], 60)
        [batch] = await rows(database_url, "SELECT cancelled_by FROM provider_batches")

    assert batch.cancelled_by == "its job"


async def test_a_process_that_starts_again_goes_on_with_its_batch(database_url: URL, grok: Grok) -> None:
    """Nothing that the batch holds is asked about live meanwhile, not even where no process ran for too long."""
    # How long each takes is a part of these by chance.
    grok.batches.seconds = 1e9
    wide = LANE | {"batch_lane_hours": 0.02}
    async with running(database_url, grok, **wide) as service:
        ids = await post_later(service, several(20))
        await eventually(lambda: has_sent(grok))
        there = await eventually(lambda: in_lane(service))
        estimate = await service.get("/api/v1/spending/estimate")
    grok.batches.hurry()
    for table in ("conversations", "asking"):
        await rows(database_url, LONG_AGO[table])
    async with running(database_url, grok, **wide) as service:
        await service.all_ended(ids)
        spent = (await service.get("/api/v1/spending"))["total"]

    assert (there["is_open"], there["batches"], there["requests"], there["waiting"]) == (True, 1, 2, 0)
    assert (estimate["batched"], estimate["calls"]) == (20, 0)
    assert (spent["batch_calls"], spent["batch_usd"]) == (2, spent["usd"])

    assert grok.calls == []
    assert grok.batches.stats()["batches"] == 1
    assert grok.batches.stats()["most_often_asked"] == 1


async def test_rows_that_could_not_be_read_at_first_are_read_though_no_counter_changes(
    database_url: URL, grok: Grok
) -> None:
    grok.batches.misbehave("stuck", marker="order 3,")
    grok.batches.misbehave("status", on="results", status=503, times=1)
    async with running(database_url, grok, **LANE | {"batch_lane_hours": 0.05}) as service:
        ids = await post_later(service, [f"{each}, truly" for each in several(20)])
        await eventually(lambda: some_done(database_url))
        late = [each for each in await service.all_of(ids) if each["status"] != "completed"]

    assert len(late) == 10
    assert grok.batches.operations["cancel"] == 0


async def test_an_operator_cancels_a_batch_and_what_it_held_goes_live(database_url: URL, grok: Grok) -> None:
    grok.batches.misbehave("stuck")
    async with running(database_url, grok, **LANE | {"batch_lane_hours": 0.005}) as service:
        ids = await post_later(service, several(10))
        await eventually(lambda: has_sent(grok))
        [batch] = [each for each in await listed(service) if each["requests"]]
        path = f"/api/v1/batches/{batch['id']}/cancel"
        answers = [await service.http.post(path), await service.http.post(path)]
        unknown = await service.http.post("/api/v1/batches/no-such/cancel")
        ended = await service.all_ended(ids)
        await eventually(lambda: all_over(database_url), 60)
        [over] = [each for each in await listed(service) if each["requests"]]

    assert [each.status_code for each in (*answers, unknown)] == [200, 409, 404]
    assert {each["status"] for each in ended} == {"completed"}
    assert (over["stage"], over["cancelled_by"], over["stored"]) == ("ended", "anonymous", 0)
    assert await booked(database_url) == (grok.billed_ticks, 0)


async def listed(service: Service) -> list[Json]:
    found: list[Json] = (await service.get("/api/v1/batches"))["batches"]
    return found


async def in_lane(service: Service) -> Json | None:
    lane: Json = (await service.get("/health"))["batch_lane"]
    figures = await service.metrics()
    is_there = lane["batches"] and figures["batch_lane_requests_pending"] == lane["requests"] > 0
    return lane if is_there else None


async def price_of(service: Service, body: Json) -> Json:
    found: Json = (await service.http.post("/api/v1/reanalysis", json=body | {"dry_run": True})).json()
    return found


async def standing_still(service: Service) -> tuple[Json, dict[str, float]] | None:
    lane: Json = (await service.get("/health"))["batch_lane"]
    figures = await service.metrics()
    return None if lane["is_open"] or figures["batch_lane_open"] else (lane, figures)


async def has_ended_one(service: Service) -> bool:
    return any(each["ended_at"] for each in await listed(service))


def has_sent(grok: Grok) -> bool:
    return bool(grok.batches.operations["add"])


async def job_ended(service: Service, id_: str) -> Json | None:
    found = await service.get(f"/api/v1/reanalysis/{id_}")
    return found if found["job"]["ended_at"] is not None else None
