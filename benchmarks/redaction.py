"""How well redaction finds the phone numbers of public support texts (not shipped): `python benchmarks/redaction.py`.

`phone_labels.csv` says where they stand, by file, text and characters; it was marked by eye among all texts with seven
digits or more. Prints precision and recall, apart for the texts that the filter's rules were written from and for the
others, the time, and what else was found.
"""

import argparse
import csv
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from domain.redaction.detections import Detection, merged  # noqa: E402  found by the line above
from domain.redaction.patterns import Patterns  # noqa: E402  the same
from domain.redaction.phones import find_phones  # noqa: E402  the same
from domain.redaction.redactor import Redactor  # noqa: E402  the same

DATA = ROOT.parent / "shared" / "data"
LABELS = Path(__file__).with_name("phone_labels.csv")
FITTED = ("twcs_5000.csv", "support_dialogs_300.jsonl")
"""The texts that the filter's rules were written from."""
SLACK = 2
"""Characters at the beginning, such as a bracket, by which a find may differ from its label."""
Place = tuple[int, int]


@dataclass
class Score:
    """Phone numbers of some texts: found, missed, and found where there are none."""

    texts: int = 0
    found: int = 0
    missed: int = 0
    false: int = 0
    seconds: float = 0
    others: "Counter[str]" = field(default_factory=Counter)

    @property
    def precision(self) -> float:
        """The share of what was found that is right; 1 if nothing was found."""
        return self.found / (self.found + self.false) if self.found + self.false else 1.0

    @property
    def recall(self) -> float:
        """The share of what there is that was found; 1 if there is nothing."""
        return self.found / (self.found + self.missed) if self.found + self.missed else 1.0


def table(path: Path, column: str = "text") -> Iterator[tuple[str, str]]:
    """The texts of a CSV file with their row numbers."""
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            yield str(number), row[column] or ""


def dialogs(path: Path) -> Iterator[tuple[str, str]]:
    """The turns of the support dialogs, numbered `dialog.turn`."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        for at, message in enumerate(json.loads(line)["messages"]):
            yield f"{number}.{at}", message["text"]


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a file."""
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")):
        yield str(number), line


READERS: Mapping[str, Callable[[Path], Iterator[tuple[str, str]]]] = {
    "twcs_5000.csv": table,
    "support_dialogs_300.jsonl": dialogs,
    "airline_half.csv": table,
    "tweeteval_val_text.txt": lines,
    "banking77_test.csv": table,
}


def labels(path: Path = LABELS) -> Mapping[tuple[str, str], Sequence[Place]]:
    """Where the phone numbers stand: first character and the one behind the last, by file and text."""
    places: defaultdict[tuple[str, str], list[Place]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            places[row["file"], row["text"]].append((int(row["start"]), int(row["end"])))
    return places


def add(score: Score, found: Sequence[Detection], there: Sequence[Place]) -> None:
    """Count one text: a number is found if all of it would be replaced."""
    hits = sum(any(d.start <= start + SLACK and end <= d.end for d in found) for start, end in there)
    score.texts += 1
    score.found += hits
    score.missed += len(there) - hits
    score.false += sum(not any(d.start < end and start < d.end for start, end in there) for d in found)


def measured(folder: Path, regions: Sequence[str], files: Sequence[str]) -> Score:
    """The score of some files. Raises FileNotFoundError where one is not there."""
    score, known, redactor = Score(), labels(), Redactor(regions, Patterns())
    for name in files:
        for number, text in READERS[name](folder / name):
            add(score, merged(find_phones(text, regions)), known.get((name, number), ()))
            started = time.thread_time()
            counts = redactor.redact(text).counts
            score.seconds += time.thread_time() - started
            score.others.update({kind: n for kind, n in counts.items() if kind != "phone"})
    return score


def shown(scores: Mapping[tuple[str, str], Score]) -> Table:
    """The scores by regions and texts."""
    head = ("regions", "texts", "phones", "found", "false", "precision", "recall", "us a text", "others")
    drawn = Table(*head)
    for (regions, which), score in scores.items():
        row = (regions, f"{score.texts} {which}", score.found + score.missed, score.found, score.false)
        figures = (
            f"{score.precision:.3f}",
            f"{score.recall:.3f}",
            f"{score.seconds / score.texts * 1e6:.0f}",
        )
        drawn.add_row(*map(str, row), *figures, ", ".join(f"{n} {kind}" for kind, n in score.others.items()))
    return drawn


def main() -> int:
    """Measure and print; 0, or 2 where the texts are not there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="the folder with the texts")
    parser.add_argument("--regions", action="append", help="such as US,GB; may be given several times")
    given = parser.parse_args()
    scores: dict[tuple[str, str], Score] = {}
    try:
        for regions in given.regions or ["US,GB", "US,GB,IN", "US,GB,IN,NG,JP,FR,SA"]:
            codes = regions.split(",")
            others = [name for name in READERS if name not in FITTED]
            scores[regions, "fitted to"] = measured(given.data, codes, FITTED)
            scores[regions, "others"] = measured(given.data, codes, others)
    except FileNotFoundError as error:
        sys.stderr.write(f"the texts are not there: {error.filename}\n")
        return 2
    Console().print(shown(scores))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
