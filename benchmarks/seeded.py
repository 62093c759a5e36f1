"""Databases with made-up insights: made once for each size, kept, and copied for whoever writes to them."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy.engine import make_url

from benchmarks.results import ROOT

FOLDER = ROOT / "benchmarks" / "seeded"
READ_AT_ONCE = 2**20


def database_url(rows: int) -> str:
    """The address of an SQLite file with so many conversations over 400 days; nobody is to write to it."""
    return _made_once(f"{rows}.db", lambda url: seed(url, rows))


def chats_url(messages: int) -> str:
    """The address of an SQLite file with so many messages in chats; nobody is to write to it."""
    return _made_once(f"chats-{messages}.db", lambda url: seed_chats(url, messages))


def _made_once(name: str, fill: Callable[[str], None]) -> str:
    path = FOLDER / name
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=FOLDER) as folder:
            half = Path(folder) / path.name
            fill(f"sqlite:///{half}")
            half.rename(path)
    return f"sqlite:///{path}"


def seed(url: str, rows: int) -> None:
    """Fill an empty database, at some 12,000 rows a second."""
    given = ["--database-url", url, "--rows", str(rows)]
    subprocess.run([sys.executable, "benchmarks/seed.py", *given], cwd=ROOT, check=True)  # noqa: S603  our own


def seed_chats(url: str, messages: int) -> None:
    """Fill an empty database with chats."""
    given = ["--database-url", url, "--messages", str(messages)]
    subprocess.run([sys.executable, "-m", "benchmarks.chat_seed", *given], cwd=ROOT, check=True)  # noqa: S603  our own


def read_through(url: str) -> None:
    """Have the system keep the pages of an SQLite file in memory; of another database its server sees to that."""
    address = make_url(url)
    if address.drivername.startswith("sqlite"):
        with Path(address.database or "").open("rb", buffering=0) as file:
            while file.read(READ_AT_ONCE):
                pass


@contextmanager
def copied(url: str) -> Iterator[str]:
    """A copy to write to, of an SQLite file that nobody has open; another database comes as it is."""
    address = make_url(url)
    if not address.drivername.startswith("sqlite"):
        yield url
        return
    original = Path(address.database or "")
    with TemporaryDirectory(dir=original.parent) as folder:
        copy = Path(folder) / original.name
        # Whoever asked the original before was killed, and may have left what it wrote beside it.
        for suffix in ("", "-wal"):
            if Path(f"{original}{suffix}").exists():
                shutil.copyfile(f"{original}{suffix}", f"{copy}{suffix}")
        yield f"sqlite:///{copy}"
