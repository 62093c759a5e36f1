"""One run of the importer: reads a file, looks at it, sends it, and waits for what comes of it."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from client import AsyncClient
from client.importers import chats, checks, conversations, threads
from client.importers.base import Rejected, Rows
from client.importers.chats import Dialogues, Record
from client.importers.fields import Reader
from client.importers.mapping import where_it_goes
from client.importers.recognition import opened_as
from client.importers.said import Messages
from client.importers.spool import Spool
from client.importers.tables import Table
from client.importers.threads import Threads
from client.importing import report
from client.importing.analysis import AnalysisCounts, opening, wait
from client.importing.delivery import Delivery, Freshness, Tally, rehearse
from client.importing.summaries import SummaryCounts, summarise
from client.progress import Meter
from client.sending import OnPause, ignore

PATIENCE = 60  # seconds that the service may be gone, for a restart
PATIENCE_AT_START = 3
ROWS_BETWEEN_LOOKS = 1_000
QUIET = (
    "Chats are analysed once they have been quiet for the service's CHAT_QUIET_SECONDS, 30 unless it is set."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to do."""

    url: str
    file: Path
    encoding: str
    batch_size: int
    form: str | None = None
    """The format of the file, where it was named."""
    zone: str = "UTC"
    key: str | None = None
    """The service's API key."""
    announcement: str = ""
    """A line that is printed before anything is sent: what goes where."""
    sends: bool = True
    waits: bool = False
    summarizes: bool = False
    freshness: Freshness = "now"


@dataclass(frozen=True, slots=True)
class Feed:
    """Conversations to send, and how far through their source they are."""

    records: Iterator[Record]
    total: int
    done: Callable[[], int]


@dataclass(slots=True)
class Run:
    """One run of the program. What it has found out is there at any moment, also when it is interrupted."""

    plan: Plan
    reader: Reader
    console: Console
    tally: Tally
    analysed: AnalysisCounts = field(default_factory=AnalysisCounts)
    summaries: SummaryCounts = field(default_factory=SummaryCounts)
    openings: dict[str, str] = field(default_factory=dict)
    blank: int = 0

    def send(self) -> None:
        """Sends the file and, if it is asked to, waits and summarises. Raises Unreadable and ClientError."""
        with opened_as(self.plan.file, self.plan.encoding, self.reader, self.plan.form) as found:
            checks.refuse_options_without_use(found, self.reader)
            try:
                self._send_messages(found) if isinstance(found, Messages) else self._send_rows(found)
            finally:
                self._keep_what_was_found(found)
        if self.plan.waits:
            asyncio.run(self._wait(self.tally.ids or ()))
        if self.plan.summarizes:
            asyncio.run(self._summarize(self.tally.ids or ()))

    def report(self) -> None:
        """Prints what there is to say; nothing where nothing was begun."""
        if self.tally.sent or self.tally.rejected.count or self.tally.left_out:
            report.print_tally(
                self.console, self.tally, self.blank, sends=self.plan.sends, zone=self.plan.zone
            )
        if self.analysed.ended:
            report.print_analysis(self.console, self.analysed, self.openings)
        if self.summaries.ended:
            report.print_summaries(self.console, self.summaries)

    @property
    def is_complete(self) -> bool:
        """Whether all of the file is in the service now (or would be), here or from a run before."""
        return bool(self.tally.sent) and not self.tally.rejected.count and not self.tally.conflicts.count

    def _send_rows(self, rows: Rows) -> None:
        with closing(Threads(self.reader)) as tweets, closing(Dialogues(self.reader)) as dialogues:
            for note in checks.notes_on(rows, self.reader):
                self._say(note)
            goes = where_it_goes(rows, self.reader)
            self._pass_on(lambda: self._feed(rows, tweets, dialogues), goes)

    def _send_messages(self, messages: Messages) -> None:
        self._say(f"This is read as {messages.title}.")
        with closing(Spool(self.reader)) as spool:
            self._pass_on(lambda: self._feed_of(messages, spool))

    def _feed_of(self, messages: Messages, spool: Spool) -> Feed:
        self._take(messages, spool.take)
        spool.settle(messages)
        return Feed(spool.chats(), spool.taken, lambda: spool.given)

    def _pass_on(self, feed: Callable[[], Feed], goes: str = "") -> None:
        if self.plan.sends:
            asyncio.run(self._check())
        for line in (self.plan.announcement if self.plan.sends else "", goes):
            if line:
                self._say(line)
        if not self.plan.sends:
            self._rehearse(feed())
            return
        asyncio.run(self._deliver(feed()))

    def _say(self, what: str) -> None:
        self.console.print(what, markup=False, soft_wrap=True)

    def _keep_what_was_found(self, found: Rows | Messages) -> None:
        self.blank = found.blank
        self.tally.left_out, self.tally.fields_left_out = self.reader.left_out, self.reader.fields_left_out
        self.tally.silent_agents = self.reader.agents.silent
        self.tally.without_offset = self.reader.times.without_offset
        for line, what in found.warnings:
            self.tally.warnings.add(line, what)

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
        if chats.are_in(rows.columns, self.reader):
            self._take(rows, dialogues.take)
            return Feed(dialogues.chats(), dialogues.taken, lambda: dialogues.given)
        return Feed(conversations.from_table(rows, self.reader), rows.size, lambda: rows.position)

    def _take(self, rows: Rows | Messages, take: Callable[[Any], Rejected | None]) -> None:
        with Meter(self.console, "Reading", "rows", rows.size) as meter:
            for count, row in enumerate(rows, 1):
                rejected = take(row)
                if rejected is not None:
                    self.tally.rejected.add(rejected.line, rejected.reason)
                if not count % ROWS_BETWEEN_LOOKS:
                    meter.show(rows.position, count)

    def _rehearse(self, feed: Feed) -> None:
        with Meter(self.console, "Looking", "conversations", feed.total) as meter:
            rehearse(feed.records, self.tally, lambda: meter.show(feed.done(), self.tally.sent))

    async def _deliver(self, feed: Feed) -> None:
        with Meter(self.console, "Sending", "conversations", feed.total) as meter:

            def show() -> None:
                meter.show(feed.done(), self.tally.sent)

            async with self._client(on_pause=meter.pause) as client:
                await Delivery(client, self.tally, show, self.plan.freshness).send(
                    feed.records, self.plan.batch_size
                )

    async def _wait(self, ids: Collection[str]) -> None:
        if self.tally.chats:
            self.console.print(QUIET, markup=False, soft_wrap=True)
        with Meter(self.console, "Waiting", "conversations", len(ids)) as meter:

            def show() -> None:
                meter.show(self.analysed.ended, self.analysed.ended)

            async with self._client(on_pause=meter.pause) as client:
                await wait(client, ids, self.analysed, on_progress=show, on_reasons=self._tell)
                for example in self.analysed.examples:
                    id_ = example.conversation_id
                    self.openings[id_] = await opening(client, id_)

    def _tell(self, reasons: Sequence[str]) -> None:
        why = f"Analysis stands still: {'; '.join(reasons)}" if reasons else "Analysis goes on."
        self.console.print(why, markup=False, soft_wrap=True)

    async def _summarize(self, ids: Collection[str]) -> None:
        with Meter(self.console, "Summarising", "chats", len(ids)) as meter:

            def show() -> None:
                meter.show(self.summaries.ended, self.summaries.ended)

            async with self._client(on_pause=meter.pause) as client:
                await summarise(client, ids, self.summaries, on_progress=show)

    def _client(self, *, patience: float = PATIENCE, on_pause: OnPause = ignore) -> AsyncClient:
        return AsyncClient(self.plan.url, key=self.plan.key, patience=patience, on_pause=on_pause)
