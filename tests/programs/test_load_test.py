"""The load test, against the real service and against one that refuses, drops and lies, on real sockets."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

import load_test
from benchmarks.support.process import free_port
from benchmarks.support.serving import served
from benchmarks.support.waiting import eventually
from client.answers import Health
from client.errors import Busy, Failed
from client.load import report
from client.load.posting import PAUSE, Tally, pause_of
from client.load.snapshot import CALLS, READ, Snapshot, counters
from core.metrics import Metrics
from core.settings import Settings
from llm.prices import TICKS_PER_USD
from main import create_app
from tests.fake_grok.server import KEY, FakeGrok
from tests.support.log_lines import captured

PROGRAM = Path(load_test.__file__)
POSTS = "/api/v1/conversations"
BULK = f"{POSTS}/bulk"
HEALTH = {
    "status": "ok",
    "reasons": [],
    "queue_size": 0,
    "summary_queue_size": 0,
    "worker_running": True,
    "db_ok": True,
    "analyzer": "offline",
    "model": "m",
    "circuit": None,
    "oldest_queued_seconds": 0.0,
    "drain_seconds": None,
    "started_at": "2026-01-01T00:00:00Z",
}
DROPPED = Response()
"""Stored, and the connection closed before the answer is whole."""


class Stub:
    """As much of the service as the program sees.

    `answers` go to the next posts in the place of storing; `depths` are the next queue sizes, the last stays.
    """

    def __init__(
        self, *answers: Response, depths: tuple[int, ...] = (0,), reasons: tuple[str, ...] = ()
    ) -> None:
        self.answers = deque(answers)
        self.depths = deque(depths)
        self.health = {**HEALTH, "reasons": reasons}
        self.stored: set[str] = set()
        self.posts: list[tuple[float, str, list[str]]] = []
        """When, where and which ids."""
        self.metrics = Metrics()
        self.app = Starlette(
            routes=[
                Route("/health", self._health),
                Route("/metrics", self._metrics),
                Route(POSTS, self._post, methods=["POST"]),
                Route(BULK, self._post, methods=["POST"]),
            ]
        )

    async def _health(self, request: Request) -> Response:
        depth = self.depths.popleft() if len(self.depths) > 1 else self.depths[0]
        return JSONResponse({**self.health, "queue_size": depth})

    async def _metrics(self, request: Request) -> Response:
        return Response(self.metrics.render(), media_type="text/plain")

    async def _post(self, request: Request) -> Response:
        sent = await request.json()
        ids = [item["external_id"] for item in (sent if isinstance(sent, list) else [sent])]
        self.posts.append((time.monotonic(), request.url.path, ids))
        answer = self.answers.popleft() if self.answers else None
        if answer is not None and answer is not DROPPED:
            return answer
        new = len(set(ids) - self.stored)
        self.stored |= set(ids)
        if answer is DROPPED:
            return Response(b"", 202, {"content-length": "100"})
        return accepted(ids, new) if isinstance(sent, list) else accepted_one(ids[0], bool(new))


def accepted(ids: list[str], new: int) -> Response:
    """What the service answers to a bulk of which so many were not known."""
    counts = {"ingested": new, "enqueued": new, "duplicates": len(ids) - new}
    return JSONResponse({**counts, "conversation_ids": ids}, 202)


def accepted_one(id_: str, new: bool) -> Response:
    return JSONResponse({"conversation_id": id_, "message": "", "enqueued": new}, 202)


def refusal(status: int, after: str | None = None) -> Response:
    return JSONResponse({"error": "no"}, status, None if after is None else {"Retry-After": after})


class Program:
    """Runs the program in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.complaints = ""

    def __call__(self, url: str, *arguments: str) -> tuple[int, Any]:
        """The exit code and the report."""
        code = load_test.main(["--base-url", url, "--json", *arguments])
        said = self._capsys.readouterr()
        self.complaints = said.err
        return code, json.loads(said.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


@contextmanager
def service(folder: Path, **given: Any) -> Iterator[str]:
    """The real service's address; offline unless `given` says otherwise."""
    named = {"grok_mode": "offline", "inbound_rps": 0, "db_path": folder / "x.db", "_env_file": None, **given}
    with captured("INFO"), served(create_app(Settings(**named))) as server:
        yield server.url


def counted(url: str, name: str, **labels: str) -> float:
    """A sample of the service's own metrics."""
    exposition = httpx.get(f"{url}/metrics", trust_env=False).text
    samples = (sample for family in text_string_to_metric_families(exposition) for sample in family.samples)
    return sum(each.value for each in samples if (each.name, each.labels) == (name, labels))


def test_what_is_posted_in_bulk_is_stored_analysed_and_reported(tmp_path: Path, run: Program) -> None:
    with service(tmp_path) as url:
        code, found = run(url, "--num-conversations", "120", "--batch-size", "50")
        stored = httpx.get(f"{url}/api/v1/conversations?limit=1000", trust_env=False).json()["conversations"]

    assert code == 0
    assert sorted(each["external_id"] for each in stored) == sorted(
        f"load-{found['run']['id']}-{number}" for number in range(120)
    )
    assert {each["status"] for each in stored} == {"completed"}
    intake, analysis = found["intake"], found["analysis"]
    assert (intake["accepted"], intake["duplicates"], intake["refused"], intake["errors"]) == (120, 0, {}, {})
    assert intake["accepted_per_second"] == pytest.approx(120 / intake["seconds"], rel=0.05)
    assert 0 < intake["latency_ms"]["p50"] <= intake["latency_ms"]["max"] <= 1000 * intake["seconds"] + 1
    assert found["drain"]["queued_before"] == 0
    assert found["drain"]["conversations_per_second"] > 0
    assert sum(analysis["insights"].values()) == 120
    assert analysis["analyzer"] == "offline"
    assert (analysis["dollars"], analysis["dollars_per_1000_conversations"]) == (None, None)


def test_a_batch_size_of_one_posts_one_at_a_time(tmp_path: Path, run: Program) -> None:
    with service(tmp_path) as url:
        code, found = run(url, "--num-conversations", "7", "--batch-size", "1", "--no-wait")
        counts = {
            route: counted(
                url, "http_request_duration_seconds_count", method="POST", route=route, status="202"
            )
            for route in (POSTS, BULK)
        }

    assert (code, found["intake"]["accepted"]) == (0, 7)
    assert counts == {POSTS: 7, BULK: 0}
    assert found["drain"]["seconds_after_last_post"] is None


def test_repeated_texts_are_cache_hits_and_a_second_run_hits_nothing(tmp_path: Path, run: Program) -> None:
    with service(tmp_path) as url:
        _, repeated = run(url, "--num-conversations", "60", "--duplicates", "0.5")
        _, fresh = run(url, "--num-conversations", "60")

    assert repeated["analysis"]["cache_hits"] == 30
    assert (fresh["intake"]["accepted"], fresh["analysis"]["cache_hits"]) == (60, 0)


def test_calls_tokens_and_dollars_are_what_grok_billed(tmp_path: Path, run: Program) -> None:
    grok = FakeGrok()
    with served(grok, grace=0) as fake:
        paid = {"grok_mode": "real", "grok_api_key": KEY, "grok_base_url": f"{fake.url}/v1"}
        with service(tmp_path, **paid, outbound_rps=100, batch_flush_seconds=0.05) as url:
            code, found = run(url, "--num-conversations", "40", "--batch-size", "20")

    analysis, dollars = found["analysis"], grok.billed_ticks / TICKS_PER_USD
    assert code == 0
    assert "grok-4.3 will be asked, which costs money" in run.complaints
    assert analysis["grok_calls"] == {"ok": len(grok.calls)}
    assert analysis["conversations_per_call"] == pytest.approx(40 / len(grok.calls), abs=0.05)
    assert analysis["tokens"]["prompt"] == grok.tokens["prompt_tokens"]
    assert analysis["tokens"]["completion"] == grok.tokens["completion_tokens"]
    assert analysis["dollars"] == pytest.approx(dollars, abs=0.00005)
    assert analysis["dollars_per_1000_conversations"] == pytest.approx(25 * dollars, abs=0.0001)


def test_over_the_inbound_limit_it_waits_and_everything_is_accepted(tmp_path: Path, run: Program) -> None:
    with service(tmp_path, inbound_rps=6) as url:
        code, found = run(url, "--num-conversations", "10", "--batch-size", "1", "--no-wait")
        limited = counted(url, "rate_limited_total")

    assert (code, found["intake"]["accepted"]) == (0, 10)
    assert found["intake"]["refused"] == {"429": limited}
    assert found["intake"]["seconds"] > 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_is_waited_out_for_as_long_as_it_says(status: int, run: Program) -> None:
    stub = Stub(refusal(status, after="2"))
    with served(stub.app) as server:
        code, found = run(server.url, "--num-conversations", "3", "--no-wait")

    first, second = stub.posts
    assert second[0] - first[0] >= 2
    assert first[1:] == second[1:]
    assert (code, found["intake"]["accepted"], found["intake"]["refused"]) == (0, 3, {str(status): 1})
    assert found["intake"]["latency_ms"]["max"] < 2000


def test_a_lost_answer_is_an_error_and_what_it_was_about_is_sent_again(run: Program) -> None:
    stub = Stub(DROPPED)
    with served(stub.app) as server:
        code, found = run(server.url, "--num-conversations", "6", "--batch-size", "3", "--concurrency", "1")

    assert code == 0
    assert sum(found["intake"]["errors"].values()) == 1
    assert (found["intake"]["accepted"], found["intake"]["duplicates"]) == (3, 3)
    assert len(stub.stored) == 6


def test_a_5xx_is_sent_again_and_a_4xx_is_given_up(run: Program) -> None:
    stub = Stub(refusal(400), refusal(500))
    with served(stub.app) as server:
        code, found = run(
            server.url, "--num-conversations", "6", "--batch-size", "2", "--concurrency", "1", "--no-wait"
        )

    intake = found["intake"]
    assert code == 1
    assert intake["errors"] == {"HTTP 400": 1, "HTTP 500": 1}
    assert (intake["accepted"], intake["given_up"], len(stub.stored)) == (4, 2, 4)


def test_a_202_that_is_not_the_services_counts_as_nothing(run: Program) -> None:
    with served(Stub(PlainTextResponse("queued", 202)).app) as server:
        code, found = run(server.url, "--num-conversations", "2", "--no-wait")

    assert code == 1
    assert (found["intake"]["accepted"], found["intake"]["given_up"]) == (0, 2)
    assert found["intake"]["latency_ms"] == {}


def test_it_gives_up_when_nothing_is_accepted_for_too_long(run: Program) -> None:
    with served(Stub(refusal(503, after="60")).app) as server:
        code, found = run(server.url, "--num-conversations", "1", "--timeout", "0.3")

    assert code == 1
    assert found["run"]["notes"] == ["given up: nothing moved for 0.3 seconds"]
    assert found["intake"]["refused"] == {"503": 1}


def test_it_gives_up_a_queue_that_does_not_move_and_says_why(run: Program) -> None:
    with served(Stub(depths=(0, 7), reasons=("no credit",)).app) as server:
        code, found = run(server.url, "--num-conversations", "7", "--timeout", "0.6")

    assert (code, found["intake"]["accepted"]) == (1, 7)
    assert found["drain"]["seconds_after_last_post"] is None
    assert found["analysis"]["degraded_because"] == ["no credit"]


def test_a_slow_queue_is_waited_for_as_long_as_it_moves(run: Program) -> None:
    with served(Stub(depths=(0, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)).app) as server:
        code, found = run(server.url, "--num-conversations", "9", "--timeout", "2")

    assert code == 0
    assert found["drain"]["seconds_after_last_post"] >= 2


def test_a_count_from_before_the_posts_is_not_taken_for_a_drained_queue(run: Program) -> None:
    stub = Stub(depths=(3, 3, 3, 9, 9, 3))
    with served(stub.app) as server:
        code, found = run(server.url, "--num-conversations", "6")

    assert code == 0
    assert found["drain"]["queued_before"] == 3
    assert found["drain"]["seconds_after_last_post"] >= 0.9  # four looks a quarter of a second apart


def test_somebody_elses_server_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with served(Starlette()) as server:
        code = load_test.main(["--base-url", server.url])

    said = capsys.readouterr()
    assert (code, said.out) == (1, "")
    assert said.err == f"load_test.py: {server.url}/health answers 404, not as an Insights Platform does\n"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "answers 401 unauthorized: No key; it wants a valid API key"),
        (
            "an unusable\nkey",
            "the API key has a space or another character that no key has; is it all of the key?",
        ),
    ],
    ids=["none", "unusable"],
)
def test_a_key_that_does_not_do_is_one_line(
    capsys: pytest.CaptureFixture[str], key: str | None, said: str
) -> None:
    async def closed(_: Request) -> Response:
        return JSONResponse({"error": "unauthorized", "details": "No key"}, 401)

    with served(Starlette(routes=[Route("/health", closed)])) as server:
        code = load_test.main(["--base-url", server.url, *(() if key is None else ("--api-key", key))])

    told = capsys.readouterr().err
    assert (code, said in told, "an unusable" in told) == (1, True, False)


def program(*arguments: str, **environ: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(PROGRAM), *arguments]
    environment = {"PATH": os.environ["PATH"], **environ}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def test_no_server_is_one_line_and_exit_1() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    process = program(API_URL=url)
    out, err = process.communicate(timeout=300)

    assert (process.returncode, out) == (1, "")
    assert (
        err == f"load_test.py: no service at {url} (All connection attempts failed); is it running there?\n"
    )


async def test_interrupted_it_reports_what_there_is() -> None:
    stub = Stub(accepted(["a", "b", "c", "d", "e"], 5), refusal(503, after="0"), refusal(503, after="60"))
    with served(stub.app) as server:
        sizes = ("--num-conversations", "10", "--batch-size", "5", "--concurrency", "1")
        # A proxy that is not there: it must not be asked.
        process = program("--base-url", server.url, *sizes, HTTP_PROXY="http://127.0.0.1:9")
        await eventually(lambda: len(stub.posts) == 3 or process.poll() is not None, 60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)

    lines = {line[:34].strip(): line[34:] for line in out.splitlines()}
    assert process.returncode == 130
    assert (lines["accepted"], lines["refused"][:3]) == ("5", "503")
    assert lines["analyzer"] == "offline"
    assert err == "load_test.py: interrupted\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--num-conversations", "0"], "--num-conversations: must be a number from 1 to"),
        (["--batch-size", "501"], "--batch-size: must be a number from 1 to 500"),
        (["--concurrency", "many"], "--concurrency: must be a number from 1 to"),
        (["--duplicates", "nan"], "--duplicates: must be a number from 0 to 1"),
        (["--base-url", "localhost:8000"], "--base-url: must be http://HOST:PORT"),
        (["--base-url", "http://127.0.0.1:70000"], "--base-url: must be http://HOST:PORT"),
        (["--base-url", "http://224.0.0.1"], "--yes-really"),
    ],
)
def test_a_bad_argument_is_named_and_exit_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        load_test.main(arguments)

    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_a_host_of_somebody_else_is_loaded_only_when_that_is_really_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # A group address is nobody's: TCP cannot connect to it, and nothing leaves the machine.
    code = load_test.main(["--base-url", "http://224.0.0.1:9", "--yes-really"])

    assert code == 1
    assert "no service at http://224.0.0.1:9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("localhost", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("192.168.0.9", True),
        ("no-such-host.invalid", True),
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
    ],
)
def test_a_host_is_private_by_its_addresses(host: str, private: bool) -> None:
    assert load_test.is_private(host) is private


@given(st.lists(st.integers(0, 50), min_size=1, max_size=300))
def test_a_percentile_is_the_smallest_latency_that_so_many_did_not_exceed(milliseconds: list[int]) -> None:
    found = report.percentiles(array("d", (each / 1000 for each in milliseconds)))

    counts = Counter(milliseconds)
    for name, percent in report.PERCENTILES.items():
        at_most, below = (
            sum(count for each, count in counts.items() if each < found[name] + slack)
            for slack in (0.5, -0.5)
        )
        assert 100 * at_most >= percent * len(milliseconds) > 100 * below


def test_the_drain_is_told_from_the_last_post_and_its_rate_from_the_first() -> None:
    found = report.drain(Tally(accepted=10, seconds=3.0), 4, 5.0)

    assert found == {"queued_before": 4, "seconds_after_last_post": 2.0, "conversations_per_second": 2.0}


def test_without_a_retry_after_the_pause_is_a_second() -> None:
    busy = Busy("http://x", 429, "rate_limit_exceeded", None)

    assert pause_of(busy) == pause_of(Failed("http://x", 503, None, None)) == PAUSE
    busy.retry_after = 0
    assert pause_of(busy) == 0


def snapshot(started_at: str, **calls: float) -> Snapshot:
    health = Health.model_validate({**HEALTH, "analyzer": "grok", "started_at": started_at})
    return Snapshot(health, {(CALLS, outcome): count for outcome, count in calls.items()})


def test_counters_are_told_by_their_growth_or_since_a_restart() -> None:
    monday, tuesday = "2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z"
    before = snapshot(monday, ok=5, rate_limited=2)

    assert snapshot(monday, ok=9, rate_limited=2, timeout=1).since(before, CALLS) == {"ok": 4, "timeout": 1}
    assert snapshot(tuesday, ok=3).since(before, CALLS) == {"ok": 3}
    assert report.analysis(before, snapshot(monday))["restarted_meanwhile"] is False
    assert report.analysis(before, snapshot(tuesday))["restarted_meanwhile"] is True


def test_every_counter_that_is_read_is_one_of_the_services() -> None:
    metrics = Metrics()
    for counter in (metrics.calls, metrics.prefilter_skips, metrics.conversations_failed):
        counter.labels("x").inc(2)
    metrics.cache_hits.inc(3)

    found = counters(metrics.render().decode())
    assert {name for name, _ in found} == READ
    assert (found[CALLS, "x"], found["analysis_cache_hits_total", ""]) == (2, 3)


def test_the_report_is_a_table_on_a_terminal_and_plain_lines_elsewhere() -> None:
    sections: report.Report = {"intake": report.intake(Tally(accepted=1234, refused=Counter({"429": 2})))}
    terminal = Console(file=io.StringIO(), force_terminal=True, width=80)
    pipe = Console(file=io.StringIO())

    for console in (terminal, pipe):
        report.write(sections, console, as_json=False)

    table, lines = (console.file.getvalue() for console in (terminal, pipe))  # type: ignore[attr-defined]
    assert "│" in table
    assert "1,234" in table
    assert lines.isascii()
    assert f"  {'accepted':<32}1,234\n" in lines
    assert f"  {'refused':<32}429 2\n" in lines
    assert f"  {'accepted per second':<32}n/a\n" in lines
