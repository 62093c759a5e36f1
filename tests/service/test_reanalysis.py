"""Re-analysis: priced, sampled, begun, steered and capped, with the whole service and the fake Grok."""

import pytest
from sqlalchemy.engine import URL

import database
from benchmarks.support.process import Json
from benchmarks.support.waiting import eventually
from tests.support.rows import assert_rolled_up
from tests.support.service import Grok, Service, rows, running

PATH = "/api/v1/reanalysis"
TICKS = 10**10
OFFLINE = {"filter": {"analyzer": "offline"}}


def several(number: int) -> list[str]:
    said = ("My parcel is late again, and nobody answers", "I love the new version, great work")
    return [f"{said[at % 2]}, order {at}" for at in range(number)]


async def analysed_offline(url: URL, number: int) -> list[str]:
    async with running(url) as service:
        ids = await service.post_all(several(number))
        await service.all_ended(ids)
    return ids


async def begun(service: Service, **body: object) -> str:
    answer = await service.http.post(PATH, json=body)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/api/v1/jobs/{answer.json()['id']}"
    return str(answer.json()["id"])


async def ended(service: Service, id_: str) -> Json:
    async def job() -> Json | None:
        found = await service.get(f"{PATH}/{id_}")
        return found if found["job"]["ended_at"] is not None else None

    found: Json = await eventually(job, 120)
    return found


async def makers(url: URL) -> dict[str, int]:
    found = await rows(url, "SELECT analyzer, count(*) AS n FROM insights GROUP BY analyzer")
    return {row.analyzer: row.n for row in found}


async def offered(service: Service) -> Json:
    async def offer() -> Json | None:
        found: Json | None = (await service.get("/health"))["offer"]
        return found

    found: Json = await eventually(offer)
    return found


async def nothing_is_offered(service: Service) -> bool:
    return (await service.get("/health"))["offer"] is None


async def counts_are_right(url: URL) -> None:
    async with database.opened(url) as db:
        await db.read(assert_rolled_up)


async def test_offline_gives_way_to_grok_by_one_call(database_url: URL, grok: Grok) -> None:
    ids = await analysed_offline(database_url, 40)
    async with running(database_url, grok) as service:
        offer = await offered(service)
        estimate = await service.get("/api/v1/spending/estimate")
        price = (await service.http.post(PATH, json={**OFFLINE, "dry_run": True})).json()
        done = await ended(service, await begun(service, **OFFLINE))
        one = await service.one(ids[0])
        again = (await service.http.post(PATH, json={"dry_run": True})).json()
        repeated = await ended(service, await begun(service))
        same = (await ended(service, await begun(service, sample=10)))["sample"]
        spent = await service.get("/api/v1/spending")
        audited = (await service.get("/api/v1/audit"))["entries"]
        await eventually(lambda: nothing_is_offered(service))
        (logged,) = (each for each in service.logged.events() if each["event"] == "analysed_offline")

    assert (offer["conversations"], offer["analyzer"]) == (40, "grok")
    assert offer["usd"] == pytest.approx(price["usd"], abs=1e-6)
    # What was analysed for nothing says nothing of what a call costs.
    assert estimate["based_on"] == "the worst case of a call at the list price"
    assert estimate["usd_per_conversation"] > 0
    actions = [each["action"] for each in reversed(audited) if each["action"].startswith("reanalysis.")]
    assert actions == [f"reanalysis.{what}" for what in ("estimate", "begin", "estimate", "begin", "begin")]
    assert logged["offer"] == f"40 conversations were analysed offline; grok would cost ${price['usd']:.2f}"
    assert (price["conversations"], price["free"], price["analyzer"]) == (40, 0, "grok")
    # The price counts no prompt as cached, and the fake takes less for those that are.
    assert grok.billed_ticks / TICKS < price["usd"] < 3 * grok.billed_ticks / TICKS
    assert (done["job"]["status"], done["job"]["done"], done["job"]["conversations"]) == ("completed", 40, 40)
    assert done["job"]["usd"] == pytest.approx(grok.billed_ticks / TICKS)
    assert one["insight"]["analyzer"] == "grok"
    assert await makers(database_url) == {"grok": 40}
    assert (again["free"], again["usd"]) == (40, 0)
    assert (repeated["unchanged"], repeated["job"]["usd"]) == (40, 0)
    assert (same["compared"], same["shift"]["mean"], same["shift"]["n"]) == (10, 0, 10)
    assert grok.sent.total() == len(grok.sent) == 40
    assert spent["total"]["usd"] == pytest.approx(grok.billed_ticks / TICKS, abs=1e-6)
    assert spent["total"]["analysed"] == 40
    await counts_are_right(database_url)


async def test_a_sample_tells_what_would_change_and_changes_nothing(database_url: URL, grok: Grok) -> None:
    await analysed_offline(database_url, 40)
    async with running(database_url, grok) as service:
        price = (await service.http.post(PATH, json={**OFFLINE, "sample": 15, "dry_run": True})).json()
        done = await ended(service, await begun(service, **OFFLINE, sample=15))

    sample = done["sample"]
    assert (price["conversations"], done["job"]["total"], done["changed"]) == (15, 15, 15)
    assert (sample["compared"], sample["population"]) == (15, 40)
    assert sum(each["conversations"] for each in sample["sentiments"]) == 15
    assert all(each["after"] - each["before"] == each["came"] - each["went"] for each in sample["topics"])
    assert -2 <= sample["shift"]["low"] <= sample["shift"]["mean"] <= sample["shift"]["high"] <= 2
    assert grok.sent.total() == 15
    assert await makers(database_url) == {"offline": 40}
    assert await rows(database_url, "SELECT 1 FROM reanalysis_items") == []
    await counts_are_right(database_url)


async def test_a_cap_ends_it_and_is_never_exceeded(database_url: URL, grok: Grok) -> None:
    await analysed_offline(database_url, 60)
    async with running(database_url, grok, start_batch=5, max_batch=5) as service:
        done = await ended(service, await begun(service, **OFFLINE, max_usd=0.015))

    assert (done["job"]["status"], done["max_usd"]) == ("capped", 0.015)
    assert "max_usd" in done["job"]["error"]
    assert 0 < grok.billed_ticks <= 0.015 * TICKS
    assert 0 < (await makers(database_url))["grok"] == done["changed"] < 60
    await counts_are_right(database_url)


async def test_it_is_paused_resumed_and_cancelled(database_url: URL, grok: Grok) -> None:
    await analysed_offline(database_url, 60)
    grok.latency = 0.3
    async with running(database_url, grok, start_batch=5, max_batch=5, max_in_flight=2) as service:
        id_ = await begun(service, **OFFLINE)
        await eventually(lambda: grok.calls)
        paused = await service.http.post(f"/api/v1/jobs/{id_}/pause")
        other = await service.http.post(PATH, json=OFFLINE)
        await eventually(lambda: nothing_is_held(service))
        at_rest = len(grok.calls)
        resumed = await service.http.post(f"/api/v1/jobs/{id_}/resume")
        await eventually(lambda: len(grok.calls) > at_rest)
        cancelled = await service.http.post(f"/api/v1/jobs/{id_}/cancel")
        await eventually(lambda: nothing_is_held(service))
        left = (await makers(database_url))["offline"]
        grok.latency = 0
        rest = await ended(service, await begun(service, **OFFLINE))

    assert [each.json()["status"] for each in (paused, resumed, cancelled)] == [
        "paused",
        "queued",
        "cancelled",
    ]
    assert (other.status_code, other.json()["error"]) == (409, "conflict")
    assert at_rest < 12
    assert rest["job"]["total"] == rest["changed"] == left > 0
    assert await makers(database_url) == {"grok": 60}
    await counts_are_right(database_url)


async def nothing_is_held(service: Service) -> bool:
    return not await service.rows("SELECT 1 FROM reanalysis_items WHERE lease IS NOT NULL")


async def test_what_is_deleted_or_grows_meanwhile_is_dropped(database_url: URL, grok: Grok) -> None:
    async with running(database_url, chat_quiet_seconds=0) as service:
        ids = await service.post_all(several(4))
        await say(service, "It is broken")
        await service.all_ended([*ids, "chat"])
    grok.latency = 2
    async with running(database_url, grok, chat_quiet_seconds=0, start_batch=20) as service:
        id_ = await begun(service, **OFFLINE)
        await eventually(lambda: grok.calls)
        assert (await service.http.delete(f"/api/v1/conversations/{ids[0]}")).status_code == 204
        await say(service, "And terrible")
        done = await ended(service, id_)
        await service.ended("chat")

    assert (done["changed"], done["dropped"], done["job"]["status"]) == (3, 2, "completed")
    assert await makers(database_url) == {"grok": 4}
    await counts_are_right(database_url)


async def say(service: Service, said: str) -> None:
    turn = {"conversation_id": "chat", "user_id": "ann", "user_type": "customer", "message_content": said}
    assert (await service.http.post("/chats", json=[turn])).is_success


async def test_what_was_skipped_is_analysed_and_counted_no_longer_as_skipped(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url, grok) as service:
        await service.all_ended(await service.post_all(["thanks", "thank you", *several(2)]))
        done = await ended(service, await begun(service, filter={"status": "skipped"}))
        left = await service.get("/api/v1/conversations", status="skipped")

    assert (done["changed"], left["conversations"]) == (2, [])
    await counts_are_right(database_url)


BAD = [
    ({"freshness": "tomorrow"}, "freshness"),
    ({"sample": 0}, "sample"),
    ({"max_usd": 0}, "max_usd"),
    ({"filter": {"status": "failed", "analyzer": "offline"}}, "filter"),
    ({"filter": {"cluster": "no such topic"}}, "filter.cluster"),
    ({"filter": {"cluster": "bilingg"}}, "filter.cluster"),
]


async def test_what_cannot_be_is_refused_by_the_name_of_its_field(database_url: URL) -> None:
    async with running(database_url) as service:
        answers = [await service.http.post(PATH, json=body) for body, _ in BAD]
        unknown = await service.http.get(f"{PATH}/job_0")

    assert [answer.status_code for answer in answers] == [400] * len(BAD)
    assert [answer.json()["details"].partition(":")[0] for answer in answers] == [name for _, name in BAD]
    assert "no topic of this name is known; similar ones: billing" in answers[-1].json()["details"]
    assert (
        answers[3].json()["details"]
        == "filter: analyzer needs an insight, and a conversation that is failed has none"
    )
    assert unknown.status_code == 404
