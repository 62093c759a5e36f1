"""Every list that streams NDJSON, as Parquet: the same values with types, and a CSV with a byte order mark."""

import json
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import pyarrow as pa
from pyarrow import parquet
from sqlalchemy.engine import URL

from tests.support.service import Service, running

Json = dict[str, Any]
WINDOW = {"start_time": "2025-01-01T00:00:00Z", "end_time": "2025-07-01T00:00:00Z"}
LISTS = {
    "insights": WINDOW,
    "insights/recent": {"limit": "3"},
    "people": WINDOW,
    "facets": {"field": "author"},
    "summaries": WINDOW,
    "topics": WINDOW,
    "topics/all": {},
}
PARQUET, NDJSON = "application/vnd.apache.parquet", "application/x-ndjson"


def dialogue(at: int) -> Json:
    said = "My order never came, this is terrible" if at % 3 else "Thank you, that was wonderful"
    return {
        "conversation_id": f"d{at}",
        "messages": [
            {"author": f"=customer{at % 4}", "role": "customer", "text": f"{said} ({at}) ü"},
            {"author": "agent", "role": "support_agent", "text": "Sorry about that! Which order is it?"},
        ],
        "timestamp": f"2025-0{1 + at % 6}-1{at % 10}T10:00:00.12345{at % 10}Z",
        "metadata": {"shop": "north", "deep": [at, None]} if at % 2 else {},
    }


async def fill(service: Service) -> None:
    answer = await service.http.post("/api/v1/conversations/bulk", json=[dialogue(at) for at in range(8)])
    assert answer.status_code == 202, answer.text
    await service.all_ended(answer.json()["conversation_ids"])
    summary = await service.http.post("/chats/summarize", json={"conversation_id": "d1"}, params={"wait": 60})
    assert summary.status_code in (200, 202), summary.text
    await service.http.get("/chats/d1/summary", params={"wait": 60})


async def exported(service: Service, path: str, form: str, **given: str) -> bytes:
    answer = await service.http.get(f"/api/v1/{path}", params=given, headers={"accept": form})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(form)
    return answer.content


def plain(row: Json) -> Json:
    """A row of Parquet as JSON has it."""
    times = {name: value for name, value in row.items() if isinstance(value, datetime)}
    assert all(value.utcoffset() == timedelta() for value in times.values())
    written = {name: f"{value:%Y-%m-%dT%H:%M:%S.%f}Z" for name, value in times.items()}
    names = [name for name in ("metadata", "redactions", "fields") if row.get(name) is not None]
    objects = {name: json.loads(row[name]) for name in names}
    return row | written | objects


def flat(line: Json) -> Json:
    """A line of NDJSON with the fields of the analysis beside the others, as a row has them."""
    analysis: Json | None = line.pop("grok_analysis", None)
    if analysis is None:
        return line
    assert line.pop("correction") is None
    none = dict.fromkeys(("model_sentiment", "model_sentiment_score", "model_clusters"))
    return {"text_truncated": False} | line | analysis | {"corrected": False, **none}


async def test_each_list_has_the_values_of_ndjson(database_url: URL) -> None:
    async with running(database_url) as service:
        await fill(service)
        for path, given in LISTS.items():
            lines = (await exported(service, path, NDJSON, **given)).decode().splitlines()
            table = parquet.ParquetFile(BytesIO(await exported(service, path, PARQUET, **given))).read()

            assert lines, path
            assert [*map(plain, table.to_pylist())] == [flat(json.loads(line)) for line in lines], path
        types = parquet.read_schema(BytesIO(await exported(service, "insights", PARQUET, **WINDOW)))

    assert types.field("timestamp").type == types.field("analysed_at").type == pa.timestamp("us", tz="UTC")
    assert types.field("clusters").type == pa.list_(pa.string())
    assert types.field("sentiment_score").type == types.field("confidence").type == pa.float64()
    assert types.field("participants").type.value_type.get_field_index("roles") >= 0


async def test_an_empty_list_is_a_file_with_columns(database_url: URL) -> None:
    async with running(database_url) as service:
        file = await exported(service, "insights", PARQUET, **WINDOW)
        answer = await service.http.get("/api/v1/insights", params=WINDOW, headers={"accept": PARQUET})
        refused = await service.http.get("/api/v1/people", params={"limit": 5}, headers={"accept": PARQUET})

    table = parquet.ParquetFile(BytesIO(file)).read()
    assert table.num_rows == 0
    assert "participants" in table.column_names
    assert answer.headers["content-disposition"] == 'attachment; filename="insights.parquet"'
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_query")


async def test_a_csv_begins_with_a_byte_order_mark_if_asked_to(database_url: URL) -> None:
    async with running(database_url) as service:
        for path, given in {**LISTS, "audit": {}}.items():
            usual = await exported(service, path, "text/csv", **given)
            marked = await exported(service, path, "text/csv", **given, bom="true")

            assert marked.startswith(b"\xef\xbb\xbf"), path
            assert marked.decode("utf-8-sig").splitlines()[0] == usual.decode().splitlines()[0]
