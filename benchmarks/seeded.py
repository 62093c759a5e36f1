"""Databases with made-up insights: made once for each size, kept, and copied for whoever writes to them."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy.engine import make_url

from benchmarks.results import ROOT

FOLDER = ROOT / "benchmarks" / "seeded"


def database_url(rows: int) -> str:
    """The address of an SQLite file with so many conversations over 400 days; nobody is to write to it."""
    path = FOLDER / f"{rows}.db"
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=FOLDER) as folder:
            half = Path(folder) / path.name
            seed(f"sqlite:///{half}", rows)
            half.rename(path)
    return f"sqlite:///{path}"


def seed(url: str, rows: int) -> None:
    """Fill an empty database, at some 12,000 rows a second."""
    given = ["--database-url", url, "--rows", str(rows)]
    subprocess.run([sys.executable, "benchmarks/seed.py", *given], cwd=ROOT, check=True)  # noqa: S603  our own


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
        shutil.copyfile(original, copy)
        yield f"sqlite:///{copy}"
