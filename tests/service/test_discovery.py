"""Discovery on a running service: a new complaint is proposed, keeps its id, and becomes a topic or is refused."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy.engine import URL

from benchmarks.support.waiting import eventually
from client import AsyncClient
from client.answers import Job
from tests.support.service import Grok, Service, running
from tests.support.subjects import SUBJECTS, wordings

Json = dict[str, Any]
WEEK = {"start_time": "2026-11-08T00:00:00Z", "end_time": "2026-11-15T00:00:00Z"}
BEFORE, NOW = "2026-11-03T12:00:00Z", "2026-11-10T12:00:00Z"
TOPICS = "/api/v1/topics"


def talk(texts: Sequence[str], who: str, when: str, *, authors: int = 1000) -> list[Json]:
    """Conversations of one text, by so many people."""
    return [
        {
            "text": text,
            "author": f"{who}{place % authors}",
            "timestamp": when,
            "external_id": f"{who}-{place}",
        }
        for place, text in enumerate(texts)
    ]


def weeks() -> list[Json]:
    """Two weeks of the same subjects, and in the second one a pool besides."""
    before = [text for subject in SUBJECTS for text in wordings(subject, 25)]
    now = [text for subject in SUBJECTS for text in wordings(subject, 25, seed=2)]
    thanks = ["Hello there, thank you so much for your help!"] * 20
    return [
        *talk(before, "before", BEFORE),
        *talk(now, "now", NOW),
        *talk(thanks, "polite", NOW),
        *talk(wordings("pool", 20), "pool", NOW),
        *talk(
            ["The vending machine at the office sells expired chocolate bars."] * 12, "spam", NOW, authors=1
        ),
    ]


async def stored(service: Service, items: Sequence[Json]) -> None:
    for first in range(0, len(items), 500):
        answer = await service.http.post("/api/v1/conversations/bulk", json=items[first : first + 500])
        assert answer.status_code == 202, answer.text
    await eventually(lambda: empty(service), 120)


async def empty(service: Service) -> bool:
    return bool((await service.get("/health"))["queue_size"] == 0)


async def ended(service: Service, answer: Any) -> Json:
    """The job of a 202 once it has ended."""
    assert answer.status_code == 202, answer.text
    location = answer.headers["location"]

    async def over() -> Json | None:
        job = await service.get(location)
        return job if job["ended_at"] else None

    return dict(await eventually(over, 120))


async def discovered(service: Service, **asked: Any) -> list[Json]:
    """The proposals after a run."""
    job = await ended(service, await service.http.post(f"{TOPICS}/discover", json={"window": WEEK, **asked}))
    assert job["status"] == "completed", str(service.logged)
    return list((await service.get(f"{TOPICS}/proposals"))["proposals"])


def about(proposals: Sequence[Json], word: str) -> Json:
    (found,) = [each for each in proposals if any(word in term.split() for term in each["words"])]
    return found


async def test_a_new_complaint_is_proposed_and_becomes_a_topic(database_url: URL) -> None:
    async with running(database_url) as service:
        await stored(service, weeks())
        proposals = await discovered(service)
        pool = about(proposals, "chlorine")

        assert (pool["size"], pool["people"], pool["state"], pool["language"]) == (20, 20, "proposed", "en")
        assert pool["growth"]["is_significant"]
        assert (pool["growth"]["people"], pool["growth"]["people_before"]) == (20, 0)
        assert len(pool["examples"]) == 3
        assert not any("vending" in each["name"] or "thank" in each["name"] for each in proposals)

        # The same groups, whenever one looks again.
        again = await discovered(service)
        assert {each["id"] for each in again} == {each["id"] for each in proposals}

        first = await service.get(f"{TOPICS}/proposals/{pool['id']}", limit=15)
        rest = await service.get(f"{TOPICS}/proposals/{pool['id']}", limit=15, cursor=first["next_cursor"])
        found = [each["external_id"] for page in (first, rest) for each in page["insights"]]
        assert sorted(found) == sorted(f"pool-{place}" for place in range(20))
        assert rest["next_cursor"] is None

        path = f"{TOPICS}/proposals/{pool['id']}/accept"
        job = await ended(service, await service.http.post(path, json={"label": "Pool water"}))
        filed = await service.get("/api/v1/insights", **WEEK, cluster="pool_water")
        accepted = await service.get(f"{TOPICS}/proposals/{pool['id']}")
        too_late = await service.http.post(path, json={})

        assert (job["status"], job["done"], job["total"], job["conversations"]) == ("completed", 20, 20, 20)
        assert filed["metadata"]["total_count"] == 20
        assert (accepted["state"], accepted["topic"]) == ("accepted", "pool_water")
        assert too_late.status_code == 409

        # What a topic says is not proposed again, and offline the next run files what is near.
        await stored(service, talk(wordings("pool", 10, seed=2), "later", NOW))
        assert not any("chlorine" in word for each in await discovered(service) for word in each["words"])

        async def filed_by_nearness() -> bool:
            window = await service.get("/api/v1/insights", **WEEK, cluster="Pool water")
            return bool(window["metadata"]["total_count"] == 30)

        await eventually(filed_by_nearness)


async def clusters(service: Service) -> dict[str, list[str]]:
    """The topics of each conversation."""
    page = await service.get("/api/v1/insights", **WEEK, limit=1000)
    return {each["conversation_id"]: each["grok_analysis"]["clusters"] for each in page["insights"]}


async def test_an_acceptance_is_taken_back_exactly(database_url: URL) -> None:
    async with running(database_url) as service:
        await stored(service, weeks())
        pool = about(await discovered(service), "chlorine")
        before = await clusters(service)
        accept = f"{TOPICS}/proposals/{pool['id']}/accept"
        named = {"slug": "pool_water", "label": "Pool water"}
        await ended(service, await service.http.post(accept, json=named))
        filed = await clusters(service)
        assert filed != before

        undone = await ended(service, await service.http.post(f"{TOPICS}/undo"))
        assert undone["status"] == "completed"
        assert await clusters(service) == before
        # The group is open again, and the next run does not file its conversations.
        again = about((await service.get(f"{TOPICS}/proposals"))["proposals"], "chlorine")
        assert again == pool
        assert about(await discovered(service), "chlorine")["id"] == pool["id"]
        assert await clusters(service) == before

        await ended(service, await service.http.post(accept, json=named))
        assert await clusters(service) == filed
        history = (await service.get(f"{TOPICS}/pool_water/history"))["changes"]
        assert [each["undone_at"] is None for each in history] == [True, False]
        assert {each["after"]["proposal"] for each in history} == {pool["id"]}


async def test_a_rejected_group_does_not_come_back(database_url: URL) -> None:
    async with running(database_url) as service:
        await stored(service, weeks())
        rates = about(await discovered(service), "rate")

        answer = await service.http.post(f"{TOPICS}/proposals/{rates['id']}/reject")
        again = await service.http.post(f"{TOPICS}/proposals/{rates['id']}/reject")
        later = await discovered(service)
        rejected = (await service.get(f"{TOPICS}/proposals", state="rejected"))["proposals"]

    assert (answer.status_code, answer.json()["state"], again.status_code) == (200, "rejected", 409)
    assert rates["id"] not in {each["id"] for each in later}
    assert not any("rate" in word.split() for each in later for word in each["words"])
    assert [each["id"] for each in rejected] == [rates["id"]]


async def test_what_was_deleted_is_in_no_group(database_url: URL) -> None:
    async with running(database_url) as service:
        await stored(service, weeks())
        pool = about(await discovered(service), "chlorine")
        example = pool["examples"][0]["conversation_id"]
        await service.http.delete(f"/api/v1/conversations/{example}")

        shown = await service.get(f"{TOPICS}/proposals/{pool['id']}")

    assert example not in {each["conversation_id"] for each in shown["insights"] + shown["examples"]}
    assert len(shown["insights"]) == 19


async def test_discovery_refuses_what_it_does_not_understand(database_url: URL) -> None:
    backwards = {"start_time": WEEK["end_time"], "end_time": WEEK["start_time"]}
    bodies: list[tuple[Json, str]] = [
        ({"window": backwards}, "window: must end after its start"),
        ({"filter": {"cluster": "nobody_knows"}}, "filter.cluster: no topic of this name is known"),
        ({"filter": {"mood": "bad"}}, "filter.mood"),
    ]
    async with running(database_url) as service:
        for body, complaint in bodies:
            answer = await service.http.post(f"{TOPICS}/discover", json=body)
            assert answer.status_code == 400
            assert complaint in answer.json()["details"]
        unknown = [
            await service.http.get(f"{TOPICS}/proposals/prop_0"),
            await service.http.post(f"{TOPICS}/proposals/prop_0/accept", json={}),
            await service.http.post(f"{TOPICS}/proposals/prop_0/reject"),
        ]

    assert [answer.status_code for answer in unknown] == [404, 404, 404]


async def test_few_conversations_are_no_group(database_url: URL) -> None:
    async with running(database_url) as service:
        await stored(service, talk(wordings("pool", 5), "pool", NOW))
        assert await discovered(service) == []


async def job_that_has_ended(client: AsyncClient, id_: str) -> Job | None:
    found = await client.job(id_)
    return found if found.has_ended else None


async def test_the_client_has_a_method_for_each_call(database_url: URL) -> None:
    async with running(database_url) as service, AsyncClient(service.url) as client:
        await stored(service, weeks())
        window = {"start_time": WEEK["start_time"], "end_time": WEEK["end_time"]}
        job = await client.discover_topics(**window, max_confidence=1.0, analyzer="offline")
        job = await eventually(partial(job_that_has_ended, client, job.id), 120)
        first, *_, last = (await client.proposals_page()).proposals
        shown = await client.proposal(first.id, limit=1)
        filing = await client.accept_proposal(first.id, label="The first one")
        rejected = await client.reject_proposal(last.id)

    assert (job.status, filing.kind, rejected.state) == ("completed", "proposal_acceptance", "rejected")
    assert (shown.size, len(shown.insights)) == (first.size, 1)


async def test_grok_names_the_groups_within_the_budget(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok) as service:
        await stored(service, weeks())
        before = len(grok.calls)
        (pool,) = [each for each in await discovered(service) if "chlorine rash" in each["words"]]
        asked = [call for call in grok.calls[before:] if call.kind == "naming"]
        job = (await service.get("/api/v1/jobs", kind="discovery"))["jobs"][0]
        await discovered(service)
        again = [call for call in grok.calls[before:] if call.kind == "naming"]
        accept = f"{TOPICS}/proposals/{pool['id']}/accept"
        await ended(service, await service.http.post(accept, json={}))
        topics = (await service.get(f"{TOPICS}/all"))["topics"]

    assert (pool["name"], pool["named_by"]) == (f"About {pool['words'][0]}", "grok")
    assert pool["description"] == f"People write about {pool['words'][0]}."
    assert len(asked) == len(again) == 1
    assert job["usd"] > 0
    assert {"slug": pool["slug"], "description": pool["description"], "origin": "discovered"} in [
        {name: each[name] for name in ("slug", "description", "origin")} for each in topics
    ]
    assert grok.violations == []


async def test_groups_are_named_by_their_words_where_grok_does_not_answer(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url, grok) as service:
        await stored(service, weeks())
        grok.misbehave("status", status=500)
        pool = about(await discovered(service), "chlorine")

    assert (pool["named_by"], pool["name"]) == (None, ", ".join(pool["words"][:3]))


async def test_topics_are_looked_for_once_a_day(database_url: URL) -> None:
    async with running(database_url, topic_discovery=True) as service:

        async def ran() -> list[Json]:
            return [
                job
                for job in (await service.get("/api/v1/jobs", kind="discovery"))["jobs"]
                if job["ended_at"]
            ]

        (job,) = await eventually(ran)
    async with running(database_url, topic_discovery=True) as service:
        (same,) = await ran()

    assert (job["created_by"], job["status"], same["id"]) == ("service", "completed", job["id"])
