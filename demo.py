"""`make demo`: start a service without a key, send the sample, show what came out of it.

Leaves demo.db behind, so that `make dashboard` can show the same.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from client import Client, ClientError, calls
from client.answers import ListedInsight, Trends

HERE = Path(__file__).parent
DATABASE = HERE / "demo.db"
"""What the last demo stored."""
SECONDS_TO_START = 30
SECONDS_TO_OFFER = 10
SHOWN = 15
START, END = "2026-11-01", "2026-12-01"
"""The month that the sample is from."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def service(database: Path) -> Iterator[str]:
    """A running service with the SQLite file `database`, which it makes if there is none; gives its address."""
    port = free_port()
    own = {"GROK_MODE": "offline", "DATABASE_URL": f"sqlite:///{database}", "LOG_LEVEL": "ERROR"}
    own |= {"AUTH_REQUIRED": "false", "AUTH_SECRET": "", "AUTH_SECRET_FILE": ""}
    own |= {"BATCH_FLUSH_SECONDS": "0.1"}  # nothing more is coming, so there is nothing to wait for
    environment = {**os.environ, **own, "HOST": "127.0.0.1", "PORT": str(port), "RATE_LIMIT": "0"}
    process = subprocess.Popen([sys.executable, HERE / "main.py"], env=environment)  # noqa: S603  our own
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Return when the service answers. Raises SystemExit where it ended or takes too long."""
    deadline = time.monotonic() + SECONDS_TO_START
    with Client(url) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                client.send_once(calls.alive())
                return
            except ClientError:
                time.sleep(0.1)
    raise SystemExit("the service did not start")


def insights_table(insights: Sequence[ListedInsight]) -> Table:
    """The insights of the newest conversations, a row each."""
    table = Table(title="Insights, newest conversation first", expand=True)
    table.add_column("when", no_wrap=True, min_width=11)
    table.add_column("text", no_wrap=True, ratio=3)
    table.add_column("sentiment", no_wrap=True, min_width=9)
    table.add_column("score", no_wrap=True, min_width=5)
    table.add_column("topics", no_wrap=True, ratio=2)
    for each in insights:
        table.add_row(
            f"{each.timestamp:%m-%d %H:%M}",
            " ".join(each.text.removeprefix("customer: ").split()),
            each.sentiment,
            _score(each.grok_analysis.sentiment_score),
            ", ".join(each.grok_analysis.clusters),
        )
    return table


def _score(score: float | None) -> str:
    return "" if score is None else f"{score:+.2f}"


def trends_table(trends: Trends) -> Table:
    """The days that have insights, a row each."""
    table = Table("day", "total", "positive", "neutral", "negative", "unsure", "mean", title="Trends")
    for day in trends.series:
        if day.total:
            counts = map(str, (day.total, day.positive, day.neutral, day.negative, day.unsure))
            table.add_row(f"{day.start:%Y-%m-%d}", *counts, _score(day.mean_sentiment))
    return table


def show(console: Console, client: Client) -> None:
    """Print the insights and trends of the sample."""
    console.print(insights_table(client.insights_page(start_time=START, end_time=END, limit=SHOWN).insights))
    trends = client.trends(start_time=START, end_time=END)
    console.print(trends_table(trends))
    topics = ", ".join(f"{slug} {count}" for slug, count in trends.top_topics)
    console.print(f"{trends.total_insights} insights. Top topics: {topics}")


def ingest(url: str) -> int:
    """Send the sample and wait for its analysis; the exit code."""
    sample = ["--file", str(HERE / "sample_tweets.csv")]
    program = [sys.executable, str(HERE / "ingest_data.py"), *sample, "--api-url", url, "--wait"]
    return subprocess.run(program, check=False).returncode  # noqa: S603  our own


NEXT_STEPS = """
What next
  make dashboard                                        the same as pages for people, on http://localhost:8501
  DB_PATH=demo.db make run                              serve what the demo has found, on http://localhost:8000; /docs
                                                        there shows every call. make run alone has a database of its own
  GROK_API_KEY=... DB_PATH=demo.db make run             the same, with Grok instead of the word list; what is there
                                                        already, by POST /api/v1/reanalysis (docs/API.md#re-analysis)
  .venv/bin/python ingest_data.py --file yours.csv --dry-run    what would be sent of your own file; docs/IMPORT.md
The insights above are the offline analyzer's, a word list: it knows English, and neither irony nor context."""


def shown(console: Console, database: Path) -> int:
    """Send the sample to a service on an empty database and show what came out; the exit code."""
    with service(database) as url:
        console.print(f"    It runs at {url}.")
        console.print(
            "2/3 Sending sample_tweets.csv, 86 made-up tweets in 67 conversations, and waiting for their analysis."
        )
        if code := ingest(url):
            return code
        console.print(
            "3/3 Reading what came out: the newest conversations with their insights, and the trends of the month."
        )
        with Client(url) as client:
            show(console, client)
            console.print(offered(client), soft_wrap=True)
    return 0


def offered(client: Client) -> str:
    """What Grok would cost for what was analysed offline; nothing where the service does not say it soon."""
    deadline = time.monotonic() + SECONDS_TO_OFFER
    while time.monotonic() < deadline:
        if (offer := client.health().offer) is not None:
            price = "a price that is not known" if offer.usd is None else f"about ${offer.usd:.2f}"
            return f"{offer.conversations} conversations were analysed offline; Grok would cost {price}."
        time.sleep(0.2)
    return ""


def keep(database: Path, place: Path) -> str:
    """Put the database of a service that has ended in a place, for its owner alone; what to tell of it.

    Not under a service that is at work there: a log (`-wal`) beside a file is written into it at the next start, also
    when the file is another one by then.
    """
    if place.with_name(f"{place.name}-wal").exists():
        return f"{place.name} is open, so it stays as it was."
    try:
        with tempfile.NamedTemporaryFile(dir=place.parent, suffix=".half", delete=False) as half:
            half.write(database.read_bytes())
        Path(half.name).replace(place)
    except OSError as error:
        return f"{place} cannot be written ({error.strerror}), so make dashboard has nothing of this to show."
    return f"All of it is in {place.name}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 where all of it worked."""
    ArgumentParser("demo.py", description=__doc__).parse_args(arguments)
    console = Console(highlight=False)
    console.print(
        "1/3 Starting the service: no key, so the offline analyzer; an empty database in a temporary folder."
    )
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / DATABASE.name
        if code := shown(console, database):
            return code
        console.print(keep(database, DATABASE))
    console.print(NEXT_STEPS, soft_wrap=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
