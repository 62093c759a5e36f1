"""Files of insights by both clients: each form from a real service, and downloads that break off."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pyarrow import parquet
from starlette.responses import JSONResponse, Response

from benchmarks.support import databases
from benchmarks.support.serving import served
from client import Client, Invalid, Unexpected, Unreachable
from client.calls.insights import Asked, trends
from client.files import compared_topics_file, insights_file
from tests.support.fake_platform import problem
from tests.support.scripted_server import KINDS, Caller, Scripted
from tests.support.service import serving

WINDOW = {"start_time": "2026-11-01", "end_time": "2026-12-01"}
BOTH = pytest.mark.parametrize("kind", KINDS)
PARQUET = "application/vnd.apache.parquet"
BROKEN = Response(b"PAR1", 200, {"content-length": "100", "content-type": PARQUET})


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(databases.sqlite(tmp_path_factory.mktemp("files")), None) as server:
        with Client(server.url) as client:
            posted = client.post_bulk(
                [{"text": f"Parcel {n} is late.", "timestamp": "2026-11-02"} for n in range(3)]
            )
            for _ in client.wait_for_analysis([*filter(None, posted.conversation_ids)]):
                pass
        yield server.url


@BOTH
def test_a_file_is_what_its_name_ends_in(url: str, kind: str, tmp_path: Path) -> None:
    save = Caller(kind, url)
    table, lines, rows = (tmp_path / f"insights.{ending}" for ending in ("csv", "ndjson", "parquet"))
    for path in (table, lines, rows):
        assert save("save_insights", path, **WINDOW) == path

    ids = [json.loads(line)["conversation_id"] for line in lines.read_text().splitlines()]
    assert [row["conversation_id"] for row in csv.DictReader(table.read_text().splitlines())] == ids
    assert parquet.ParquetFile(rows).read()["conversation_id"].to_pylist() == ids
    assert len(ids) == 3
    save("save_insights", table, **WINDOW, bom=True)
    assert table.read_bytes().startswith(b"\xef\xbb\xbf")
    assert {path.name for path in tmp_path.iterdir()} == {table.name, lines.name, rows.name}


@BOTH
def test_each_list_is_a_file(url: str, kind: str, tmp_path: Path) -> None:
    save = Caller(kind, url)
    calls: dict[str, tuple[tuple[str, ...], dict[str, str], int]] = {
        "save_people": ((), {"role": "customer", **WINDOW}, 0),
        "save_facets": (("analyzer",), WINDOW, 1),
        "save_summaries": ((), WINDOW, 0),
        "save_topics": ((), {"state": "active"}, 20),
        "save_compared_topics": ((), {**WINDOW, "sort": "-count"}, 1),
    }
    for name, (args, given, least) in calls.items():
        path = tmp_path / f"{name}.csv"
        assert save(name, path, *args, **given, bom=True) == path
        assert len([*csv.DictReader(path.read_text("utf-8-sig").splitlines())]) >= least, name


@BOTH
def test_a_download_that_breaks_off_is_begun_again(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "insights.parquet"
    script = Scripted(BROKEN, Response(b"PAR1 whole", media_type=PARQUET))

    with served(script) as server:
        Caller(kind, server.url)("save_insights", path, **WINDOW)

    assert path.read_bytes() == b"PAR1 whole"
    assert len(script.seen) == 2


@BOTH
def test_what_is_not_whole_replaces_nothing(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "insights.parquet"
    path.write_bytes(b"before")
    answers = {
        Unreachable: BROKEN,
        Invalid: problem(400, "invalid_query", "start_time: must not be after end_time"),
        Unexpected: JSONResponse({"insights": []}),
    }
    for error, answer in answers.items():
        with served(Scripted(usual=answer)) as server, pytest.raises(error):
            Caller(kind, server.url, patience=0)("save_insights", path, **WINDOW)

    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"before"


def test_another_ending_is_refused_before_anything_is_sent() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(ValueError, match=r"table.xlsx: must end in"):
        client.save_insights("table.xlsx", start_time="2026-11-01", end_time="2026-12-01")


def test_fields_are_sent_as_the_service_reads_them() -> None:
    asked: Mapping[str, Asked] = {
        "urgency": "high",
        "damaged": True,
        "refund": (100, None),
        "hours": (0, 2.5),
    }
    sent = {
        "field.urgency": "high",
        "field.damaged": "true",
        "field.refund.min": 100,
        "field.hours.min": 0,
        "field.hours.max": 2.5,
    }

    insights = insights_file("x.csv", start_time="2026-11-01", end_time="2026-12-01", fields=asked)
    topics = compared_topics_file("x.csv", start_time="2026-11-01", end_time="2026-12-01", fields=asked)

    for params in (insights.call.params, topics.call.params, trends(fields=asked).params):
        assert sent.items() <= params.items()
