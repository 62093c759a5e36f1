"""Schemathesis against the running service, on SQLite and on PostgreSQL: `python -m tests.faults.fuzz`.

It invents requests from the OpenAPI document, good ones and bad ones, and holds the answers against it. The
service must also not have logged an error, and must have analysed all that it took in. 0 where nothing was
found, 1 otherwise; `--examples` is how many requests it invents for each operation.
"""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from benchmarks.support.databases import KINDS, fresh
from benchmarks.support.process import Process, address

# Bounded by time alone, a busy machine would leave out whole phases. 50 examples of each took over eight minutes.
EXAMPLES = 12
LONGEST = 300
SECONDS_TO_DRAIN = 60
LONGEST_LINE = 1_000  # a request that was found may have a megabyte
# JSON schema cannot say that `start_time` needs `end_time`, that a date is of the years 1970 to 2100, or that a
# text is more than white space: for these a 400 to a request that fits the schema is right. The other operations
# must take whatever fits.
RULES_BEYOND_THE_SCHEMA = (
    "POST /api/v1/conversations",
    "POST /api/v1/conversations/bulk",
    "GET /api/v1/insights",
    "GET /api/v1/trends",
    "GET /chats",
    "POST /chats",
)
# U+0000 and lone surrogates are refused everywhere, which a schema cannot say either. A list of more items than
# allowed may be too large to be looked at at all: 413. An id that was deleted may be used again, and is then seen; one
# that the sender chose may be posted twice, is 202 both times, and gone for both when one of them is deleted.
# Where analysis was paused, a `wait` of up to 60 s is waited out.
CONFIGURATION = """
color = false
request-timeout = 70
[checks.negative_data_rejection]
expected-statuses = [400, 404, 405, 409, 413, 415]
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
    options = parser.parse_args()
    with ExitStack() as stack, ThreadPoolExecutor(len(KINDS)) as pool:
        folders = {kind: Path(stack.enter_context(TemporaryDirectory(prefix="fuzz-"))) for kind in KINDS}
        urls = {kind: stack.enter_context(fresh(kind, folder)) for kind, folder in folders.items()}
        # Side by side: Schemathesis waits for the service, and the service for it.
        runs = [
            pool.submit(_fuzz, kind, address(url), folders[kind], options.examples, options.only)
            for kind, url in urls.items()
        ]
        found = [finding for run in runs for finding in run.result()]
    for finding in found:
        _say(f"FOUND {finding}")
    _say(f"{len(found)} findings" if found else "Nothing was found.")
    return 1 if found else 0


def _fuzz(kind: str, url: str, folder: Path, examples: int, only: str) -> list[str]:
    _say(f"{kind}: a fresh service, offline, without rate limits, {examples} examples of each operation")
    with Process(folder, DATABASE_URL=url, GROK_MODE="offline", INBOUND_RPS=0) as service:
        found = _schemathesis(kind, service.url, folder, examples, only)
        # It may have paused analysis; that is a call like any other.
        httpx.post(f"{service.url}/api/v1/analysis/resume", trust_env=False).raise_for_status()
        found += [] if service.drained(SECONDS_TO_DRAIN) else ["what was taken in was not analysed"]
    found += [f"logged: {line}" for line in service.errors]
    return [f"{kind}: {finding}" for finding in found]


def _schemathesis(kind: str, url: str, folder: Path, examples: int, only: str) -> list[str]:
    configuration = folder / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    program = str(Path(sys.executable).with_name("schemathesis"))
    command = [
        program,
        "--config-file",
        str(configuration),
        "run",
        f"{url}/openapi.json",
        f"--max-examples={examples}",
        f"--max-time={LONGEST}",
        *((f"--include-path-regex={only}",) if only else ()),
    ]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            _say(f"{kind}: {line[:LONGEST_LINE].rstrip()}")
    return [f"schemathesis ended with {run.returncode}, see above"] if run.returncode else []


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")  # in one piece, as two write
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
