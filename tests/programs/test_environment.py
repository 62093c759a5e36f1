"""The environment as an operator sets it, read by a process of its own."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Reads one environment a line and writes what came of it: starting Python for each would take a second.
PROGRAM = """
import json, os, sys
from pydantic import ValidationError
from core.complaints import complaint
from core.settings import Settings, ignored_names

for line in sys.stdin:
    folder, environ = json.loads(line)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    try:
        read = Settings()
    except ValidationError as error:
        answer = complaint(error)
    else:
        key = read.grok_api_key and read.grok_api_key.get_secret_value()
        answer = {**read.model_dump(mode="json"), "grok_api_key": key, "offline": read.offline,
                  "url": read.url.render_as_string(False), "ignored": sorted(ignored_names())}
    print(json.dumps(answer), flush=True)
"""

Start = Callable[..., Any]
"""What a start with these variables makes of them: the settings, or the one line that complains."""


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM]
    home = Path(__file__).parents[2]
    with subprocess.Popen(
        command,
        cwd=home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(home)},
    ) as started:
        yield started
        assert started.stdin is not None
        started.stdin.close()


@pytest.fixture
def start(process: subprocess.Popen[str], tmp_path: Path) -> Start:
    def start(**environ: str) -> Any:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([str(tmp_path), environ]) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    return start


def test_nothing_set_gives_the_documented_defaults(start: Start) -> None:
    documented: dict[str, object] = {
        "grok_api_key": None,
        "grok_mode": "auto",
        "grok_model": "grok-4.3",
        "grok_base_url": "https://api.x.ai/v1",
        "grok_reasoning_effort": None,
        "grok_cost_per_1k": None,
        "database_url": "sqlite+aiosqlite:///./insights.db",
        "host": "127.0.0.1",
        "port": 8000,
        "log_level": "INFO",
        "inbound_rps": 100,
        "outbound_rps": 10,
        "rate_limit": 0,
        "rate_window": 60,
        "max_batch": 50,
        "min_batch": 1,
        "start_batch": 5,
        "max_batch_tokens": 180_000,
        "batch_flush_seconds": 1.0,
        "max_retries": 3,
        "backoff_seconds": 0.5,
        "max_in_flight": 64,
        "grok_timeout_seconds": 60,
        "error_threshold": 5,
        "cooldown_seconds": 10,
        "max_queue_depth": 1_000_000,
        "prefilter": "on",
        "topics_file": None,
        "metadata_keys": [],
    }

    read = start()

    assert {name: read[name] for name in documented} == documented
    assert (read["offline"], read["ignored"]) == (True, [])


@pytest.mark.parametrize("names", [("GROK_API_KEY", "GROK_KEY", "XAI_API_KEY")])
def test_of_several_names_for_the_key_the_first_listed_wins_and_the_others_are_told(
    start: Start, names: tuple[str, ...]
) -> None:
    for first in range(len(names)):
        given = names[first:]

        read = start(**{name: f"from {name}" for name in given})

        assert read["grok_api_key"] == f"from {given[0]}"
        assert read["ignored"] == [[name, given[0]] for name in sorted(given[1:])]
        assert read["offline"] is False


def test_batch_size_is_another_name_for_max_batch(start: Start) -> None:
    assert start(BATCH_SIZE="20")["max_batch"] == 20
    assert start(BATCH_SIZE="20", MAX_BATCH="30")["max_batch"] == 30
    assert start(BATCH_SIZE="20", MAX_BATCH="30")["ignored"] == [["BATCH_SIZE", "MAX_BATCH"]]


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"DB_PATH": "data/a.db"}, "sqlite+aiosqlite:///data/a.db"),
        ({"DB_PATH": "/data/a.db"}, "sqlite+aiosqlite:////data/a.db"),
        ({"DATABASE_URL": "sqlite:///b.db"}, "sqlite+aiosqlite:///b.db"),
        ({"DATABASE_URL": "sqlite:///b.db", "DB_PATH": "a.db"}, "sqlite+aiosqlite:///b.db"),
        ({"DATABASE_URL": "postgresql://me:pw@db:5/x"}, "postgresql+asyncpg://me:pw@db:5/x"),
        ({"DATABASE_URL": "postgres://me@db/x"}, "postgresql+asyncpg://me@db/x"),
    ],
)
def test_the_databases_address_gets_its_async_driver(start: Start, given: dict[str, str], url: str) -> None:
    assert start(**given)["url"] == url


def test_a_database_path_beside_an_address_is_told_as_ignored(start: Start) -> None:
    assert start(DATABASE_URL="sqlite:///b.db", DB_PATH="a.db")["ignored"] == [["DB_PATH", "DATABASE_URL"]]


@pytest.mark.parametrize(
    "address", ["mysql://a/b", "nonsense", "sqlite://", "sqlite:///:memory:", "oracle+x://me:hunter2@db/x"]
)
def test_a_database_that_cannot_keep_a_promise_is_refused(start: Start, address: str) -> None:
    complained = start(DATABASE_URL=address)

    assert complained.startswith("DATABASE_URL: ")
    assert "hunter2" not in complained


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "web"),
        ("PORT", "70000"),
        ("LOG_LEVEL", "loud"),
        ("GROK_MODE", "maybe"),
        ("GROK_BASE_URL", "no address"),
        ("GROK_REASONING_EFFORT", "extreme"),
        ("GROK_COST_PER_1K", "-1"),
        ("INBOUND_RPS", "-1"),
        ("OUTBOUND_RPS", "0"),
        ("OUTBOUND_RPS", "nan"),
        ("OUTBOUND_RPS", "inf"),
        ("INBOUND_RPS", "inf"),
        ("RATE_LIMIT", "-1"),
        ("RATE_WINDOW", "0"),
        ("MAX_BATCH", "0"),
        ("MAX_BATCH", "1000"),
        ("MAX_BATCH_TOKENS", "0"),
        ("MIN_BATCH", "0"),
        ("START_BATCH", "x"),
        ("BATCH_FLUSH_SECONDS", "-0.1"),
        ("MAX_RETRIES", "1.5"),
        ("BACKOFF_SECONDS", "0"),
        ("MAX_IN_FLIGHT", "0"),
        ("GROK_TIMEOUT_SECONDS", "soon"),
        ("ERROR_THRESHOLD", "0"),
        ("COOLDOWN_SECONDS", "-1"),
        ("MAX_QUEUE_DEPTH", "0"),
        ("PREFILTER", "perhaps"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable(start: Start, name: str, value: str) -> None:
    complained = start(**{name: value})

    assert isinstance(complained, str), f"{name}={value} was accepted"
    assert complained.startswith(f"{name}: ")
    assert "\n" not in complained


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"PORT": "web"}, "PORT: must be a whole number from 0 to 65535"),
        ({"OUTBOUND_RPS": "0"}, "OUTBOUND_RPS: must be a number above 0"),
        ({"RATE_LIMIT": "many"}, "RATE_LIMIT: must be a whole number of at least 0"),
        ({"COOLDOWN_SECONDS": "-1"}, "COOLDOWN_SECONDS: must be a number above 0 and up to 3600"),
        ({"GROK_MODE": "maybe"}, "GROK_MODE: must be one of auto, real, offline"),
        ({"PREFILTER": "perhaps"}, "PREFILTER: must be one of on, off"),
        (
            {"GROK_REASONING_EFFORT": "extreme"},
            "GROK_REASONING_EFFORT: must be one of none, low, medium, high, xhigh",
        ),
        (
            {"GROK_BASE_URL": "here"},
            "GROK_BASE_URL: must be an address that begins with http:// or https://",
        ),
    ],
)
def test_a_complaint_says_in_plain_words_what_a_value_must_be(
    start: Start, given: dict[str, str], line: str
) -> None:
    assert start(**given) == line


PYDANTIC = ("Input should", "Value error", "valid integer", "unable to parse", "String should")


@pytest.mark.parametrize("value", ["", "x", "-1", "1e400", "nan", "\u00e9", "9" * 400])
@pytest.mark.parametrize("name", ["PORT", "MAX_IN_FLIGHT", "RETENTION_DAYS", "LOG_LEVEL", "GEMINI_BASE_URL"])
def test_no_complaint_is_in_the_words_of_a_library(start: Start, name: str, value: str) -> None:
    complained = start(**{name: value})

    assert isinstance(complained, dict) or not any(words in complained for words in PYDANTIC)


def test_a_batch_size_meant_for_the_importer_is_told_where_it_belongs(start: Start) -> None:
    complained = start(BATCH_SIZE="500")

    assert complained.startswith("BATCH_SIZE: must be a whole number from 1 to 256")
    assert "MAX_BATCH" in complained
    assert "INGEST_BATCH_SIZE" in complained
    assert start(MAX_BATCH="500") == "MAX_BATCH: must be a whole number from 1 to 256"


def test_gemini_alone_is_refused_because_it_only_stands_in(start: Start) -> None:
    assert start(GEMINI_API_KEY="k").startswith("GEMINI_API_KEY has no effect without GROK_API_KEY")
    assert start(GEMINI_API_KEY="k", GROK_MODE="offline")["offline"]
    assert start(GEMINI_API_KEY="k", GROK_API_KEY="k")["offline"] is False


def test_every_bad_value_is_named(start: Start) -> None:
    complained = start(PORT="web", MAX_RETRIES="many")

    assert "PORT: " in complained
    assert "MAX_RETRIES: " in complained


@pytest.mark.parametrize(
    ("given", "batches"),
    [
        ({"MAX_BATCH": "3"}, (1, 3, 3)),
        ({"MAX_BATCH": "1"}, (1, 1, 1)),
        ({"MIN_BATCH": "10"}, (10, 10, 50)),
        ({"MIN_BATCH": "2", "START_BATCH": "4", "MAX_BATCH": "8"}, (2, 4, 8)),
    ],
)
def test_batch_sizes_that_are_not_set_follow_those_that_are(
    start: Start, given: dict[str, str], batches: tuple[int, int, int]
) -> None:
    read = start(**given)

    assert (read["min_batch"], read["start_batch"], read["max_batch"]) == batches


@pytest.mark.parametrize(
    "given",
    [
        {"START_BATCH": "9", "MAX_BATCH": "8"},
        {"MIN_BATCH": "9", "MAX_BATCH": "8"},
        {"MIN_BATCH": "5", "START_BATCH": "4"},
    ],
)
def test_batch_sizes_that_are_set_must_be_in_order(start: Start, given: dict[str, str]) -> None:
    assert "MIN_BATCH <= START_BATCH <= MAX_BATCH" in start(**given)


@pytest.mark.parametrize(
    ("mode", "key", "read_as", "offline"),
    [
        ("auto", "k", "auto", False),
        ("auto", "", "auto", True),
        ("real", "k", "real", False),
        ("offline", "k", "offline", True),
        ("mock", "k", "offline", True),
        (" Mock ", "", "offline", True),
    ],
)
def test_the_mode_says_who_analyses(start: Start, mode: str, key: str, read_as: str, offline: bool) -> None:
    read = start(GROK_MODE=mode, GROK_API_KEY=key)

    assert (read["grok_mode"], read["offline"]) == (read_as, offline)


def test_real_without_a_key_is_an_error_at_start(start: Start) -> None:
    assert start(GROK_MODE="real") == "GROK_MODE=real needs GROK_API_KEY"


def test_the_env_file_is_read_and_the_environment_wins(start: Start, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=9000\nMAX_RETRIES=7\nXAI_API_KEY=from file\nSOMETHING_ELSE=1\n")

    read = start(PORT="9001")

    assert (read["port"], read["max_retries"], read["grok_api_key"]) == (9001, 7, "from file")


def test_case_and_emptiness_do_not_matter(start: Start) -> None:
    read = start(log_level="debug", PREFILTER="OFF", MAX_RETRIES="", DATABASE_URL="", DB_PATH="a.db")

    assert (read["log_level"], read["prefilter"], read["max_retries"]) == ("DEBUG", "off", 3)
    assert read["url"] == "sqlite+aiosqlite:///a.db"
