"""What discovery finds, how steadily, and what it costs: `python -m benchmarks.discovery`.

Banking77's test questions have 77 intents, of which discovery is not told. It is judged by adjusted mutual information
and the adjusted Rand index: plain mutual information pays for many groups (each text a group of its own: 0.70).
"""

import argparse
import asyncio
import csv
import random
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from domain.packed_numbers import unpacked  # noqa: E402  found by the line above, wherever this is started
from llm.discovery.grouper import FoundGroup, Remembered, Row, RunEnd, grouper  # noqa: E402  the same

DATA = ROOT.parent / "shared" / "data"
BANKING = "banking77_test.csv"
AIRLINE = "airline_half.csv"
DRAWN = 20_000
BLOCK = 500
MANY = 100_000
TRIALS = 3
GREETINGS = (
    "Hello, good morning to you all!",
    "Thank you so much for your help",
    "Hi there, how are you doing today?",
    "Thanks a lot, have a nice evening",
    "Good afternoon team, thanks again",
    "Please send us a DM, thank you",
    "Vielen Dank für alles, schönen Tag noch",
    "Hallo zusammen, wie geht es Ihnen?",
    "Muchas gracias por su ayuda, buen dia",
    "Merci beaucoup et bonne journée",
)

Question = tuple[str, str]
"""A text and its intent."""
Found = tuple[list[FoundGroup], RunEnd]


def questions(folder: Path) -> list[Question]:
    """Banking77's test questions. Raises FileNotFoundError where the file is not there, as `complaints` does."""
    with (folder / BANKING).open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def complaints(folder: Path) -> list[str]:
    """What people tweeted at airlines about lost bags."""
    with (folder / AIRLINE).open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file) if row["negative_reason"] == "Lost Luggage"]


def rows_of(texts: Sequence[str], numbers: Sequence[int], *, recent: bool = True) -> list[Row]:
    """Texts, each by a person of its own, as the child takes them."""
    return [(number, number, recent, "en", text, ()) for number, text in zip(numbers, texts, strict=True)]


async def run(
    drawn: Sequence[Row], others: Sequence[Row] = (), former: Sequence[Remembered] = (), *, seed: int = 1
) -> Found:
    """A run in a child process, as the service does it."""
    async with grouper() as child:
        await child.begin(former, seed=seed, min_people=5)
        for block in _blocks(drawn):
            await child.add(block)
        await child.fit()
        for block in _blocks(others):
            await child.add(block)
        return await child.told()


def _blocks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))


def remembered(groups: Sequence[FoundGroup]) -> list[Remembered]:
    """The groups of a run for the next one."""
    return [
        Remembered(each.former or f"first-{place}", each.language, each.members, each.centroid)
        for place, each in enumerate(groups)
    ]


def labels_of(groups: Sequence[FoundGroup], numbers: Sequence[int]) -> list[int]:
    """The place of each number's group; what is in none is a group of its own."""
    places = {number: place for place, group in enumerate(groups) for number in unpacked(group.members)}
    return [places.get(number, -number) for number in numbers]


async def agreement(asked: Sequence[Question], seed: int) -> dict[str, float]:
    """How well the groups agree with the intents."""
    numbers = range(1, len(asked) + 1)
    groups, end = await run(rows_of([text for text, _ in asked], numbers), seed=seed)
    intents, labels = [intent for _, intent in asked], labels_of(groups, numbers)
    return {
        "groups": len(groups),
        "adjusted mutual information": adjusted_mutual_info_score(intents, labels),
        "adjusted Rand index": adjusted_rand_score(intents, labels),
        "CPU seconds": end.cpu_seconds,
        "MB": end.rss_bytes / 1e6,
    }


async def steadiness(asked: Sequence[Question], seed: int) -> dict[str, float]:
    """The share of groups that keep their id when a tenth is added, and when a tenth also goes."""
    texts = [text for text, _ in asked]
    order = random.Random(seed).sample(range(len(texts)), len(texts))  # noqa: S311  a draw, no secret
    tenth = len(texts) // 10
    rows = rows_of([texts[place] for place in order], [place + 1 for place in order])
    groups, _ = await run(rows[:-tenth], seed=seed)
    former = remembered(groups)
    more, _ = await run(rows, former=former, seed=seed + 100)
    slid, end = await run(rows[tenth:], former=former, seed=seed + 200)
    told = sum(bool(now_in) for _, now_in in end.lost)
    return {
        "keep their id, a tenth more": kept(former, more),
        "keep their id, window slid": kept(former, slid),
        "of those lost, with a lineage": told / len(end.lost) if end.lost else 1.0,
    }


def kept(former: Sequence[Remembered], groups: Sequence[FoundGroup]) -> float:
    """The share of former groups that are found again."""
    return len({each.id for each in former} & {each.former for each in groups}) / len(former)


async def complaint(asked: Sequence[Question], about: Sequence[str], seed: int) -> dict[str, float]:
    """Whether a complaint of 2 % of a week is found, how pure, how named, and how many others are said to grow."""
    draw = random.Random(seed)  # noqa: S311  a draw, no secret
    texts = [text for text, _ in draw.sample(asked, len(asked))]
    half = len(texts) // 2
    new = draw.sample(about, half // 50)
    now = [*texts[half:], *new]
    rows = rows_of(texts[:half], range(1, half + 1), recent=False)
    rows += rows_of(now, range(half + 1, half + 1 + len(now)))
    numbers = set(range(half + 1 + len(now) - len(new), half + 1 + len(now)))
    groups, _ = await run(rows, seed=seed)
    grew = [each for each in groups if each.grew]
    hits = [len(numbers & set(unpacked(each.members))) for each in grew]
    best = max(range(len(grew)), key=lambda place: hits[place], default=None)
    return {
        "found": float(best is not None and hits[best] >= len(numbers) / 2),
        "purity": 0.0 if best is None else hits[best] / grew[best].size,
        "its word in its name": float(best is not None and _names_bags(grew[best].words)),
        "other proposals of growth": sum(hit == 0 for hit in hits),
    }


def _names_bags(words: Sequence[str]) -> bool:
    return any(word.startswith(("bag", "luggage", "suitcase")) for each in words for word in each.split())


async def greetings(asked: Sequence[Question]) -> dict[str, float]:
    """How many of a thousand greetings among the questions are in a group."""
    count = 1000
    texts = [GREETINGS[place % len(GREETINGS)] for place in range(count)]
    rows = rows_of([text for text, _ in asked], range(1, len(asked) + 1))
    first = len(asked) + 1
    groups, _ = await run([*rows, *rows_of(texts, range(first, first + count))])
    found = {number for each in groups for number in unpacked(each.members) if number >= first}
    return {"greetings in a group": len(found)}


def recombined(asked: Sequence[Question], count: int, seed: int) -> list[str]:
    """Texts of two halves, of two questions each."""
    draw = random.Random(seed)  # noqa: S311  a draw, no secret
    halves = [text.split() for text, _ in asked]

    def text() -> str:
        one, other = draw.choice(halves), draw.choice(halves)
        return " ".join([*one[: (len(one) + 1) // 2], *other[len(other) // 2 :]])

    return [text() for _ in range(count)]


async def cost(asked: Sequence[Question], count: int) -> dict[str, float]:
    """What a run over many texts costs."""
    rows = rows_of(recombined(asked, count, seed=1), range(1, count + 1))
    groups, end = await run(rows[:DRAWN], rows[DRAWN:])
    return {"groups": len(groups), "CPU seconds": end.cpu_seconds, "MB": end.rss_bytes / 1e6}


def report(folder: Path, count: int, console: Console) -> None:
    """Print what the files of `folder` allow to measure, and name what is not there."""
    try:
        asked = questions(folder)
    except FileNotFoundError as error:
        console.print(f"skipped: {error.filename} not found", soft_wrap=True)
        return
    show(
        f"{BANKING}, {len(asked):,} questions of 77 intents",
        trials(lambda seed: agreement(asked, seed)),
        console,
    )
    show("The next run", trials(lambda seed: steadiness(asked, seed)), console)
    show("Courtesies", [asyncio.run(greetings(asked))], console)
    show(f"{count:,} texts", [asyncio.run(cost(asked, count))], console)
    try:
        about = complaints(folder)
    except FileNotFoundError as error:
        console.print(f"A new complaint: skipped, {error.filename} not found", soft_wrap=True)
        return
    show("A new complaint, 2 % of a week", trials(lambda seed: complaint(asked, about, seed)), console)


def trials(measure: Callable[[int], Coroutine[Any, Any, dict[str, float]]]) -> list[dict[str, float]]:
    """The same with other seeds."""
    return [asyncio.run(measure(seed)) for seed in range(1, TRIALS + 1)]


def show(title: str, figures: Sequence[dict[str, float]], console: Console) -> None:
    """A line for each figure: its mean over the trials, then the least and the largest."""
    table = Table("", "mean", "least", "largest")
    for name in figures[0]:
        values = [each[name] for each in figures]
        table.add_row(name, *(f"{value:.3f}" for value in (mean(values), min(values), max(values))))
    console.print(title)
    console.print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What discovery finds, how steadily, and what it costs")
    parser.add_argument(
        "--data", type=Path, default=DATA, help="folder of the public sets (default: %(default)s)"
    )
    parser.add_argument(
        "--texts", type=int, default=MANY, help="texts of the long run (default: %(default)s)"
    )
    arguments = parser.parse_args()
    report(arguments.data, arguments.texts, Console(highlight=False))


if __name__ == "__main__":
    main()
