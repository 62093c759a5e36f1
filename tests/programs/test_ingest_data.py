"""`ingest_data.py` as a process of its own, against a service on a real socket."""

import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.support.serving import served
from benchmarks.support.waiting import eventually
from tests.support.fake_platform import FakePlatform, problem

PROGRAM = Path(__file__).parents[2] / "ingest_data.py"
OWN_VARIABLES = {"API_URL", "API_KEY", "DATASET_CSV", "INGEST_BATCH_SIZE"}
TWEETS = """\
tweet_id,author_id,inbound,created_at,text,response_tweet_id,in_response_to_tweet_id
3,100,True,Tue Nov 03 10:00:00 +0000 2026,second,,2.0
2,Brand,False,Tue Nov 03 09:00:00 +0000 2026,first,3,
4,100,True,Tue Nov 03 10:00:00 +0000 2026,,,
,,,,,,
5,101,True,Tue Nov 03 11:00:00 +0000 2026,alone,,
"""
GOOD_TWEETS = "".join(TWEETS.splitlines(keepends=True)[:3] + TWEETS.splitlines(keepends=True)[5:])


class Ended(NamedTuple):
    """A process that has ended."""

    code: int
    out: str
    err: str

    @property
    def counts(self) -> list[int]:
        """Sent, accepted, duplicates, conflicts, rejected rows, blank rows."""
        row = next(line for line in self.out.splitlines() if line.startswith("│"))
        return [int(cell.replace(",", "")) for cell in re.findall(r"[\d,]+", row)]


class Program:
    """Starts the program in an empty folder, without the variables that this environment may set for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environment = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}

    def start(self, *arguments: object, **variables: object) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-W", "error", PROGRAM, *map(str, arguments)],
            cwd=self.folder,
            env={**self._environment, "PYTHONUTF8": "1", **{name: str(v) for name, v in variables.items()}},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: object, **variables: object) -> Ended:
        return ended(self.start(*arguments, **variables))

    def file(self, content: str, name: str = "tweets.csv") -> Path:
        path = self.folder / name
        path.write_text(content)
        return path


def ended(process: "subprocess.Popen[str]") -> Ended:
    with process:
        out, err = process.communicate(timeout=300)
        return Ended(process.returncode, out, err)


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
def url(platform: FakePlatform) -> Iterator[str]:
    with served(platform) as server:
        yield server.url


def test_with_nothing_given_the_sample_arrives(program: Program, platform: FakePlatform, url: str) -> None:
    run = program.run(API_URL=url)

    turns = [message for item in platform.stored.values() for message in item["messages"]]
    threads = [item for item in platform.stored.values() if len(item["messages"]) > 1]
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith(f"Sending the built-in sample, sample_tweets.csv, to {url}\n")
    assert run.counts == [67, 67, 0, 0, 0, 0]
    assert (len(turns), len(threads)) == (86, 5)
    assert {message["timestamp"][:7] for message in turns} == {"2026-11"}


def test_the_summary_names_each_rejected_row_with_its_line(
    program: Program, platform: FakePlatform, url: str
) -> None:
    run = program.run("--file", program.file(TWEETS), "--api-url", url)

    assert (run.code, run.counts) == (1, [2, 2, 0, 0, 1, 1])
    assert "line 4: text is empty" in run.out
    assert [message["text"] for message in platform.stored["conv_2"]["messages"]] == ["first", "second"]


def test_it_says_first_what_goes_where_and_no_password(
    program: Program, platform: FakePlatform, url: str
) -> None:
    file = program.file(GOOD_TWEETS)

    run = program.run("--file", file, "--api-url", url.replace("://", "://me:swordfish@"))

    assert run.out.startswith(f"Sending {file} to {url}\n")
    assert "swordfish" not in run.out + run.err


def test_a_second_run_adds_nothing(program: Program, platform: FakePlatform, url: str) -> None:
    file = program.file(TWEETS)
    program.run("--file", file, "--api-url", url)
    before = dict(platform.stored)

    again = program.run("--source", file, "--api-url", url)

    assert again.counts == [2, 0, 2, 0, 1, 1]
    assert platform.stored == before


def test_a_conflict_is_listed_and_the_rest_is_sent(
    program: Program, platform: FakePlatform, url: str
) -> None:
    platform.stored["conv_2"] = {"external_id": "2", "text": "other content"}

    run = program.run("--file", program.file(TWEETS), "--api-url", url)

    assert (run.code, run.counts) == (1, [2, 1, 0, 1, 1, 1])
    assert "line 3: known as conv_2" in run.out


def test_the_environment_and_a_env_file_are_read_and_the_command_line_wins(
    program: Program, platform: FakePlatform, url: str
) -> None:
    program.file(f"API_URL={url}\nDATASET_CSV=nowhere.csv\nINGEST_BATCH_SIZE=7\n", ".env")
    texts = program.file("text\n" + "hello\n" * 5, "texts.csv")

    run = program.run("--batch-size", 2, DATASET_CSV=texts)

    assert (run.code, run.counts) == (0, [5, 5, 0, 0, 0, 0])
    assert sorted(items for items, _ in platform.bulks) == [1, 2, 2]


def test_wait_prints_what_came_out(program: Program, platform: FakePlatform, url: str) -> None:
    platform.stages = ("queued", "processing", "completed")

    run = program.run("--file", program.file(GOOD_TWEETS), "--api-url", url, "--wait")

    assert run.code == 0
    assert len(platform.asked) == 3
    assert "2 completed" in run.out
    assert "2 negative" in run.out
    assert "2 delay" in run.out
    assert "alone" in run.out


KEY = "GROK_API_KEY was refused: HTTP 401 unauthenticated"


@pytest.mark.parametrize(
    "refusal", [KEY, "HTTP 403: your team has used all credits", "the spending limit is reached"]
)
def test_waiting_stops_with_the_reason_when_calls_are_refused(
    program: Program, platform: FakePlatform, url: str, refusal: str
) -> None:
    platform.stages = ("queued",)
    platform.reasons.appendleft([refusal])
    platform.reasons.pop()

    run = program.run("--file", program.file(GOOD_TWEETS), "--api-url", url, "--wait")

    assert run.code == 1
    assert f"Analysis stands still: {refusal}" in run.out
    assert f"analysis has stopped: {refusal}. What was sent is stored and waits" in run.err


async def test_waiting_says_why_it_stands_still_and_goes_on_when_that_is_over(
    program: Program, platform: FakePlatform, url: str
) -> None:
    platform.stages = ("queued",)
    platform.reasons = deque([["the provider does not answer: connection refused"]] * 3 + [[]])
    process = program.start("--file", program.file(GOOD_TWEETS), "--api-url", url, "--wait")
    await eventually(lambda: platform.reasons == deque([[]]), 30)
    platform.stages = ("completed",)

    run = ended(process)

    assert (run.code, run.err) == (0, "")
    assert run.out.count("Analysis stands still: the provider does not answer: connection refused") == 1


def test_conversations_that_fail_are_told_of_and_are_no_failure_of_the_program(
    program: Program, platform: FakePlatform, url: str
) -> None:
    platform.stages = ("failed",)

    run = program.run("--file", program.file(GOOD_TWEETS), "--api-url", url, "--wait")

    assert run.code == 0
    assert "2 failed: no answer" in run.out


async def test_interrupted_it_sums_up_and_the_next_run_sends_the_rest(
    program: Program, platform: FakePlatform, url: str
) -> None:
    texts = program.file("id,text\n" + "".join(f"{n},hello\n" for n in range(100)), "texts.csv")
    arguments = ("--file", texts, "--api-url", url, "--batch-size", 10, "--source", "shop")
    # Four are in flight: once all four were told to wait, the first three have been counted.
    platform.next_answers.extend([None] * 3 + [problem(429, "rate_limit_exceeded", retry_after="600")] * 4)
    process = program.start(*arguments)
    await eventually(lambda: not platform.next_answers)

    process.send_signal(signal.SIGINT)
    first = ended(process)
    second = program.run(*arguments)

    assert (first.code, first.counts[0]) == (130, 30)
    assert first.err == "ingest_data.py: interrupted; run it again to go on\n"
    assert (second.code, second.counts) == (0, [100, 70, 30, 0, 0, 0])
    assert len(platform.stored) == 100


async def test_interrupted_while_it_reads_it_ends_without_sending(
    program: Program, platform: FakePlatform, url: str
) -> None:
    header, first, *_ = TWEETS.splitlines()
    rows = (first.replace("3,", f"{n},", 1) for n in range(50_000))
    process = program.start("--file", program.file("\n".join([header, *rows])), "--api-url", url)
    await eventually(lambda: platform.checks)

    process.send_signal(signal.SIGINT)

    run = ended(process)
    assert (run.code, run.err) == (130, "ingest_data.py: interrupted; run it again to go on\n")
    assert "│" not in run.out
    assert platform.bulks == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--batch-size", "501"], "INGEST_BATCH_SIZE: must be a whole number from 1 to 500"),
        (["--batch-size", "many"], "INGEST_BATCH_SIZE: must be a whole number from 1 to 500"),
        (["--api-url", "localhost"], "API_URL: must be an address such as http://localhost:8000"),
        (["--begin", "yesterday"], "write it as 2026-11-03 12:00"),
        (["--no-such-option"], "--no-such-option"),
        (["--file", "nowhere.csv"], "nowhere.csv cannot be read: No such file or directory"),
    ],
)
def test_a_bad_argument_is_named_and_ends_with_2(
    program: Program, arguments: list[str], complaint: str
) -> None:
    run = program.run(*arguments)

    assert (run.code, run.out) == (2, "")
    assert complaint in run.err.splitlines()[-1]
    assert "Traceback" not in run.err


def test_the_batch_size_of_the_service_is_not_the_importers(
    program: Program, platform: FakePlatform, url: str
) -> None:
    texts = program.file("text\n" + "hello\n" * 5, "texts.csv")

    run = program.run("--file", texts, "--api-url", url, BATCH_SIZE=50_000, INGEST_BATCH_SIZE=3)

    assert run.code == 0
    assert sorted(items for items, _ in platform.bulks) == [2, 3]
    assert platform.freshness == ["now", "now"]


def test_what_can_wait_is_sent_as_such(program: Program, platform: FakePlatform, url: str) -> None:
    texts = program.file("text\n" + "hello\n" * 5, "texts.csv")

    run = program.run("--file", texts, "--api-url", url, "--freshness", "day")

    assert (run.code, platform.freshness) == (0, ["day"])


def test_duplicates_alone_end_with_0_and_a_conflict_with_1(
    program: Program, platform: FakePlatform, url: str
) -> None:
    arguments = ("--file", program.file(GOOD_TWEETS), "--api-url", url)
    program.run(*arguments)
    again = program.run(*arguments)
    name, item = next(iter(platform.stored.items()))
    platform.stored[name] = {**item, "messages": []}
    clash = program.run(*arguments)

    assert (again.code, again.counts) == (0, [2, 0, 2, 0, 0, 0])
    assert (clash.code, clash.counts) == (1, [2, 0, 1, 1, 0, 0])


def test_a_dry_run_needs_no_service_and_says_the_same(program: Program) -> None:
    run = program.run("--file", program.file(TWEETS), "--dry-run", "--wait")

    assert (run.code, run.counts) == (1, [2, 1, 1])
    assert "line 4: text is empty" in run.out


def test_a_table_without_a_text_ends_with_2_and_names_its_columns(
    program: Program, platform: FakePlatform, url: str
) -> None:
    run = program.run("--file", program.file("when,what\n1,2\n"), "--api-url", url)

    assert (run.code, platform.bulks) == (2, [])
    assert "'when, what'" in run.err


def test_without_a_service_it_says_so_in_one_line_and_ends_with_1(program: Program) -> None:
    run = program.run("--api-url", "http://127.0.0.1:9")

    assert (run.code, run.out) == (1, "")
    assert run.err.count("\n") == 1
    assert "no service at http://127.0.0.1:9/" in run.err


def test_when_nothing_can_be_sent_it_ends_with_1(program: Program, platform: FakePlatform, url: str) -> None:
    run = program.run("--file", program.file('{"author": "nobody"}\n'), "--api-url", url)

    assert run.code == 1
    assert "line 1: there is no text" in run.out
    assert "nothing could be sent" in run.err


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("created_at,text\n", "has no rows"),
        (
            '{"ticket_id": 123456789012, "id": 1, "author_id": 2, "public": false, "body": "psst"}\n',
            "is a message of a customer or an agent",
        ),
    ],
)
def test_a_file_with_nothing_to_send_is_told_from_one_with_faults(
    program: Program, content: str, why: str
) -> None:
    run = program.run("--file", program.file(content), "--dry-run")

    assert run.code == 1
    assert why in run.err


def test_a_service_that_goes_away_on_the_way_leaves_a_summary(
    program: Program, platform: FakePlatform, url: str
) -> None:
    platform.next_answers.extend([None, problem(401, "unauthorized")])

    run = program.run("--file", program.file(TWEETS), "--api-url", url, "--batch-size", 1)

    assert (run.code, run.counts) == (1, [1, 1, 0, 0, 1, 1])
    assert "401 unauthorized" in run.err
