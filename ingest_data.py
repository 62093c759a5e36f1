"""Sends a file of conversations to a running service: `python ingest_data.py --help`.

Uses the HTTP API and nothing else of the server. Interrupted, it can be run again: what the service has is
known by its external_id and not stored twice. Exit codes: 0 when something could be sent, 1 when nothing could
or the service went away, 2 for bad arguments or a file that cannot be read, 130 when interrupted.
"""

import asyncio
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import stamina
from pydantic import Field, HttpUrl, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console

from client import AsyncClient, ClientError
from client.importers import chats, conversations, threads
from client.importers.chats import Dialogues, Record
from client.importers.rows import Rejected, Row, Rows, Table, Unreadable, opened
from client.importers.threads import Threads
from client.importing import report
from client.importing.analysis import AnalysisCounts, opening, wait
from client.importing.delivery import Delivery, Tally
from client.importing.summaries import SummaryCounts, summarise
from client.progress import Meter
from client.sending import OnPause, ignore

SAMPLE = Path(__file__).with_name("sample_tweets.csv")
PATIENCE = 60  # seconds that the service may be gone, for a restart
PATIENCE_AT_START = 3
ROWS_BETWEEN_LOOKS = 1_000


class Environment(BaseSettings):
    """What the environment and `.env` say, and the command line over them."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    api_url: HttpUrl = HttpUrl("http://localhost:8000")
    dataset_csv: Path = SAMPLE
    batch_size: int = Field(100, ge=1, le=500)


@dataclass(frozen=True, slots=True)
class Feed:
    """Conversations to send, and how far through their source they are."""

    records: Iterator[Record]
    total: int
    done: Callable[[], int]


@dataclass(slots=True)
class Run:
    """One run of the program. What it has found out is there at any moment, also when it is interrupted."""

    environment: Environment
    encoding: str
    console: Console
    tally: Tally
    waits: bool = False
    summarizes: bool = False
    analysed: AnalysisCounts = field(default_factory=AnalysisCounts)
    summaries: SummaryCounts = field(default_factory=SummaryCounts)
    openings: dict[str, str] = field(default_factory=dict)
    blank: int = 0

    def send(self) -> None:
        """Sends the file and, if it is asked to, waits and summarises. Raises Unreadable and ClientError."""
        file = opened(self.environment.dataset_csv, self.encoding)
        with file as rows, closing(Threads()) as tweets, closing(Dialogues()) as dialogues:
            try:
                asyncio.run(self._check())
                asyncio.run(self._deliver(self._feed(rows, tweets, dialogues)))
            finally:
                self.blank = rows.blank
                self.tally.left_out = dialogues.left_out
        if self.waits:
            asyncio.run(self._wait(self.tally.ids or ()))
        if self.summarizes:
            asyncio.run(self._summarize(self.tally.ids or ()))

    def report(self) -> None:
        """Prints what there is to say; nothing where nothing was begun."""
        if self.tally.sent or self.tally.rejected.count:
            report.print_tally(self.console, self.tally, self.blank)
        if self.analysed.ended:
            report.print_analysis(self.console, self.analysed, self.openings)
        if self.summaries.ended:
            report.print_summaries(self.console, self.summaries)

    async def _check(self) -> None:
        async with self._client(patience=PATIENCE_AT_START) as client:
            await client.alive()

    def _feed(self, rows: Rows, tweets: Threads, dialogues: Dialogues) -> Feed:
        if not isinstance(rows, Table):
            return Feed(chats.from_objects(rows, dialogues), rows.size, lambda: rows.position)
        if threads.are_in(rows.columns):
            self._take(rows, tweets.take)
            with self.console.status("Putting replies together"):
                return Feed(tweets.conversations(), tweets.taken, lambda: tweets.given)
        if chats.are_in(rows.columns):
            self._take(rows, dialogues.take)
            return Feed(dialogues.chats(), dialogues.taken, lambda: dialogues.given)
        return Feed(conversations.from_table(rows), rows.size, lambda: rows.position)

    def _take(self, rows: Rows, take: Callable[[Row], Rejected | None]) -> None:
        with Meter(self.console, "Reading", "rows", rows.size) as meter:
            for count, row in enumerate(rows, 1):
                rejected = row if isinstance(row, Rejected) else take(row)
                if rejected is not None:
                    self.tally.rejected.add(rejected.line, rejected.reason)
                if not count % ROWS_BETWEEN_LOOKS:
                    meter.show(rows.position, count)

    async def _deliver(self, feed: Feed) -> None:
        with Meter(self.console, "Sending", "conversations", feed.total) as meter:

            def show() -> None:
                meter.show(feed.done(), self.tally.sent)

            async with self._client(on_pause=meter.pause) as client:
                await Delivery(client, self.tally, show).send(feed.records, self.environment.batch_size)

    async def _wait(self, ids: Collection[str]) -> None:
        with Meter(self.console, "Waiting", "conversations", len(ids)) as meter:

            def show() -> None:
                meter.show(self.analysed.ended, self.analysed.ended)

            async with self._client(on_pause=meter.pause) as client:
                await wait(client, ids, self.analysed, on_progress=show)
                for example in self.analysed.examples:
                    id_ = example.conversation_id
                    self.openings[id_] = await opening(client, id_)

    async def _summarize(self, ids: Collection[str]) -> None:
        with Meter(self.console, "Summarising", "chats", len(ids)) as meter:

            def show() -> None:
                meter.show(self.summaries.ended, self.summaries.ended)

            async with self._client(on_pause=meter.pause) as client:
                await summarise(client, ids, self.summaries, on_progress=show)

    def _client(self, *, patience: float = PATIENCE, on_pause: OnPause = ignore) -> AsyncClient:
        return AsyncClient(str(self.environment.api_url), patience=patience, on_pause=on_pause)


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
        return _ended(run, f"nothing could be sent of {run.environment.dataset_csv}", 1)
    run.report()
    return 0


def _ended(run: Run, why: str, code: int) -> int:
    run.report()
    Console(stderr=True).print(f"ingest_data.py: {why}", markup=False, highlight=False, soft_wrap=True)
    return code


def _run(arguments: Sequence[str] | None) -> Run:
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    encoding, waits, summarizes = (given.pop(name) for name in ("encoding", "wait", "summarize"))
    try:
        environment = Environment(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        parser.error("; ".join(f"{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors()))
    tally = Tally(ids={} if waits or summarizes else None)
    return Run(environment, encoding, Console(highlight=False), tally, waits, summarizes)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(description="Sends a file of conversations to a running service.")
    parser.add_argument(
        "--file",
        "--source",
        dest="dataset_csv",
        metavar="FILE",
        help="the Customer Support on Twitter CSV (replies become conversations), dialogues with roles (a row a "
        "message, or NDJSON with messages) which become chats, any CSV with a text column, JSON or NDJSON; else "
        "DATASET_CSV, else the built-in sample",
    )
    parser.add_argument("--api-url", metavar="URL", help="else API_URL, else http://localhost:8000")
    parser.add_argument(
        "--batch-size", metavar="N", help="conversations a request, 1 to 500; else BATCH_SIZE, else 100"
    )
    parser.add_argument(
        "--encoding", default="utf-8-sig", help="of the file, if it is not UTF-8; such as cp1252"
    )
    parser.add_argument("--wait", action="store_true", help="wait for the analysis and print what came out")
    parser.add_argument(
        "--summarize", action="store_true", help="have all of them summarised and print what came out"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
