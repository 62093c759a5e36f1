"""What benchmarks find: figures with their limits, a file a program, and the tables in `docs/PERFORMANCE.md`.

A program ends with `raise SystemExit(finish(Result(...)))`. Whoever adds one also adds its name to `PROGRAMS` in
`benchmarks/__main__.py`, and to `docs/PERFORMANCE.md` a section with the lines `<!-- figures: NAME -->` and
`<!-- end of figures -->`; between them its table is written, so that no figure is typed by hand.
"""

import math
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / "results"
DOCUMENT = ROOT / "docs" / "PERFORMANCE.md"
END = "<!-- end of figures -->"
COLUMNS = ("figure", "value", "must", "holds", "rounds", "note")


class Figure(BaseModel):
    """One number that was measured, and what it has to be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """What it is and under which conditions: `/insights, one day, sentiment: p99`."""
    value: float
    unit: str = ""
    """Empty for ratios and counts."""
    at_least: float | None = None
    at_most: float | None = None
    rounds: int = 1
    """How many measurements the value is the median or percentile of."""
    note: str = ""

    @property
    def must(self) -> str:
        """Its limits in words; empty where it has none."""
        limits = (("at least", self.at_least), ("at most", self.at_most))
        return ", ".join(f"{words} {self._shown(limit)}" for words, limit in limits if limit is not None)

    @property
    def holds(self) -> bool | None:
        """Whether it is within its limits, None where it has none. NaN, a figure that was not got, is not."""
        if not self.must:
            return None
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return low <= self.value <= high

    def cells(self) -> tuple[str, ...]:
        """A row under COLUMNS."""
        verdict = {None: "", True: "yes", False: "**no**"}[self.holds]
        return self.name, self._shown(self.value), self.must, verdict, f"{self.rounds:,}", self.note

    def _shown(self, number: float) -> str:
        whole = abs(number) >= 100 or number == round(number, 0)
        return (f"{number:,.0f}" if whole else f"{number:.3g}") + f" {self.unit}".rstrip()


class Result(BaseModel):
    """What one program found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    program: str
    """Its module under `benchmarks`, and the name of its file and section."""
    setting: str
    """One line for the reader: rows, database, what ran beside it, on what machine."""
    figures: tuple[Figure, ...]

    @property
    def holds(self) -> bool:
        """Whether no figure is outside its limits."""
        return all(figure.holds is not False for figure in self.figures)


def finish(result: Result, folder: Path = FOLDER) -> int:
    """Print the result and keep it for the document; the exit code, 0 where everything holds and 1 where not."""
    save(result, folder)
    table = Table(*COLUMNS, title=f"{result.program}: {result.setting}")
    for figure in result.figures:
        table.add_row(*figure.cells())
    Console(highlight=False, markup=False).print(table)
    return 0 if result.holds else 1


def save(result: Result, folder: Path = FOLDER) -> None:
    """Keep the result in the place of an older one of the same program."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{result.program}.json").write_text(result.model_dump_json(indent=1) + "\n")


def saved(folder: Path = FOLDER) -> list[Result]:
    """The newest result of each program that was run here, by name."""
    return [Result.model_validate_json(path.read_text()) for path in sorted(folder.glob("*.json"))]


def render(document: str, results: Iterable[Result]) -> str:
    """The document with a new table in the section of every result; the others stay as they are.

    Raises ValueError where a result has no section.
    """
    for result in results:
        opening = f"<!-- figures: {result.program} -->\n"
        before, opened, after = document.partition(opening)
        _, closed, rest = after.partition(END)
        if not (opened and closed):
            raise ValueError(f"no section between {opening.strip()} and {END}")
        document = before + opening + _markdown(result) + END + rest
    return document


def _markdown(result: Result) -> str:
    rows = (COLUMNS, ("---",) * len(COLUMNS), *(figure.cells() for figure in result.figures))
    lines = (f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)
    return "\n".join((result.setting, "", *lines, ""))
