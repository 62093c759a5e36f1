"""What 100,000 conversations cost and how long they take, by each way of asking about them.

    python -m benchmarks.ways [--file tweets.csv] [--model grok-4.3] [--write]

Nothing is sent. The requests are those that the service would send about the conversations of the file, the built-in
sample if none is named, and their tokens are counted as in `benchmarks/cost.py`. `--write` renders the table of
docs/COSTS.md, which is that of the sample.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from benchmarks.cost import DEFAULT, PRICE_DAY, SYSTEM, asked, conversations, usage_of
from benchmarks.results import ROOT
from client.importers.files import Unreadable
from domain.analysis import Usage
from ingest_data import SAMPLE
from llm.batches.limits import CALL_BYTES, PAGE
from llm.batches.rows import BatchRequest, add_body
from llm.prices import BATCH_TARIFFS, TICKS_PER_USD, cost_ticks
from llm.prompts import request_body
from llm.thinking import thinking_of

DOCUMENT = ROOT / "docs" / "COSTS.md"
OPENING, CLOSING = "<!-- ways -->\n", "<!-- end of ways -->"
COUNT = 100_000
PACKED = 50
CALLS_A_SECOND = 10
MOST_OF_PACKED = 0.82
"""What the batch may cost of the packed live calls."""
BATCH_TAKES = "a minute, as a rule, and a day at most"
COLUMNS = ("way", "requests", "tokens in, of them cached", "tokens out", "USD", "of one a call", "takes")


class Way(NamedTuple):
    """A way of asking: how many conversations a request has, and whether it is in a batch and finds a cached prompt."""

    name: str
    size: int
    in_batch: bool = False
    is_cached: bool = False


WAYS = (
    Way("live, one a call", 1),
    Way("live, one a call, prompt cached", 1, is_cached=True),
    Way(f"live, {PACKED} a call", PACKED),
    Way(f"live, {PACKED} a call, prompt cached", PACKED, is_cached=True),
    Way("batch, one a request", 1, in_batch=True),
    Way(f"batch, {PACKED} a request", PACKED, in_batch=True),
    Way(f"batch, {PACKED} a request, prompt cached", PACKED, in_batch=True, is_cached=True),
)
LIVE, BATCH = WAYS[2], WAYS[5]


class Cost(NamedTuple):
    """What COUNT conversations take by one way."""

    requests: int
    usage: Usage
    ticks: int
    calls: int
    """Ours, each of which waits for its turn under the cap."""

    @property
    def usd(self) -> float:
        """At the price table."""
        return self.ticks / TICKS_PER_USD


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, print and check; 1 where the batch costs more than it may, 2 for a file with nothing to count."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ways", description=__doc__.partition("\n")[0])
    parser.add_argument("--file", type=Path, default=SAMPLE, help="of tweets, as CSV")
    parser.add_argument("--model", default=DEFAULT.grok_model, choices=sorted(BATCH_TARIFFS))
    parser.add_argument("--write", action="store_true", help=f"into {DOCUMENT.name}, too")
    given = parser.parse_args(arguments)
    try:
        texts = texts_of(given.file)
    except Unreadable as error:
        print(f"ways: {error}", file=sys.stderr)  # noqa: T201  what the program is for
        return 2
    costs = {way: cost_of(way, texts, given.model) for way in WAYS}
    print("\n".join(table(costs)))  # noqa: T201  what the program is for
    share = costs[BATCH].usd / costs[LIVE].usd
    print(f"\n{BATCH.name}: {share:.3f} of {LIVE.name}, at most {MOST_OF_PACKED}")  # noqa: T201
    if given.write:
        DOCUMENT.write_text(rendered(DOCUMENT.read_text(), table(costs)))
    return 0 if share <= MOST_OF_PACKED else 1


def texts_of(path: Path) -> list[str]:
    """What is sent of each conversation of a file. Raises Unreadable if it has none."""
    if texts := [work.excerpt.text for work in asked(list(conversations(path)))]:
        return texts
    raise Unreadable(f"{path}: has no conversation; it takes tables of tweets such as {SAMPLE.name}")


def cost_of(way: Way, texts: Sequence[str], model: str) -> Cost:
    """Of COUNT conversations like these, all requests as full as they can be."""
    whole = math.lcm(len(texts), way.size)
    endless = cycle(texts)
    full = [list(islice(endless, way.size)) for _ in range(whole // way.size)]
    usages = [usage_of(some, model, cached=way.is_cached) for some in full]
    ticks = sum(cost_ticks(model, usage, day=PRICE_DAY, in_batch=way.in_batch) for usage in usages)
    scale = COUNT / whole
    prompt, cached, completion = (
        round(sum(counts) * scale) for counts in zip(*map(_counts, usages), strict=True)
    )
    requests = math.ceil(COUNT / way.size)
    written = sum(len(_wrapped(some, model)) for some in full) * scale if way.in_batch else 0
    calls = _calls_of_a_batch(requests, written) if way.in_batch else requests
    return Cost(requests, Usage(prompt, cached, completion), round(ticks * scale), calls)


def _counts(usage: Usage) -> tuple[int, int, int]:
    return usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens


def _calls_of_a_batch(requests: int, written: float) -> int:
    """To create it, to add so many bytes, to see once that it has ended, and to read a row for each request."""
    return 2 + math.ceil(written / CALL_BYTES) + math.ceil(requests / PAGE)


def _wrapped(texts: Sequence[str], model: str) -> bytes:
    body = request_body(
        texts, system=SYSTEM, model=model, effort=thinking_of(model).effort(None), strict=True
    )
    return add_body([BatchRequest("0" * 36, json.loads(body))])


def table(costs: Mapping[Way, Cost]) -> Iterator[str]:
    """A row for each way, in Markdown."""
    alone = costs[WAYS[0]].usd
    yield from (_row(COLUMNS), _row(["---"] * len(COLUMNS)))
    for way, cost in costs.items():
        usage = cost.usage
        yield _row(
            (
                way.name,
                f"{cost.requests:,}",
                f"{usage.prompt_tokens / 1e6:.1f} million, {usage.cached_tokens / 1e6:.1f}",
                f"{usage.completion_tokens / 1e6:.1f} million",
                f"{cost.usd:.2f}",
                f"{cost.usd / alone:.1%}",
                _takes(way, cost),
            )
        )


def _takes(way: Way, cost: Cost) -> str:
    ours = _time(cost.calls / CALLS_A_SECOND)
    return f"{BATCH_TAKES}; {cost.calls:,} calls of ours, {ours}" if way.in_batch else ours


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest if not hours else 0, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def rendered(document: str, rows: Iterable[str]) -> str:
    """The document with these rows between its marks. Raises ValueError if it has none."""
    before, opened, after = document.partition(OPENING)
    _, closed, rest = after.partition(CLOSING)
    if not (opened and closed):
        raise ValueError(f"no table between {OPENING.strip()} and {CLOSING}")
    return before + OPENING + "".join(f"{row}\n" for row in rows) + CLOSING + rest


if __name__ == "__main__":
    raise SystemExit(main())
