"""Sends a file of conversations to a running service: `python ingest_data.py --help`, and docs/IMPORT.md.

Uses the HTTP API and nothing else of the server. Interrupted, it can be run again: what the service has is
known by its id and not stored twice. Exit codes: 0 when all of the file is in the service, 1 when anything was
rejected or in conflict, nothing could be sent or the service went away, 2 for bad arguments or a file that cannot
be read, 130 when interrupted.
"""

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import stamina
from pydantic import Field, HttpUrl, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console

from client import ClientError
from client.importers.agents import Agents
from client.importers.fields import IDENTITY, TEXT, TIMESTAMP, Reader
from client.importers.files import DEFAULT_ENCODING, Unreadable
from client.importers.recognition import FORMATS
from client.importers.times import ORDERS, Times
from client.importing.delivery import Tally
from client.importing.run import Plan, Run

SAMPLE = Path(__file__).with_name("sample_tweets.csv")
SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
FILES = (
    *(".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".gz", ".zip", ".xlsx"),
    *(".mbox", ".eml", ".vtt", ".srt"),
)


class Environment(BaseSettings):
    """What the environment and `.env` say, and the command line over them."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    api_url: HttpUrl = HttpUrl("http://localhost:8000")
    api_key: SecretStr | None = None
    dataset_csv: Path = SAMPLE
    ingest_batch_size: int = Field(500, ge=1, le=500)


PLAIN = {
    "api_url": "must be an address such as http://localhost:8000",
    "ingest_batch_size": "must be a whole number from 1 to 500",
}
"""In place of pydantic's words."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code."""
    run = _run(arguments)
    stamina.instrumentation.set_on_retry_hooks([])  # the meter tells of pauses; a log line each would tear it
    try:
        run.send()
    except (Unreadable, ClientError) as error:
        return _ended(run, str(error), 2 if isinstance(error, Unreadable) else 1)
    except KeyboardInterrupt:
        return _ended(run, "interrupted; run it again to go on", 130)
    if not run.tally.sent:
        return _ended(run, _why_nothing(run), 1)
    run.report()
    return 0 if run.is_complete else 1


def _announcement(environment: Environment) -> str:
    file = environment.dataset_csv
    name = f"the built-in sample, {SAMPLE.name}," if file == SAMPLE else str(file)
    url = urlsplit(str(environment.api_url))
    # Without a name and a password that the address may hold.
    return f"Sending {name} to {url.scheme}://{url.netloc.rpartition('@')[2]}{url.path.rstrip('/')}"


def _why_nothing(run: Run) -> str:
    if run.tally.rejected.count:
        return f"nothing could be sent of {run.plan.file}"
    if run.tally.left_out:
        return f"nothing in {run.plan.file} is a message of a customer or an agent"
    return f"{run.plan.file} has no rows"


def _ended(run: Run, why: str, code: int) -> int:
    run.report()
    _complain(why)
    return code


def _complain(what: str) -> None:
    Console(stderr=True).print(f"ingest_data.py: {what}", markup=False, highlight=False, soft_wrap=True)


def _run(arguments: Sequence[str] | None) -> Run:
    parser = _parser()
    given = parser.parse_args(arguments)
    _settle_source(parser, given)
    variables = {name: getattr(given, name) for name in Environment.model_fields}
    try:
        environment = Environment(**{name: value for name, value in variables.items() if value is not None})
    except ValidationError as error:
        wrong = [str(each["loc"][0]) for each in error.errors()]
        parser.error("; ".join(f"{name.upper()}: {PLAIN.get(name, 'is not valid')}" for name in wrong))
    plan = _plan(environment, vars(given))
    tally = Tally(ids={} if plan.waits or plan.summarizes else None)
    return Run(plan, _reader(parser, given), Console(highlight=False), tally)


def _settle_source(parser: ArgumentParser, given: Namespace) -> None:
    """`--source` names a source; in the prototype it named a file, and one that exists is still opened."""
    source = given.source
    if source is None:
        return
    if given.dataset_csv is None and Path(source).is_file():
        _complain(
            "--source FILE is --file FILE now; --source names where the ids come from. The file is read."
        )
        given.dataset_csv, given.source = source, None
    elif not SOURCE.fullmatch(source) or source.lower().endswith(FILES):
        parser.error(f"--source {source}: a name of letters, digits, . _ and -; --file opens a file")


def _plan(environment: Environment, given: Mapping[str, Any]) -> Plan:
    return Plan(
        url=str(environment.api_url),
        key=None if environment.api_key is None else environment.api_key.get_secret_value(),
        file=environment.dataset_csv,
        encoding=given["encoding"],
        batch_size=environment.ingest_batch_size,
        form=given["format"],
        zone=given["time_zone"] or "UTC (--time-zone names another)",
        announcement=_announcement(environment),
        sends=not given["dry_run"],
        waits=given["wait"] and not given["dry_run"],
        summarizes=given["summarize"] and not given["dry_run"],
        freshness=given["freshness"],
    )


def _reader(parser: ArgumentParser, given: Namespace) -> Reader:
    return Reader(
        text=_column(given.text_column, TEXT),
        timestamp=_column(given.time_column, TIMESTAMP),
        identity=_column(given.id_column, IDENTITY),
        source=given.source or "",
        times=Times(given.date_order, _zone(parser, given.time_zone)),
        agents=Agents(given.agent or ()),
        begin=_begin(parser, given),
    )


def _column(name: str | None, known: Sequence[str]) -> Sequence[str]:
    return known if name is None else (name.strip(),)


def _zone(parser: ArgumentParser, name: str | None) -> tzinfo:
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        parser.error(f"--time-zone {name}: no zone has this name; it is one such as Europe/Berlin or UTC")


def _begin(parser: ArgumentParser, given: Namespace) -> datetime | None:
    if given.begin is None:
        return None
    try:
        return datetime.fromisoformat(
            Times(given.date_order, _zone(parser, given.time_zone)).read(given.begin)
        )
    except ValueError as error:
        parser.error(f"--begin {given.begin}: {error}; write it as 2026-11-03 12:00")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(description="Sends a file of conversations to a running service.")
    parser.add_argument(
        "--file",
        dest="dataset_csv",
        metavar="FILE",
        help="the Customer Support on Twitter CSV (replies become conversations), dialogues with roles (a row a "
        "message, or NDJSON with messages) which become chats, any CSV with a text column, JSON or NDJSON, each "
        "also in a gzip or zip; exports of help desks and messengers, mail and subtitles (docs/IMPORT.md); else "
        "DATASET_CSV, else the built-in sample",
    )
    parser.add_argument("--api-url", metavar="URL", help="else API_URL, else http://localhost:8000")
    parser.add_argument(
        "--api-key",
        metavar="KEY",
        help="where the service wants one; else API_KEY, which no list of processes shows",
    )
    parser.add_argument(
        "--batch-size",
        dest="ingest_batch_size",
        metavar="N",
        help="conversations a request, 1 to 500; else INGEST_BATCH_SIZE, else 500",
    )
    _add_reading(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would be sent, and send nothing")
    parser.add_argument(
        "--freshness",
        choices=("now", "day"),
        default="now",
        help="day: analysed within a day will do, which may be cheaper",
    )
    parser.add_argument("--wait", action="store_true", help="wait for the analysis and print what came out")
    parser.add_argument(
        "--summarize", action="store_true", help="have all of them summarised and print what came out"
    )
    return parser


def _add_reading(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--encoding",
        default=DEFAULT_ENCODING,
        help="of the file, if it is not UTF-8 or UTF-16; such as cp1252",
    )
    parser.add_argument(
        "--source",
        metavar="NAME",
        help="where the ids come from: it goes before each, so two files' 1 are two",
    )
    for what, known in (("text", TEXT), ("time", TIMESTAMP), ("id", IDENTITY)):
        parser.add_argument(f"--{what}-column", metavar="NAME", help=f"else the first of {', '.join(known)}")
    parser.add_argument("--format", choices=FORMATS, help="of the file; else it is told by what is in it")
    parser.add_argument(
        "--agent",
        metavar="NAME",
        action="append",
        help="who speaks for the company, as the file has it: a name, an id, an address or @domain; may be given "
        "several times",
    )
    parser.add_argument(
        "--begin",
        metavar="TIME",
        help="when the recording of a file of subtitles began; else what it says has no time",
    )
    parser.add_argument("--date-order", choices=ORDERS, help="of dates such as 10/11/2017")
    parser.add_argument(
        "--time-zone", metavar="ZONE", help="of times without an offset, such as Europe/Berlin; else UTC"
    )


if __name__ == "__main__":
    sys.exit(main())
