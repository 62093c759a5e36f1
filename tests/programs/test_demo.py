"""The demo as somebody sees it who has just installed the project, and the sample that it shows."""

import csv
import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import dashboard.__main__ as dashboard
import demo
from client import Client, calls
from client.importers.conversations import Conversation
from client.importers.rows import opened
from client.importers.threads import Threads
from domain.analysis import sentiment_of
from domain.topics import BUILT_IN
from llm.offline.child import analyse_text

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_tweets.csv"
# What a person says of each thread, by the last two digits of its id; every other one is neutral.
NEGATIVE = {
    *(1, 2, 3, 5, 6, 8, 10, 11, 13, 15, 18, 19, 21, 26, 28, 29, 31, 33, 35, 36, 39, 47, 48, 50),
    *(53, 56, 57, 58, 60, 61, 65, 72, 79, 80, 83, 84, 85),
}
POSITIVE = {4, 9, 14, 25, 30, 34, 43, 54, 55, 59, 66, 73, 81}


def conversations() -> list[tuple[str, str]]:
    """The id and the transcript of each conversation of the sample."""
    with opened(SAMPLE, "utf-8-sig") as rows, closing(Threads()) as threads:
        for row in rows:
            assert threads.take(row) is None
        records = list(threads.conversations())
    return [transcript(json.loads(each.body)) for each in records if isinstance(each, Conversation)]


def transcript(body: dict[str, object]) -> tuple[str, str]:
    turns = body["messages"]
    assert isinstance(turns, list)
    names = {"customer": "customer", "support_agent": "agent"}
    return str(body["external_id"]), "\n".join(f"{names[turn['role']]}: {turn['text']}" for turn in turns)


@pytest.mark.parametrize(
    ("id_", "said"), conversations(), ids=lambda value: value[-2:] if len(value) == 7 else ""
)
def test_the_offline_analyzer_is_right_on_every_conversation_of_the_sample(id_: str, said: str) -> None:
    number = int(id_[-2:])
    right = (number in POSITIVE) - (number in NEGATIVE)

    assert sentiment_of(analyse_text(said, BUILT_IN).score) == right, said


def test_the_demo_says_what_it_does_and_what_to_do_next() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "demo.py"], check=False, capture_output=True, text=True, timeout=120
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("1/3 Starting the service")
    steps = [
        "2/3 Sending sample_tweets.csv",
        "67 completed",
        "3/3 Reading what came out",
        "Trends",
        "67 conversations were analysed offline; Grok would cost about $0.0",
        "What next",
    ]
    found = [run.stdout.index(step) for step in steps]
    assert found == sorted(found)
    times = re.findall(r"^│ (\d\d-\d\d \d\d:\d\d) ", run.stdout, re.MULTILINE)
    assert len(times) == 15
    assert times == sorted(times, reverse=True)
    for hint in (
        "make dashboard",
        "DB_PATH=demo.db make run",
        "GROK_API_KEY=",
        "/docs",
        "ingest_data.py --file",
        "docs/IMPORT.md",
    ):
        assert hint in run.stdout[found[-1] :]


def test_the_demo_knows_how_many_tweets_it_sends() -> None:
    with SAMPLE.open(newline="") as file:
        tweets = len(list(csv.DictReader(file)))
    said = f", {tweets} made-up tweets in {len(conversations())} conversations"
    assert said in (ROOT / "demo.py").read_text()


@pytest.mark.parametrize(("option", "code"), [("--help", 0), ("--fast", 2)])
def test_an_option_does_not_start_the_demo(option: str, code: int) -> None:
    done = subprocess.run([sys.executable, ROOT / "demo.py", option], capture_output=True, text=True)

    assert done.returncode == code
    assert "usage: demo.py" in done.stdout + done.stderr
    assert "Starting" not in done.stdout


def test_the_dashboard_shows_what_the_demo_stored_where_no_service_runs(tmp_path: Path) -> None:
    nobody, kept = f"http://127.0.0.1:{demo.free_port()}", tmp_path / "demo.db"
    with demo.service(tmp_path / "made.db") as url, Client(url) as client:
        client.send(calls.post({"text": "My order has not arrived.", "conversation_id": "t-1"}))
    assert demo.keep(tmp_path / "made.db", kept) == "All of it is in demo.db."
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "cannot be written" in demo.keep(tmp_path / "made.db", tmp_path / "nowhere" / "demo.db")

    with dashboard.service(nobody, kept, is_named=False) as url, Client(url) as client:
        assert client.send(calls.conversation("t-1")).text == "My order has not arrived."
        with dashboard.service(url, kept, is_named=False) as running:
            assert running == url
        changed = kept.stat().st_mtime_ns
        assert "stays as it was" in demo.keep(tmp_path / "made.db", kept)
        assert kept.stat().st_mtime_ns == changed
    assert not dashboard.answers(url)
    for is_named, database in ((True, kept), (False, tmp_path / "none.db")):
        with dashboard.service(nobody, database, is_named=is_named) as url:
            assert url == nobody
