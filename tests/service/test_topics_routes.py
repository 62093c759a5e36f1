"""`/api/v1/topics`: which topics there are."""

import csv
import json

from sqlalchemy.engine import URL

from domain.topics import BUILT_IN
from tests.support.service import running

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
