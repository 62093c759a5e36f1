"""The benchmarks in turn, each a process of its own: `python -m benchmarks [--full] [PROGRAM ...]`.

Without a name those of speed, size and cost, in ten minutes; with `--full` all of them at full length, for an hour.
Their figures end up in the tables of `docs/PERFORMANCE.md`. Exit code 1 where a figure is outside its limits or a
program failed; the others run all the same.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.results import DOCUMENT, ROOT, render, saved

SHORT = (
    "intake",
    "bulk",
    "engine",
    "queries",
    "analyst",
    "curves",
    "cost",
    "footprint",
    "connections",
    "encryption",
)
PROGRAMS = (
    *SHORT,
    "importing",
    "tail",
    "access",
    "rotation",
    "memory",
    "retention",
    "merging",
    "outage",
    "sockets",
    "silence",
    "chats",
    "dashboard",
    "scale",
    "reanalysis",
    "fields",
)
"""Modules of this folder, in this order. Each takes `--full`, keeps its result by `results.finish`."""


def main() -> int:
    """Run them and write the document; 0 where all figures hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"of {', '.join(PROGRAMS)}")
    parser.add_argument("--full", action="store_true", help="at 10 million rows, for an hour, not minutes")
    given = parser.parse_args()
    if unknown := set(given.programs) - set(PROGRAMS):
        parser.error(f"no such program: {', '.join(sorted(unknown))}")
    names = given.programs or (PROGRAMS if given.full else SHORT)
    codes = {name: _run(name, full=given.full) for name in names}
    DOCUMENT.write_text(render(DOCUMENT.read_text(), saved()))
    for name, code in codes.items():
        sys.stderr.write(f"{name}: {'ok' if code == 0 else f'exit code {code}'}\n")
    return 1 if any(codes.values()) else 0


def _run(name: str, *, full: bool) -> int:
    command: Sequence[str] = [sys.executable, "-m", f"benchmarks.{name}", *(["--full"] if full else [])]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603  our own


if __name__ == "__main__":
    raise SystemExit(main())
