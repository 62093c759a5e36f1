"""An analyst's nine questions: each is one call, and its answer equals a recount in plain Python over the export."""

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import ROOT, Json
from benchmarks.support.waiting import eventually
from core.clock import iso, parse
from tests.support.service import Service, running

DATA = ROOT.parent / "shared" / "data"
FILES = {
    "sample": ROOT / "sample_tweets.csv",
    "tweets": DATA / "twcs_5000.csv",
    "dialogues": DATA / "support_dialogs_300.jsonl",
}
ROWS = int(os.environ.get("ANALYST_ROWS", "2000"))
"""Rows of the tweets' file: each is compared with a recount, and with all 5,000 it takes a minute of CPU."""
BERLIN = ZoneInfo("Europe/Berlin")
BASELINE = timedelta(days=28) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the export, with its score in ten-thousandths; None if the analyzer is unsure."""

    line: Json
    at: int
    score: int | None
    topics: Sequence[str]

    @property
    def is_negative(self) -> bool:
        return bool(self.line["sentiment"] == "negative")


def row_of(line: Json) -> Row:
    analysis = line["grok_analysis"]
    score = analysis["sentiment_score"]
    return Row(
        line, parse(line["timestamp"]), None if score is None else round(score * 10_000), analysis["clusters"]
    )


@dataclass
class Analyst:
    """A service that has analysed a file, and everything that its export says."""

    service: Service
    rows: Sequence[Row]

    @property
    def middle(self) -> int:
        """A window from here on has half of the insights."""
        return sorted(row.at for row in self.rows)[len(self.rows) // 2]

    @property
    def end(self) -> int:
        return max(row.at for row in self.rows) + 1

    @property
    def window(self) -> Json:
        """The second half, as parameters."""
        return {"start_time": iso(self.middle), "end_time": iso(self.end)}

    def between(self, start: int, end: int) -> list[Row]:
        return [row for row in self.rows if start <= row.at < end]

    @property
    def now(self) -> list[Row]:
        return self.between(self.middle, self.end)

    async def ask(self, path: str, **parameters: Any) -> Json:
        return await self.service.get(f"/api/v1/{path}", **self.window, **parameters)


async def exported(service: Service, form: str) -> str:
    everything = {"start_time": "1970-01-01", "end_time": "2100-01-01"}
    answer = await service.http.get("/api/v1/insights", params=everything, headers={"Accept": form})
    assert answer.status_code == 200, answer.text
    return answer.text


def ingest(url: str, file: Path) -> None:
    command = [sys.executable, str(ROOT / "ingest_data.py"), "--file", str(file), "--api-url", url, "--wait"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def beginning(file: Path, folder: Path) -> Path:
    """The first rows of a table, which are compared one by one: of 5,000 tweets each took 6 ms of CPU."""
    with file.open(newline="") as source, (folder / file.name).open("w", newline="") as target:
        csv.writer(target).writerows(islice(csv.reader(source), 1 + ROWS))
    return folder / file.name


@asynccontextmanager
async def analyst(database_url: URL, file: Path) -> AsyncIterator[Analyst]:
    async with running(database_url, max_in_flight=8) as service:
        await asyncio.to_thread(ingest, service.url, file)
        yield Analyst(service, await rows_of(service))


async def rows_of(service: Service) -> list[Row]:
    lines = (await exported(service, "application/x-ndjson")).splitlines()
    return [row_of(json.loads(line)) for line in lines]


def figures(rows: Sequence[Row]) -> tuple[int, int, int, int]:
    """The number of insights, of negative ones and of those with a score, and the sum of scores."""
    scores = [row.score for row in rows if row.score is not None]
    return len(rows), sum(row.is_negative for row in rows), len(scores), sum(scores)


def is_mean(value: float | None, total: int, count: int, digits: int = 4) -> bool:
    """Whether a value is the mean, to its last digit."""
    if not count:
        return value is None
    return value is not None and abs(
        Fraction(round(value * 10**digits), 10**digits) - Fraction(total, count * 10_000)
    ) <= Fraction(1, 2 * 10**digits)


# --- the questions ------------------------------------------------------------------------------------------


async def what_grew(analyst: Analyst) -> None:
    length = analyst.end - analyst.middle
    windows = analyst.now, analyst.between(analyst.middle - length, analyst.middle)
    found = await analyst.ask("topics", sort="-change", limit=1000)

    filed: list[dict[str, list[Row]]] = [defaultdict(list), defaultdict(list)]
    for by_topic, rows in zip(filed, windows, strict=True):
        for row in rows:
            for slug in row.topics:
                by_topic[slug].append(row)
    assert {each["slug"] for each in found["topics"]} == filed[0].keys() | filed[1].keys()
    for each in found["topics"]:
        for shown, by_topic, rows in zip((each, each["previous"]), filed, windows, strict=True):
            n, negative, scored, total = figures(by_topic[each["slug"]])
            assert shown["count"] == n
            assert shown["share"] == (round(n / len(rows), 6) if rows else None)
            assert shown["negative_share"] == (round(negative / n, 6) if n else None)
            assert is_mean(shown["mean_sentiment"], total, scored)
        of_topic = [row.at for row in analyst.rows if each["slug"] in row.topics]
        assert (parse(each["first_seen"]), parse(each["last_seen"])) == (min(of_topic), max(of_topic))
        assert sum(each["sparkline"]) == each["count"]
        assert each["change"] == each["count"] - each["previous"]["count"]
    changes = [each["change"] for each in found["topics"]]
    assert changes == sorted(changes, reverse=True)


def weights(rows: Iterable[Row]) -> dict[str, tuple[Fraction, Fraction]]:
    """The share of each topic in these rows, and its mean: a conversation with k topics counts a kth in each."""
    scored = [row for row in rows if row.score is not None]
    sums: dict[str, list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
    for row in scored:
        for slug in row.topics:
            part = Fraction(1, len(row.topics))
            sums[slug][0] += part
            sums[slug][1] += part * Fraction(row.score or 0, 10_000)
    return {slug: (w / len(scored), s / w) for slug, (w, s) in sums.items()}


async def why_that_day(analyst: Analyst) -> None:
    found = await analyst.ask("explain", baseline="28d")
    now, before = analyst.now, analyst.between(analyst.middle - BASELINE, analyst.middle)
    (_, _, scored, total), (_, _, scored_before, total_before) = figures(now), figures(before)

    assert is_mean(found["mean"], total, scored, 6)
    assert is_mean(found["baseline_mean"], total_before, scored_before, 6)
    if not scored_before:
        assert found["change"] is None
        return
    parts = [found["rest"], *found["topics"]]
    assert sum(round((part["mix"] + part["mood"]) * 1_000_000) for part in parts) == round(
        found["change"] * 1e6
    )
    shares, shares_before = weights(now), weights(before)
    middle = Fraction(total, scored * 20_000) + Fraction(total_before, scored_before * 20_000)
    for each in found["topics"]:
        here, there = shares.get(each["slug"]), shares_before.get(each["slug"])
        share, mean = here or (Fraction(0), there[1] if there else Fraction(0))
        other_share, other_mean = there or (Fraction(0), mean)
        mix = (share - other_share) * ((mean + other_mean) / 2 - middle)
        mood = (share + other_share) / 2 * (mean - other_mean)
        assert abs(each["mix"] - mix) <= 2e-6
        assert abs(each["mood"] - mood) <= 2e-6


async def typical_cases(analyst: Analyst) -> None:
    found = await analyst.ask("explain", baseline="28d")
    for each in found["topics"]:
        rows = [row for row in analyst.now if each["slug"] in row.topics and row.score is not None]
        share_mean = weights(analyst.now).get(each["slug"])
        if share_mean is None:
            assert each["typical"] == []
            continue
        by_id = {row.line["conversation_id"]: row for row in rows}
        shown = [by_id[entry["conversation_id"]] for entry in each["typical"]]
        distances = sorted(abs(Fraction(row.score or 0, 10_000) - share_mean[1]) for row in rows)
        own = sorted(abs(Fraction(row.score or 0, 10_000) - share_mean[1]) for row in shown)
        assert len(own) == min(5, len(rows))
        assert all(
            abs(one - other) <= Fraction(1, 10_000) for one, other in zip(own, distances, strict=False)
        )


async def who_wrote(analyst: Analyst, role: str) -> None:
    of_person: dict[str, list[Row]] = defaultdict(list)
    for row in analyst.now:
        for person in row.line["participants"]:
            if role in person["roles"]:
                of_person[person["id"]].append(row)

    found = await analyst.ask("people", role=role, sort="-negative", limit=1000)
    people = found["people"]
    while found["next_cursor"]:
        found = await analyst.service.get("/api/v1/people", cursor=found["next_cursor"], limit=1000)
        people += found["people"]
    assert {each["id"]: each["conversations"] for each in people} == {
        name: len(rows) for name, rows in of_person.items()
    }
    for each in people:
        _, negative, scored, total = figures(of_person[each["id"]])
        assert each["negative"] == negative
        assert is_mean(each["mean"], total, scored)
        assert parse(each["last_seen"]) == max(row.at for row in of_person[each["id"]])
    negatives = [each["negative"] for each in people]
    assert negatives == sorted(negatives, reverse=True)


async def who_again(analyst: Analyst) -> None:
    await who_wrote(analyst, "customer")


async def which_agents_and_companies(analyst: Analyst) -> None:
    await who_wrote(analyst, "support_agent")


async def what_is_asked_for(analyst: Analyst) -> None:
    for topic in ("information_request", "feature_request"):
        rows = [row for row in analyst.now if topic in row.topics]
        found = (await analyst.ask("insights", cluster=topic, limit=1))["metadata"]
        assert found["total_count"] == len(rows)
    complete = not any(row.line.get("text_truncated") for row in analyst.now)
    if complete:
        rows = [row for row in analyst.now if "refund" in words_of(row.line["text"])]
        found = (await analyst.ask("insights", keyword="refund", limit=1))["metadata"]
        assert found["total_count"] == len(rows)
        counted = Counter(row.line["sentiment"] for row in rows)
        assert found["sentiment_counts"] == {name: counted[name] for name in found["sentiment_counts"]}


def words_of(text: str) -> set[str]:
    return set("".join(each if each.isalnum() else " " for each in text.lower()).split())


async def two_topics_compared(analyst: Analyst) -> None:
    common = Counter(slug for row in analyst.now for slug in row.topics)
    for slug, count in common.most_common(2):
        found = await analyst.ask("trends", cluster=slug, interval="day", tz="Europe/Berlin")
        days: Counter[str] = Counter()
        for row in analyst.now:
            if slug in row.topics:
                local = datetime.fromtimestamp(row.at / 1_000_000, UTC).astimezone(BERLIN)
                days[local.date().isoformat()] += 1
        assert found["total_insights"] == count
        assert {point["start"][:10]: point["total"] for point in found["series"] if point["total"]} == days


async def share_open(analyst: Analyst) -> None:
    answer = await analyst.service.http.post("/api/v1/summaries", json={"window": analyst.window})
    assert answer.status_code == 202, answer.text

    async def is_done() -> bool:
        return bool((await analyst.service.get(answer.headers["location"]))["status"] == "completed")

    await eventually(is_done, 120)
    found = await analyst.ask("summaries", limit=1000)
    listed, counts = found["summaries"], found["counts"]
    while found["next_cursor"]:
        found = await analyst.service.get("/api/v1/summaries", cursor=found["next_cursor"], limit=1000)
        listed += found["summaries"]
    outcomes = Counter(each["outcome"] for each in listed)
    assert counts == {name: outcomes[name] for name in counts}
    assert {each["conversation_id"] for each in listed} == {
        row.line["conversation_id"] for row in analyst.now
    }
    unsolved = await analyst.ask("summaries", has_open_questions=True, limit=1000)
    expected = sum(each["has_open_questions"] for each in listed)
    assert sum(unsolved["counts"].values()) == expected


async def export(analyst: Analyst) -> None:
    table = list(csv.DictReader(io.StringIO(await exported(analyst.service, "text/csv"))))
    assert [each["conversation_id"] for each in table] == [
        row.line["conversation_id"] for row in analyst.rows
    ]
    everything = await analyst.service.get(
        "/api/v1/insights", start_time="1970-01-01", end_time="2100-01-01", limit=1
    )
    assert everything["metadata"]["total_count"] == len(analyst.rows)


QUESTIONS: Sequence[Callable[[Analyst], Any]] = (
    what_grew,
    why_that_day,
    typical_cases,
    who_again,
    which_agents_and_companies,
    what_is_asked_for,
    two_topics_compared,
    share_open,
    export,
)


@pytest.mark.parametrize(
    ("database_url", "name"),
    [("sqlite", "sample"), ("postgresql", "sample"), ("sqlite", "tweets"), ("postgresql", "dialogues")],
    indirect=["database_url"],
)
async def test_each_question_is_one_call_and_its_answer_a_plain_recount(
    database_url: URL, name: str, tmp_path: Path
) -> None:
    if not (file := FILES[name]).exists():
        pytest.skip(f"the public set {file.name} is not here")
    if file.suffix == ".csv":
        file = beginning(file, tmp_path)
    async with analyst(database_url, file) as one:
        assert len(one.now) > 20
        for question in QUESTIONS:
            await question(one)


async def completed(service: Service, answer: httpx.Response) -> None:
    """Wait until a change of topics, which may be a job, is made."""
    assert answer.is_success, answer.text

    async def is_done() -> bool:
        return bool((await service.get(answer.headers["location"]))["status"] == "completed")

    if answer.status_code == 202:
        await eventually(is_done)


async def test_merged_topics_are_counted_as_one_and_apart_again_after_the_undo(database_url: URL) -> None:
    counting = (what_grew, what_is_asked_for, two_topics_compared, who_again, export)
    async with analyst(database_url, FILES["sample"]) as one:
        service, before = one.service, one.rows
        (into, _), (other, _) = Counter(slug for row in before for slug in row.topics).most_common(2)
        both = [row for row in before if {into, other} <= {*row.topics}]
        assert both

        merging = await service.http.post("/api/v1/topics/merge", json={"from": [other], "into": into})
        await completed(service, merging)
        merged = Analyst(service, await rows_of(service))

        assert {slug for row in merged.rows for slug in row.topics}.isdisjoint({other})
        for question in counting:
            await question(merged)
        found = await merged.ask("explain", baseline="28d")
        parts = [found["rest"], *found["topics"]]
        moved = sum(round((part["mix"] + part["mood"]) * 1e6) for part in parts)
        assert moved == round(found["change"] * 1e6)
        await completed(service, await service.http.post("/api/v1/topics/undo"))
        assert [row.topics for row in await rows_of(service)] == [row.topics for row in before]
        for question in counting:
            await question(one)
