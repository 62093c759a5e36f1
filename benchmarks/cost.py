"""What an analysis costs: tokens a conversation at three batch sizes, and what each way of saving saves.

    python -m benchmarks.cost [--file ../shared/data/twcs_5000.csv] [--model grok-4.3]

Nothing is sent. The conversations are those that `ingest_data.py` makes of the file (tweets that answer each other
are one), the requests those that the service would send, the answers those of the fake Grok. A token is taken to be
four characters, and the server's own prompt to be as long as the fake's. Without the file it is the built-in sample.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

from benchmarks.results import ROOT, Figure, Result, finish
from client.importers.rows import Rejected, opened
from client.importers.threads import Threads
from core.settings import Settings
from domain.analysis import Usage
from domain.text import prefilter_reason
from domain.topics import BUILT_IN
from ingest_data import SAMPLE
from llm.prices import TARIFFS, TICKS_PER_USD, cost_ticks
from llm.prompts import prompt_version, request_body, system_message
from llm.thinking import thinking_of
from store.queue.analysis import AnalysisJob
from tests.fake_grok.server import HIDDEN_TOKENS, judged, tokens
from worker.outcomes import Work, work_of
from worker.packing import pack

FILE = ROOT.parent / "shared" / "data" / "twcs_5000.csv"
SIZES = (1, 10, 50)
MOST_OVER_ONE_ALONE = 0.35
USUAL_ROW = 70
"""Tokens of a row as Grok writes it; the fake's reasoning is shorter."""
CACHED_BLOCK = 128
"""Tokens in whole blocks of which a prefix is cached."""
PRICE_DAY = (date(2026, 11, 29) - date(1970, 1, 1)).days
"""The day whose prices are taken, so that the same file costs the same whenever this runs."""
SYSTEM = system_message(BUILT_IN)
DEFAULT = Settings.model_construct()


@dataclass(frozen=True)
class Bill:
    """What some calls carry and cost."""

    calls: int = 0
    conversations: int = 0
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    ticks: int = 0

    def plus(self, usage: Usage, conversations: int, ticks: int) -> Self:
        """With one call more."""
        return type(self)(
            self.calls + 1,
            self.conversations + conversations,
            self.prompt + usage.prompt_tokens,
            self.cached + usage.cached_tokens,
            self.completion + usage.completion_tokens,
            self.ticks + ticks,
        )

    def per_conversation(self, row: int | None = None) -> float:
        """Tokens of both kinds; with `row`, an answer's row is taken to have so many."""
        answered = self.completion if row is None else row * self.conversations
        return (self.prompt + answered) / self.conversations

    @property
    def dollars(self) -> float:
        """At the price table."""
        return self.ticks / TICKS_PER_USD


def main() -> int:
    """Count, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="the same: it takes seconds")
    parser.add_argument("--file", type=Path, default=FILE, help="of tweets, as CSV")
    parser.add_argument("--model", default=DEFAULT.grok_model, choices=sorted(TARIFFS))
    given = parser.parse_args()
    path = given.file if given.file.exists() else SAMPLE
    jobs = list(conversations(path))
    setting = (
        f"{path.name}{'' if path == given.file else ' (the built-in sample)'}: {len(jobs):,} conversations, "
        f"{given.model}; a token is taken as four characters, answers are the fake Grok's"
    )
    figures = (
        *_sizes(asked(jobs), given.model),
        *saved("conversations", jobs, given.model),
        *saved("customers' posts by themselves", list(posts(jobs)), given.model),
    )
    return finish(Result(program="cost", setting=setting, figures=figures))


# --- what there is to ask about -----------------------------------------------------------------------------


def conversations(path: Path) -> Iterator[AnalysisJob]:
    """The conversations of a table of tweets, as the service has them when `ingest_data.py` sent the table."""
    with opened(path, "utf-8-sig") as rows, closing(Threads()) as threads:
        for row in rows:
            if not isinstance(row, Rejected):
                threads.take(row)
        for number, record in enumerate(threads.conversations(), 1):
            if not isinstance(record, Rejected):
                said = [(each.get("role"), each["text"]) for each in json.loads(record.body)["messages"]]
                yield AnalysisJob(number, str(number), 0, 0, None, is_chat=True, turns=said, due_at=0)


def posts(jobs: Sequence[AnalysisJob]) -> Iterator[AnalysisJob]:
    """What customers said in them, each post as a conversation of its own: where texts are short or the same."""
    said = (turn for job in jobs for turn in job.turns if turn[0] == "customer")
    for number, turn in enumerate(said, 1):
        yield AnalysisJob(number, str(number), 0, 0, None, is_chat=False, turns=[turn], due_at=0)


def asked(jobs: Sequence[AnalysisJob]) -> list[Work]:
    """Each with what is sent of it."""
    version = prompt_version(BUILT_IN)
    return [work_of(job, version, str) for job in jobs]


# --- what calls cost ----------------------------------------------------------------------------------------


def bill(works: Sequence[Work], size: int, model: str, *, prompt_caching: bool = False) -> Bill:
    """Of all calls that it takes to ask about these, at most `size` in each, in order."""
    total, left = Bill(), works
    while left:
        batch, left = pack(
            left,
            size,
            weight=lambda work: work.tokens,
            limit=lambda _: None,
            token_budget=DEFAULT.max_batch_tokens,
        )
        usage = usage_of(
            [work.excerpt.text for work in batch], model, cached=prompt_caching and total.calls > 0
        )
        total = total.plus(usage, len(batch), cost_ticks(model, usage, day=PRICE_DAY))
    return total


def usage_of(texts: Sequence[str], model: str, *, cached: bool) -> Usage:
    """Tokens of the call about these texts; `cached` is whether a call before it left the prompt's prefix."""
    sent = request_body(
        texts, system=SYSTEM, model=model, effort=thinking_of(model).effort(None), strict=True
    )
    system, user = (message["content"] for message in json.loads(sent)["messages"])
    rows = [{"conversation_id": str(number), **judged(text)} for number, text in enumerate(texts, 1)]
    return Usage(
        prompt_tokens=HIDDEN_TOKENS + tokens(system) + tokens(user),
        cached_tokens=tokens(system) // CACHED_BLOCK * CACHED_BLOCK if cached else 0,
        completion_tokens=tokens(json.dumps({"results": rows})),
    )


# --- figures ------------------------------------------------------------------------------------------------


def _sizes(works: Sequence[Work], model: str) -> Iterator[Figure]:
    bills = {size: bill(works, size, model) for size in SIZES}
    for size, each in bills.items():
        for kind, count in (("prompt", each.prompt), ("completion", each.completion)):
            yield Figure(
                name=f"batches of {size}: {kind} tokens, a conversation",
                value=count / len(works),
                rounds=len(works),
                note=f"{each.calls:,} calls" if kind == "prompt" else "",
            )
    for name, row in (("", None), (f", rows of {USUAL_ROW} tokens", USUAL_ROW)):
        alone, packed = (bills[size].per_conversation(row) for size in (SIZES[0], SIZES[-1]))
        yield Figure(
            name=f"tokens a conversation, batches of {SIZES[-1]} over one at a time{name}",
            value=packed / alone,
            at_most=MOST_OVER_ONE_ALONE,
            rounds=len(works),
            note=f"{packed:.0f} over {alone:.0f}",
        )


def saved(what: str, jobs: Sequence[AnalysisJob], model: str) -> Iterator[Figure]:
    """What each way of saving saves, one after the other, each of what those before it left."""
    works = asked(jobs)
    worth = [work for work in works if prefilter_reason([said for _, said in work.job.turns]) is None]
    different = list({work.key: work for work in worth}.values())
    before = whole = bill(works, 1, model)
    thousand = 1_000 / len(jobs)

    def of(way: str, after: Bill, note: str = "") -> Figure:
        return Figure(
            name=f"{what}: saved by {way}",
            value=(before.dollars - after.dollars) / whole.dollars * 100,
            unit="%",
            rounds=len(jobs),
            note=f"{before.dollars * thousand:.4f} to {after.dollars * thousand:.4f} USD a thousand{note}",
        )

    for way, after, note in (
        ("prefilter", bill(worth, 1, model), f", {len(works) - len(worth):,} not asked"),
        ("cache", bill(different, 1, model), f", {len(worth) - len(different):,} equal to another"),
        (f"packing, {SIZES[-1]} a call", bill(different, SIZES[-1], model), ""),
        ("prompt caching", bill(different, SIZES[-1], model, prompt_caching=True), ""),
    ):
        yield of(way, after, note)
        before = after
    cost = before.dollars * thousand
    note = f"{whole.dollars * thousand:.4f} with nothing saved"
    yield Figure(name=f"{what}: a thousand", value=cost, unit="USD", rounds=len(jobs), note=note)
    before = bill(different, 1, model)
    alone = bill(different, 1, model, prompt_caching=True)
    yield of("prompt caching if nothing were packed", alone)


if __name__ == "__main__":
    raise SystemExit(main())
