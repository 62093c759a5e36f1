"""Downloads a service's insights in each form, for `check_readers.py`: `python -m tests.readers.downloads FOLDER`.

Made-up insights, 1 million unless `--rows` says otherwise, on SQLite; `--database FILE` takes those of an earlier run.
Prints what each download took, and fails where Parquet's first byte takes over a second, where the file is not three
times smaller than the CSV, or where the service's memory grows by 150 MB or more.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import NamedTuple

import httpx
import psutil

from benchmarks.processes import service
from benchmarks.results import ROOT
from benchmarks.support.process import Process

FORMS = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
EVER = {"start_time": "2000-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z"}
LEAST_RATIO, MOST_GROWTH, SLOWEST_BYTE = 3, 150, 1.0
MEGABYTE = 1_000_000
LOOK_SECONDS = 0.1


class Took(NamedTuple):
    """Seconds to the first byte and in all; megabytes of the file, by which the service grew, and of its child."""

    first: float
    whole: float
    size: float
    grown: float
    left: float
    child: float

    def __str__(self) -> str:
        return (
            f"first byte after {self.first:.2f} s, {self.size:.0f} MB in {self.whole:.0f} s; the service grew by "
            f"{self.grown:.0f} MB, {self.left:.0f} of them stayed; its child had {self.child:.0f} MB"
        )


class Memory:
    """The most that a process and its children have had, looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.before = self.now
        self.most, self.child = self.before, 0.0
        self._done = Event()

    @property
    def now(self) -> float:
        """Resident megabytes of the process itself."""
        return float(self._process.memory_info().rss / MEGABYTE)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look inside the block."""
        thread = Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def _look(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            self.most = max(self.most, self.now)
            for child in self._process.children():
                with suppress(psutil.Error):
                    self.child = max(self.child, child.memory_info().rss / MEGABYTE)


def main() -> int:
    """Download, and report; 0 where everything holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="readers-") as name:
        file = given.database or _seeded(Path(name) / "insights.db", given.rows)
        # A service of its own for each: what one leaves behind would hide what the next takes.
        took = {ending: _downloaded(Path(name), file, given.folder, ending) for ending in FORMS}
    return 1 if [*map(_say, _complaints(took))] else 0


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _seeded(file: Path, rows: int) -> Path:
    every = rows * 20 // 19 + 1  # one in twenty is skipped
    command = [sys.executable, str(ROOT / "benchmarks" / "seed.py"), "--database-url", f"sqlite:///{file}"]
    subprocess.run([*command, "--rows", str(every)], check=True)
    return file


def _downloaded(folder: Path, file: Path, target: Path, ending: str) -> Took:
    with service(folder, None, DATABASE_URL=f"sqlite:///{file.resolve()}", GROK_MODE="offline") as process:
        httpx.get(
            f"{process.url}/api/v1/insights", params={"limit": 1000, **EVER}, trust_env=False
        ).raise_for_status()
        took = _download(process, target / f"insights.{ending}", FORMS[ending])
    _say(f"{ending}: {took}")
    return took


def _download(process: Process, path: Path, form: str) -> Took:
    memory = Memory(process.process.pid)
    since, first = time.perf_counter(), 0.0
    with memory.watched(), path.open("wb") as file, _answer(process.url, form) as answer:
        for piece in answer.iter_raw():
            first = first or time.perf_counter() - since
            file.write(piece)
    whole = time.perf_counter() - since
    size = path.stat().st_size / MEGABYTE
    return Took(first, whole, size, memory.most - memory.before, memory.now - memory.before, memory.child)


def _answer(url: str, form: str) -> AbstractContextManager[httpx.Response]:
    headers = {"accept": form, "accept-encoding": "identity"}
    address = f"{url}/api/v1/insights"
    return httpx.stream("GET", address, params=EVER, headers=headers, timeout=600, trust_env=False)


def _complaints(took: dict[str, Took]) -> Iterator[str]:
    mine = took["parquet"]
    if mine.first > SLOWEST_BYTE:
        yield f"Parquet: the first byte took {mine.first:.2f} s, {SLOWEST_BYTE:g} at most are allowed"
    if (ratio := took["csv"].size / mine.size) < LEAST_RATIO:
        yield f"Parquet: {ratio:.1f} times smaller than CSV, {LEAST_RATIO} at least are wanted"
    if mine.grown >= MOST_GROWTH:
        yield f"Parquet: the service grew by {mine.grown:.0f} MB, under {MOST_GROWTH} are allowed"


if __name__ == "__main__":
    raise SystemExit(main())
