"""`/api/v1/topics`: which topics there are, and how people change them."""

import csv
import json
from itertools import count

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import Json
from benchmarks.support.waiting import eventually
from domain.topics import BUILT_IN
from llm.prices import TICKS_PER_USD
from tests.fake_grok.server import judged
from tests.support.service import Grok, Service, running

ALL = "/api/v1/topics/all"


async def test_the_built_in_topics_are_listed_from_the_start(database_url: URL) -> None:
    async with running(database_url) as service:
        first = await service.get(ALL, limit=3)
        rest = await service.get(ALL, limit=100, cursor=first["next_cursor"])
        hidden = await service.get(ALL, state="hidden")

    found = [*first["topics"], *rest["topics"]]
    assert {topic["slug"]: topic["description"] for topic in found} == dict(BUILT_IN)
    assert [topic["slug"] for topic in found] == sorted(BUILT_IN)
    assert (rest["next_cursor"], hidden["topics"]) == (None, [])
    assert {**found[0], "id": "", "created_at": ""} == {
        "id": "",
        "slug": "account_access",
        "label": "Account access",
        "description": BUILT_IN["account_access"],
        "parent": None,
        "state": "active",
        "origin": "built_in",
        "aliases": [],
        "merged_into": None,
        "created_at": "",
    }


async def test_all_topics_come_as_csv_and_ndjson(database_url: URL) -> None:
    async with running(database_url) as service:
        as_csv = await service.http.get(ALL, headers={"accept": "text/csv"})
        as_lines = await service.http.get(ALL, headers={"accept": "application/x-ndjson"})
        refused = await service.http.get(ALL, params={"limit": 3}, headers={"accept": "text/csv"})

    rows = list(csv.DictReader(as_csv.text.splitlines()))
    lines = [json.loads(line) for line in as_lines.text.splitlines()]
    assert [row["slug"] for row in rows] == [line["slug"] for line in lines] == sorted(BUILT_IN)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_query")


async def job_ended(service: Service, location: str) -> Json:
    """A job that has ended by now, or does in a minute."""

    async def ended() -> Json | None:
        job = await service.get(location)
        return job if job["ended_at"] else None

    found: Json = await eventually(ended, 60)
    return found


async def shown(service: Service, id_: str) -> list[str]:
    clusters: list[str] = (await service.ended(id_))["insight"]["grok_analysis"]["clusters"]
    return clusters


LATE = "My parcel is late again and nobody answers the phone."


async def test_a_renamed_topic_is_so_in_every_answer_and_export(database_url: URL) -> None:
    async with running(database_url) as service:
        id_ = await service.post(LATE)
        slug, *_ = await shown(service, id_)
        topic = (await service.http.patch(f"/api/v1/topics/{slug}", json={"slug": "too_late"})).json()
        assert (topic["slug"], topic["aliases"], topic["label"]) == ("too_late", [slug], "Too late")
        window = {"start_time": "2020-01-01T00:00:00Z", "end_time": "2040-01-01T00:00:00Z"}
        for name in (slug, "too_late", "Too Late"):
            found = await service.get("/api/v1/insights", cluster=name, **window)
            assert found["insights"][0]["grok_analysis"]["clusters"][0] == "too_late"
        lines = await service.http.get(
            "/api/v1/insights", params=window, headers={"accept": "application/x-ndjson"}
        )
        assert json.loads(lines.text)["grok_analysis"]["clusters"][0] == "too_late"
        assert (await shown(service, id_))[0] == "too_late"
        top = (await service.get("/api/v1/trends"))["top_topics"]
        assert "too_late" in [name for name, _ in top]
        undone = await service.http.post("/api/v1/topics/undo")
        assert (undone.status_code, (await shown(service, id_))[0]) == (200, slug)
        none = await service.http.post("/api/v1/topics/undo")
        assert (none.status_code, none.json()["details"]) == (409, "There is no change to take back")


async def test_topics_are_merged_by_a_job_and_apart_again(database_url: URL) -> None:
    async with running(database_url) as service:
        asked = await service.http.post(
            "/api/v1/topics/merge", json={"from": ["refund", "Pricing"], "into": "billing"}
        )
        assert (asked.status_code, asked.json()["kind"]) == (202, "merge_topics")
        job = await job_ended(service, asked.headers["location"])
        assert (job["status"], job["created_by"]) == ("completed", "anonymous")
        billing = await service.get("/api/v1/topics/all", state="merged")
        assert [topic["slug"] for topic in billing["topics"]] == ["pricing", "refund"]
        history = await service.get("/api/v1/topics/refund/history")
        assert await service.get("/api/v1/topics/changes") == history
        (change,) = history["changes"]
        assert (change["kind"], len(change["after"]["from"])) == ("merge", 2)
        assert change["after"]["into"] == change["topic"]
        assert (await service.http.post("/api/v1/topics/undo")).json() == {"change": change["id"]}
        assert (await service.get("/api/v1/topics/all", state="merged"))["topics"] == []


def about_billing(words: str) -> str:
    """A text with these words that the fake Grok files under billing."""
    texts = (f"My {words} is lost, case {number}" for number in count())
    return next(text for text in texts if judged(text)["clusters"] == ["billing"])


async def test_grok_says_which_conversations_a_split_moves(database_url: URL, grok: Grok) -> None:
    shown = [about_billing(each) for each in ("luggage", "parcel of [email]", "poisonous luggage")]
    texts = [each.replace("[email]", "jane@example.com") for each in shown]
    async with running(database_url, grok, redaction="outgoing") as service:
        await service.all_ended(await service.post_all(texts))
        # No call with the third one comes back with an answer, so it stays, and the others get theirs.
        grok.misbehave("refusal", marker="poisonous")
        body = {"ask": "Is it about luggage", "slug": "lost_luggage"}
        asked = await service.http.post("/api/v1/topics/billing/split", json=body)
        job = await job_ended(service, asked.headers["location"])
        window = {"start_time": "2020-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z"}
        moved = (await service.get("/api/v1/insights", **window, cluster="lost_luggage"))["insights"]

    calls = [each for each in grok.calls if each.kind == "deciding"]
    assert (job["status"], job["conversations"], job["done"]) == ("completed", 1, 3)
    assert job["usd"] == pytest.approx(sum(each.billed_ticks for each in calls) / TICKS_PER_USD, abs=1e-6)
    assert [each["text"] for each in moved] == [texts[0]]
    assert {text for each in calls for text in each.texts} == set(shown)
    assert grok.violations == []


async def test_changes_of_all_topics_come_in_pages(database_url: URL) -> None:
    async with running(database_url) as service:
        for slug in ("refund", "billing", "praise"):
            changed = await service.http.patch(f"/api/v1/topics/{slug}", json={"description": "as you know"})
            assert changed.status_code == 200
        first = await service.get("/api/v1/topics/changes", limit=2)
        rest = await service.get("/api/v1/topics/changes", cursor=first["next_cursor"])
        numbers = [change["id"] for change in (*first["changes"], *rest["changes"])]
        assert (len(numbers), rest["next_cursor"]) == (3, None)
        assert numbers == sorted(numbers, reverse=True)


async def test_a_merge_is_refused_while_topics_are_being_changed(database_url: URL) -> None:
    async with running(database_url) as service:
        values = "'job_open', 'merge_topics', 'paused', '{}', 0, 'key:1'"
        columns = "id, kind, status, parameters, created_at, created_by"
        await service.rows(f"INSERT INTO jobs ({columns}) VALUES ({values})")  # noqa: S608  our own words
        merge = await service.http.post("/api/v1/topics/merge", json={"from": ["refund"], "into": "billing"})
        await service.http.patch("/api/v1/topics/refund", json={"description": "money back"})
        undo = await service.http.post("/api/v1/topics/undo")
        for answer in (merge, undo):
            assert (answer.status_code, "job_open" in answer.json()["details"]) == (409, True)
        assert (await service.http.post("/api/v1/jobs/job_open/cancel")).status_code == 200
        assert (await service.http.post("/api/v1/topics/undo")).status_code == 200


async def test_bad_changes_say_what_is_wrong(database_url: URL) -> None:
    async with running(database_url) as service:
        for body, status, words in (
            ({"slug": "Too Late"}, 400, "slug: must be a slug"),
            ({"slug": None}, 400, "slug: must not be null"),
            ({"state": "merged"}, 400, "state"),
            ({"name": "x"}, 400, "name"),
            ({"label": "Refund"}, 409, "label: it is a name of top_"),
            ({"parent": "nobody"}, 400, "parent: no topic"),
        ):
            answer = await service.http.patch("/api/v1/topics/billing", json=body)
            assert (answer.status_code, words in str(answer.json()["details"])) == (status, True), answer.text
        nobody = await service.http.patch("/api/v1/topics/nobody", json={"label": "x"})
        merge = await service.http.post("/api/v1/topics/merge", json={"from": ["billing"], "into": "billing"})
        assert (nobody.status_code, merge.status_code) == (404, 400)


async def test_the_prompt_has_the_topics_as_they_are(database_url: URL, grok: Grok) -> None:
    """A change reaches the next calls, and makes another version of the prompt; that of a label does not."""
    async with running(database_url, grok) as service:
        first = await service.post(LATE)
        await service.ended(first)
        await service.http.patch("/api/v1/topics/praise", json={"label": "Kind words"})
        same = await service.post(LATE)
        assert (await service.ended(same))["insight"]["cached"]
        await service.http.patch("/api/v1/topics/praise", json={"description": "kind words"})
        await service.http.patch("/api/v1/topics/delay", json={"state": "hidden"})
        other = await service.post(LATE)
        assert not (await service.ended(other))["insight"]["cached"]
