"""Schemathesis against the running service: `python -m tests.faults.fuzz`.

An open service on PostgreSQL and a closed one on SQLite; with `--all` both of both.

It invents requests from the OpenAPI document, good ones and bad ones, and holds the answers against it. The
service must also not have logged an error, and must have analysed all that it took in. 0 where nothing was
found, 1 otherwise; `--examples` is how many requests it invents for each operation.
"""

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from sqlalchemy.engine import make_url

from benchmarks.support.databases import POSTGRESQL, SQLITE, fresh
from benchmarks.support.process import Process, address
from tests.support.access import SECRET, bearer, make_keys

# The fewest: Schemathesis goes on with `fuzzing` and `stateful` until its time is up. For 6 operations and 3 examples
# it made 4,400 requests in 240 s.
EXAMPLES = 3
# Of each run, all of which it takes; the tests beside it wait for the processors.
LONGEST = 120
SECONDS_TO_DRAIN = 60
RUNS = ((SQLITE, True), (POSTGRESQL, False), (SQLITE, False), (POSTGRESQL, True))
"""Databases, and whether access is closed; the first two by default."""
PHASES = ("examples,fuzzing,stateful", "examples,coverage,fuzzing")
"""Of the first two runs; with `--all` every run has all of them.

Beside the tests `coverage` took 70 s, in which both were sent the same values.
"""
LONGEST_LINE = 1_000  # a request that was found may have a megabyte
# JSON schema cannot say that `start_time` needs `end_time` and is before it, that a date is of the years 1970 to 2100,
# that a key ends in the future, that a text is more than white space, that a cursor was given by a page before, that a
# topic is known or is not merged into itself: for these a 400 to a request that fits the schema is right.
# The other operations must take whatever fits.
RULES_BEYOND_THE_SCHEMA = (
    "POST /api/v1/conversations",
    "POST /api/v1/conversations/bulk",
    "GET /api/v1/insights",
    "GET /api/v1/trends",
    "GET /chats",
    "POST /chats",
    "GET /api/v1/audit",
    "POST /api/v1/keys",
    "GET /api/v1/topics",
    "GET /api/v1/explain",
    "GET /api/v1/facets",
    "GET /api/v1/people",
    "GET /api/v1/summaries",
    "POST /api/v1/summaries",
    "POST /api/v1/reanalysis",
    "POST /api/v1/topics/discover",
    "POST /api/v1/topics/merge",
    "POST /api/v1/topics/{topic_id}/split",
    "PATCH /api/v1/topics/{topic_id}",
    "POST /api/v1/conversations/{conversation_id}/corrections",
    "GET /api/v1/quality",
    "GET /api/v1/quality/sample",
    "POST /api/v1/webhooks",
    "PATCH /api/v1/webhooks/{webhook_id}",
    "POST /api/v1/alerts",
    "PATCH /api/v1/alerts/{alert_id}",
)
# U+0000 and lone surrogates are refused everywhere, which a schema cannot say either. A list of more items than
# allowed may be too large to be looked at at all: 413. An id that was deleted may be used again, and is then seen; one
# that the sender chose may be posted twice, is 202 both times, and gone for both when one of them is deleted.
# Where analysis was paused, a `wait` of up to 60 s is waited out. While the service is open, keys are refused with 403,
# whatever is sent. A closed one is sent bad credentials as well, for which it has 401s, and soon 429s only.
CONFIGURATION = """
color = false
request-timeout = 70
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 413, 415, 429]
[checks.ignored_auth]
enabled = false
[checks.use_after_free]
enabled = false
[checks.ensure_resource_availability]
enabled = false
[generation]
allow-x00 = false
codec = "utf-8"
database = "none"
[output.sanitization]
enabled = false
""" + "".join(
    f"""
[[operations]]
include-name = "{name}"
checks.positive_data_acceptance.enabled = false
"""
    for name in RULES_BEYOND_THE_SCHEMA
)


def main() -> int:
    """Fuzz both databases; 0 where nothing was found."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.fuzz", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--examples", type=int, default=EXAMPLES, help="of each operation (default: %(default)s)"
    )
    parser.add_argument("--only", metavar="REGEX", default="", help="of the paths that are tried")
    parser.add_argument("--all", action="store_true", help="open and closed on both databases")
    options = parser.parse_args()
    chosen = RUNS if options.all else RUNS[:2]
    with ExitStack() as stack, ThreadPoolExecutor(len(chosen)) as pool:
        runs = []
        phases = ["examples,coverage,fuzzing,stateful"] * len(RUNS) if options.all else PHASES
        for (kind, closed), phase in zip(chosen, phases, strict=True):
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="fuzz-")))
            url = address(stack.enter_context(fresh(kind, folder)))
            # Side by side: Schemathesis waits for the service, and the service for it.
            options_of_run = argparse.Namespace(**vars(options), phases=phase)
            runs.append(pool.submit(_fuzz, kind, closed, url, folder, options_of_run))
        found = [finding for run in runs for finding in run.result()]
    for finding in found:
        _say(f"FOUND {finding}")
    _say(f"{len(found)} findings" if found else "Nothing was found.")
    return 1 if found else 0


def _fuzz(kind: str, closed: bool, url: str, folder: Path, options: argparse.Namespace) -> list[str]:
    name = f"{kind}, {'closed' if closed else 'open'}"
    _say(
        f"{name}: a fresh service, offline, without rate limits, {options.examples} examples of each operation"
    )
    headers = bearer(asyncio.run(make_keys(make_url(url)))["admin"]) if closed else {}
    access: dict[str, Any] = {"AUTH_REQUIRED": "true", "AUTH_SECRET": SECRET} if closed else {}
    with Process(folder, DATABASE_URL=url, GROK_MODE="offline", INBOUND_RPS=0, **access) as service:
        found = _schemathesis(name, service.url, folder, options, headers)
        # It may have paused analysis; that is a call like any other.
        resume = f"{service.url}/api/v1/analysis/resume"
        httpx.post(resume, headers=headers, trust_env=False).raise_for_status()
        found += [] if service.drained(SECONDS_TO_DRAIN, headers) else ["what was taken in was not analysed"]
    found += [f"logged: {line}" for line in service.errors]
    return [f"{name}: {finding}" for finding in found]


def _schemathesis(
    name: str, url: str, folder: Path, options: argparse.Namespace, headers: Mapping[str, str]
) -> list[str]:
    configuration = folder / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    program = str(Path(sys.executable).with_name("schemathesis"))
    command = [
        program,
        "--config-file",
        str(configuration),
        "run",
        f"{url}/openapi.json",
        f"--max-examples={options.examples}",
        # A busy machine is no defect: there the document came after ten seconds, and examples were made too slowly.
        f"--wait-for-schema={SECONDS_TO_DRAIN}",
        "--suppress-health-check=too_slow",
        f"--phases={options.phases}",
        f"--max-time={2 * LONGEST if options.all else LONGEST}",
        *(["--exclude-path-regex=^/api/v1/keys/"] if headers else ()),  # it would revoke the key that it has
        *(f"--header={key}: {value}" for key, value in headers.items()),
        *((f"--include-path-regex={options.only}",) if options.only else ()),
    ]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            _say(f"{name}: {line[:LONGEST_LINE].rstrip()}")
    return [f"schemathesis ended with {run.returncode}, see above"] if run.returncode else []


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")  # in one piece, as two write
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
