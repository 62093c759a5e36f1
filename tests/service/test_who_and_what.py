"""Who wrote, what there is of each field and which cases are open: each answer against a recount of the export."""

import csv
import io
import json
import os
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support import databases
from benchmarks.support.waiting import eventually
from tests.support.fixtures import an_empty
from tests.support.service import Service, running

Json = dict[str, Any]
PEOPLE, FACETS, SUMMARIES, INSIGHTS = (
    f"/api/v1/{each}" for each in ("people", "facets", "summaries", "insights")
)
WINDOW = {"start_time": "2025-01-01T00:00:00Z", "end_time": "2025-07-01T00:00:00Z"}
BAD, GOOD = (
    "My order never came and nobody answers, this is terrible",
    "Thank you, that was wonderful and quick",
)


def dialogue(at: int) -> Json:
    said = BAD if at % 3 else GOOD
    turns = [
        {"author": f"customer{at % 4}", "role": "customer", "text": f"{said} ({at})"},
        {"author": f"agent{at % 2}", "role": "support_agent", "text": "Sorry about that! Which order is it?"},
    ]
    # One of the agents is a customer, too.
    if at % 5 == 0:
        turns.append({"author": "agent0", "role": "customer", "text": "I ordered it myself"})
    return {
        "conversation_id": f"d{at}",
        "messages": turns,
        "timestamp": f"2025-0{1 + at % 6}-1{at % 10}T10:00:00Z",
        "metadata": {"shop": ["north", "south"][at % 2], "n": at % 3},
    }


@pytest.fixture(params=["plain", "encrypted"])
async def service(request: pytest.FixtureRequest, database_url: URL) -> AsyncIterator[Service]:
    async with filled(database_url, request.param) as started:
        yield started


@pytest.fixture(scope="module", params=["plain", "encrypted"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=databases.KINDS)
def shared_database_url(
    request: pytest.FixtureRequest, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[URL]:
    """One of each kind: what is plain cannot be served with a key."""
    yield from an_empty(request, tmp_path_factory.mktemp(kind))


@pytest.fixture(scope="module")
async def shared(kind: str, shared_database_url: URL) -> AsyncIterator[Service]:
    """The same service for all tests that only read."""
    async with filled(shared_database_url, kind) as started:
        yield started


@asynccontextmanager
async def filled(database_url: URL, kind: str) -> AsyncIterator[Service]:
    given: dict[str, Any] = {"METADATA_KEYS": "shop,n"}
    if kind == "encrypted":
        given["DATA_ENCRYPTION_KEY"] = b64encode(os.urandom(32)).decode()
    async with running(database_url, **given) as started:
        items = [dialogue(at) for at in range(14)]
        texts = [
            {"text": f"{BAD}, number {at}", "author": "customer1", "timestamp": "2025-03-31T10:00:00Z"}
            for at in range(3)
        ]
        answer = await started.http.post("/api/v1/conversations/bulk", json=items + texts)
        assert answer.status_code == 202, answer.text
        await started.all_ended(answer.json()["conversation_ids"])
        # New keys are filed in the background, also where there is nothing to file yet.
        await eventually(lambda: is_filed(started))
        yield started


async def is_filed(service: Service) -> bool:
    found = [await service.http.get(FACETS, params={"field": f"metadata.{key}"}) for key in ("shop", "n")]
    return all(answer.status_code == 200 for answer in found)


async def lines(service: Service, path: str, **params: Any) -> list[Json]:
    accept = {"accept": "application/x-ndjson"}
    answer = await service.http.get(path, params=params, headers=accept)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def pages(service: Service, path: str, name: str, **params: Any) -> list[Json]:
    found: list[Json] = []
    cursor: Json = {}
    while True:
        page = await service.get(path, **params, **cursor)
        found += page[name]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def recounted(exported: list[Json], role: str) -> dict[str, Json]:
    theirs: defaultdict[str, list[Json]] = defaultdict(list)
    for each in exported:
        for person in each["participants"]:
            if role in person["roles"]:
                theirs[person["id"]].append(each)
    return {
        person: {
            "id": person,
            "conversations": len(those),
            "negative": sum(each["sentiment"] == "negative" for each in those),
            "mean": pytest.approx(mean(those), abs=0.00011),
            "topics": common([slug for each in those for slug in each["grok_analysis"]["clusters"]]),
            "last_seen": max(each["timestamp"] for each in those),
            "open_cases": 0,
        }
        for person, those in theirs.items()
    }


def mean(those: list[Json]) -> float:
    return float(sum(each["grok_analysis"]["sentiment_score"] for each in those) / len(those))


def common(slugs: list[str]) -> list[str]:
    counted = Counter(slugs)
    return sorted(counted, key=lambda slug: (-counted[slug], slug))[:3]


@pytest.mark.parametrize("role", ["customer", "support_agent"])
async def test_people_equal_a_recount_of_the_export(shared: Service, role: str) -> None:
    exported = await lines(shared, INSIGHTS, **WINDOW)
    expected = recounted(exported, role)

    usual = (await shared.get(PEOPLE, role=role, **WINDOW))["people"]
    paged = await pages(shared, PEOPLE, "people", role=role, limit=2, sort="negative", **WINDOW)
    all_time = (await shared.get(PEOPLE, role=role))["people"]

    assert {each["id"]: each for each in usual} == expected
    assert [each["negative"] for each in usual] == sorted((e["negative"] for e in usual), reverse=True)
    assert [each["negative"] for each in paged] == sorted(each["negative"] for each in paged)
    assert {each["id"] for each in paged} == {each["id"] for each in all_time} == {*expected}
    assert len(paged) == len(expected) > 1
    assert await lines(shared, PEOPLE, role=role, **WINDOW) == usual


async def test_people_as_csv(shared: Service) -> None:
    answer = await shared.http.get(PEOPLE, params=WINDOW, headers={"accept": "text/csv"})

    rows = [*csv.DictReader(io.StringIO(answer.text))]
    usual = (await shared.get(PEOPLE, **WINDOW))["people"]
    assert [row["id"] for row in rows] == [each["id"] for each in usual]
    assert [row["topics"] for row in rows] == [";".join(each["topics"]) for each in usual]
    assert answer.headers["content-disposition"] == 'attachment; filename="people.csv"'


@pytest.mark.parametrize(
    ("field", "value_of"),
    [
        ("author", lambda each: each["author"]),
        ("analyzer", lambda each: each["analyzer"]),
        ("model", lambda each: each["model"]),
        ("metadata.shop", lambda each: each["metadata"].get("shop")),
        ("metadata.n", lambda each: each["metadata"].get("n")),
    ],
)
async def test_facets_equal_a_recount_of_the_export(shared: Service, field: str, value_of: Any) -> None:
    exported = await lines(shared, INSIGHTS, **WINDOW)
    counted = Counter(str(value_of(each)) for each in exported if value_of(each) is not None)

    found = await shared.get(FACETS, field=field, **WINDOW)

    assert {each["value"]: each["count"] for each in found["values"]} == counted
    assert [each["count"] for each in found["values"]] == sorted(counted.values(), reverse=True)
    assert found["has_more"] is False
    first = await shared.get(FACETS, field=field, limit=1, **WINDOW)
    assert (first["values"], first["has_more"]) == (found["values"][:1], len(counted) > 1)
    assert await lines(shared, FACETS, field=field, **WINDOW) == found["values"]


async def test_what_is_no_field_is_refused_by_name(shared: Service) -> None:
    for field, words in (("metadata.colour", "METADATA_KEYS names shop, n"), ("colour", "author, analyzer")):
        answer = await shared.http.get(FACETS, params={"field": field})
        assert answer.status_code == 400
        assert words in answer.json()["details"]


async def summarise(service: Service, *numbers: int) -> list[Json]:
    made = []
    for at in numbers:
        answer = await service.http.post("/chats/summarize", json={"conversation_id": f"d{at}"})
        assert answer.status_code == 200, answer.text
        made.append(answer.json())
    return made


def has_open(summary: Json) -> bool:
    return any(not question["answered"] for question in summary["questions"])


async def test_open_cases_are_listed_counted_and_those_of_people(service: Service) -> None:
    made = await summarise(service, *range(6))
    exported = {each["conversation_id"]: each for each in await lines(service, INSIGHTS, **WINDOW)}

    everything = await service.get(SUMMARIES)
    paged = await pages(service, SUMMARIES, "summaries", limit=2)

    by_id = {each["conversation_id"]: each for each in everything["summaries"]}
    assert {id_: each["summary"] for id_, each in by_id.items()} == {
        each["conversation_id"]: each["summary"] for each in made
    }
    counted = Counter(each["outcome"] for each in made)
    assert everything["counts"] == {each: counted[each] for each in ("yes", "no", "maybe", "curious")}
    times = [each["timestamp"] for each in everything["summaries"]]
    assert times == sorted(times, reverse=True)
    assert [each["conversation_id"] for each in paged] == [*by_id]
    for each in made:
        row = by_id[each["conversation_id"]]
        assert (row["outcome"], row["has_open_questions"]) == (each["outcome"], has_open(each))
        assert row["topics"] == exported[each["conversation_id"]]["grok_analysis"]["clusters"]
        assert row["participants"] == exported[each["conversation_id"]]["participants"]
    await check_filters(service, everything["summaries"])
    await check_open(service, made, exported)
    facets = await service.get(FACETS, field="outcome")
    assert {each["value"]: each["count"] for each in facets["values"]} == counted
    assert await lines(service, SUMMARIES) == everything["summaries"]


async def check_filters(service: Service, rows: list[Json]) -> None:
    slug = rows[0]["topics"][0]
    for given, matches in (
        ({"outcome": "maybe"}, lambda each: each["outcome"] == "maybe"),
        ({"has_open_questions": "true"}, lambda each: each["has_open_questions"]),
        ({"has_open_questions": "false"}, lambda each: not each["has_open_questions"]),
        ({"cluster": slug}, lambda each: slug in each["topics"]),
        ({"person": "customer1"}, lambda each: "customer1" in [one["id"] for one in each["participants"]]),
        ({"person": "nobody"}, lambda each: False),
        ({"start_time": "2025-03-01T00:00:00Z"}, lambda each: each["timestamp"] >= "2025-03"),
        ({"end_time": "2025-03-01T00:00:00Z"}, lambda each: each["timestamp"] < "2025-03"),
    ):
        found = await service.get(SUMMARIES, **given)
        expected = [each for each in rows if matches(each)]
        assert found["summaries"] == expected, given
        if "outcome" not in given:
            assert sum(found["counts"].values()) == len(expected), given


async def check_open(service: Service, made: list[Json], exported: dict[str, Json]) -> None:
    open_: Counter[str] = Counter()
    for each in made:
        for person in exported[each["conversation_id"]]["participants"]:
            open_[person["id"]] += "customer" in person["roles"] and each["outcome"] == "maybe"
    people = (await service.get(PEOPLE, sort="-open_cases"))["people"]
    assert {each["id"]: each["open_cases"] for each in people if each["open_cases"]} == +open_
    assert [each["open_cases"] for each in people] == sorted((e["open_cases"] for e in people), reverse=True)


async def test_a_person_who_was_erased_is_in_no_list(service: Service) -> None:
    await summarise(service, 1, 2)
    assert (await service.http.delete(f"{PEOPLE}/customer1")).status_code == 200

    exported = await lines(service, INSIGHTS, **WINDOW)
    people = (await service.get(PEOPLE))["people"]

    assert "customer1" not in {each["id"] for each in people}
    assert {each["id"] for each in people} <= {*recounted(exported, "customer")} | {"customer0", "customer2"}
    assert (await service.get(SUMMARIES, person="customer1"))["summaries"] == []


@pytest.mark.parametrize(
    ("path", "given", "words"),
    [
        (PEOPLE, {"sort": "colour"}, "sort"),
        (PEOPLE, {"role": "boss"}, "role"),
        (PEOPLE, {"start_time": "2025-02-01", "end_time": "2025-01-01"}, "start_time: must not be after"),
        (PEOPLE, {"cursor": "AAAA"}, "must be a value of next_cursor"),
        (SUMMARIES, {"outcome": "perhaps"}, "outcome"),
        (SUMMARIES, {"cluster": "no_such_topic_at_all"}, "no topic of this name"),
        (FACETS, {}, "field"),
    ],
)
async def test_bad_parameters_are_refused_by_name(
    shared: Service, path: str, given: Json, words: str
) -> None:
    answer = await shared.http.get(path, params=given)

    assert answer.status_code == 400
    assert words in answer.json()["details"]


async def test_a_cursor_goes_with_its_own_list_only(shared: Service) -> None:
    cursor = (await shared.get(PEOPLE, limit=1))["next_cursor"]

    same = await shared.http.get(PEOPLE, params={"cursor": cursor, "role": "customer"})
    other = await shared.http.get(PEOPLE, params={"cursor": cursor, "role": "support_agent"})

    assert same.status_code == 200
    assert (other.status_code, other.json()["details"].split(";")[0]) == (
        400,
        "cursor: belongs to another role",
    )


async def test_a_chat_shows_its_first_line_its_sentiment_and_who_wrote_in_which_role(
    shared: Service,
) -> None:
    [found] = [
        each for each in (await shared.get("/chats", limit=100))["chats"] if each["conversation_id"] == "d5"
    ]
    insight = (await shared.one("d5"))["insight"]

    assert found["first_line"] == f"{BAD} (5)"
    assert found["timestamp"].startswith("2025-06-15T10:00:00")
    assert found["sentiment"] == insight["sentiment"]
    assert found["topics"] == insight["grok_analysis"]["clusters"]
    assert found["participants"] == [
        {"id": "customer1", "roles": ["customer"]},
        {"id": "agent1", "roles": ["support_agent"]},
        {"id": "agent0", "roles": ["customer"]},
    ]


async def test_many_are_summarised_price_first(service: Service) -> None:
    asked = {"window": WINDOW, "filter": {"sentiment": "negative"}}
    exported = await lines(service, INSIGHTS, **WINDOW)
    negative = {each["conversation_id"] for each in exported if each["sentiment"] == "negative"}
    await summarise(service, 1)

    estimate = await service.http.post(SUMMARIES, json={**asked, "dry_run": True})
    before = (await service.get(SUMMARIES))["summaries"]
    answer = await service.http.post(SUMMARIES, json=asked)
    job = await eventually(lambda: ended_job(service, answer.headers["location"]), 120)
    again = (await service.http.post(SUMMARIES, json={**asked, "dry_run": True})).json()

    assert (estimate.status_code, answer.status_code) == (200, 202)
    assert estimate.json()["conversations"] == len(negative - {"d1"})
    assert estimate.json()["usd"] == 0
    assert len(before) == 1
    assert (job["status"], job["done"], job["total"]) == ("completed", *[len(negative - {"d1"})] * 2)
    found = {each["conversation_id"] for each in (await service.get(SUMMARIES))["summaries"]}
    assert found == negative | {"d1"}
    assert again["conversations"] == 0


async def ended_job(service: Service, location: str) -> Json | None:
    job = await service.get(location)
    return None if job["status"] in ("queued", "running") else job


async def test_a_topic_that_nobody_knows_is_refused_in_bulk(shared: Service) -> None:
    answer = await shared.http.post(SUMMARIES, json={"window": WINDOW, "filter": {"cluster": "no_such"}})

    assert (answer.status_code, answer.json()["details"]) == (
        400,
        "filter.cluster: no topic of this name is known",
    )


@pytest.mark.parametrize("sort", ["mean", "-mean"])
async def test_a_person_without_a_score_has_no_mean_and_a_place(database_url: URL, sort: str) -> None:
    """SQLite has no FLOOR of nothing: such a list was a 500."""
    german = "Mein Paket ist seit drei Wochen verschwunden und niemand antwortet mir"
    async with running(database_url) as service:
        for author, said in (("nobody", german), ("angry", BAD), ("happy", GOOD)):
            await service.ended(await service.post(said, author=author, timestamp="2025-03-01T10:00:00Z"))
        found = (await service.get(PEOPLE, **WINDOW, sort=sort))["people"]

    ascending = found if sort == "mean" else found[::-1]
    assert [each["id"] for each in ascending] == ["angry", "nobody", "happy"]
    assert ascending[1]["mean"] is None
