"""Re-analyses: what one costs before it is begun, and how it begins."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection

from core.clock import SECOND, Clock
from database import Database
from domain.budget_days import seconds_until_done
from domain.text import Show, cache_key, excerpt_of
from llm.forecast import PricedAnalyzer, forecast, typical_tokens
from llm.gateway import Gateway
from store.engine.vault import vault_of
from store.insights import cached_answers
from store.money import spending
from store.queue import long_jobs
from store.reanalysis import choice as choices
from store.reanalysis import queue, runs
from store.reanalysis.choice import ReanalysisChoice
from store.reanalysis.runs import KIND

LOOKED_AT = 200
"""Conversations whose texts are read for a price, at most."""
OFFLINE_PER_SECOND = 500


class Read(NamedTuple):
    """What is known of the chosen conversations, by some of them."""

    conversations: int
    looked_at: int
    free: int
    """Of those looked at: with an answer of this model and prompt already, their own or that of a twin."""
    tokens: float
    """Prompt tokens of all others that were looked at."""
    used_today: int
    """Ticks."""


class ReanalysisPrice(NamedTuple):
    """What a re-analysis costs and takes."""

    conversations: int
    free: int
    """So many of them have an answer of this model and prompt already, and cost nothing."""
    calls: int
    ticks: int
    seconds: float | None
    """None if no day ever pays for any of it."""
    is_exact: bool
    """Whether each of them was looked at."""
    is_known: bool
    """Whether the price of a token is."""
    in_batch: bool = False
    """Whether it is that of batches at the provider; `seconds` is then how long it may take."""


@dataclass(frozen=True)
class Reanalyses:
    """Prices re-analyses, and begins them."""

    database: Database
    clock: Clock
    gateway: Gateway
    shown: Show
    calls_per_second: float
    calls_for: Callable[[int], int]
    """How many calls so many conversations take."""
    can_wait_seconds: float = 0
    """For how long what can wait waits for batches at the provider."""
    batch_seconds: float = 0
    """How long what goes by batches may take."""

    async def price(
        self, choice: ReanalysisChoice, most: int | None = None, *, in_batch: bool = False
    ) -> ReanalysisPrice:
        """What these conversations cost, or the first `most` of them. Raises SQLAlchemyError."""
        return await self.price_with(self.analyzer(), choice, most, in_batch=in_batch)

    async def price_with(
        self,
        analyzer: PricedAnalyzer | None,
        choice: ReanalysisChoice,
        most: int | None = None,
        *,
        in_batch: bool = False,
    ) -> ReanalysisPrice:
        """What they cost with an analyzer; None is one that costs nothing."""
        read = partial(self._read, choice, None if analyzer is None else analyzer.version)
        found = await self.database.read_in_background(read)
        number = min(found.conversations, most or found.conversations)
        free = round(number * found.free / found.looked_at) if found.looked_at else 0
        is_exact = found.looked_at == found.conversations == number
        if analyzer is None:
            return ReanalysisPrice(
                number, free, 0, 0, round(number / OFFLINE_PER_SECOND, 1), is_exact, is_known=True
            )
        paid, day = found.looked_at - found.free, spending.day_of(self.clock())
        tokens = found.tokens / paid if paid else 0.0
        calls = self.calls_for(number - free)
        ticks = forecast(analyzer, number - free, tokens, calls=calls, day=day, in_batch=in_batch)
        seconds = self._seconds(calls, ticks, found.used_today)
        if in_batch and calls and seconds is not None:
            seconds = max(seconds, self.batch_seconds)
        is_known = analyzer.is_priced(day)
        return ReanalysisPrice(number, free, calls, ticks, seconds, is_exact, is_known, in_batch)

    def analyzer(self) -> PricedAnalyzer | None:
        """Who would analyse; None is one that costs nothing."""
        found, budget = self.gateway.analyzer, self.gateway.budget
        if budget is None:
            return None
        version = f"{found.model}/{found.prompt_version}"
        told, answered = found.fixed_tokens, found.row_tokens
        return PricedAnalyzer(found.name, found.model, version, told, budget.cost_per_1k, answered)

    def _read(self, choice: ReanalysisChoice, version: str | None, connection: Connection) -> Read:
        drawn = [each.number for each in choices.draw_at_random(connection, choice, LOOKED_AT)]
        total = len(drawn) if len(drawn) < LOOKED_AT else choices.count_chosen(connection, choice)
        texts = {
            job.number: excerpt_of(job.turns, self.shown, is_chat=job.is_chat).text
            for job in queue.read(connection, drawn)
            if job.is_readable
        }
        free = set() if version is None else _free(connection, texts, version)
        tokens = sum(typical_tokens(text) for number, text in texts.items() if number not in free)
        today = spending.day_of(self.clock())
        used = sum(spending.used_on(spending.list_days(connection, since=today), today))
        return Read(total, len(texts), len(free), tokens, used)

    def _seconds(self, calls: int, ticks: int, used_today: int) -> float | None:
        # It takes at most every second one.
        work, budget = 2 * calls / self.calls_per_second, self.gateway.budget
        if budget is None or budget.limit is None:
            return round(work, 1)
        money = budget.of_what_can_wait().money(used_today, self.gateway.hold)
        seconds = seconds_until_done(work, ticks, money)
        return None if seconds is None else round(seconds, 1)

    async def begin(
        self,
        choice: ReanalysisChoice,
        *,
        sample: int | None,
        cap: int | None,
        by: str,
        freshness: str | None = None,
    ) -> tuple[str, bool]:
        """Begin one; gives the id of its job, and True, or that of one that is under way, and False.

        `cap` is in ticks, `freshness` is DAY if it can wait. Raises SQLAlchemyError.
        """
        total = await self.database.read_in_background(partial(choices.count_chosen, choice=choice))
        parameters = {"choice": asdict(choice), "sample": sample, "population": total, "freshness": freshness}
        now = self.clock()
        lane_until = None if freshness is None else now + round(self.can_wait_seconds * SECOND)
        kept: Any = {"wanted": choice.wanted, "sample": sample, "cap": cap, "lane_until": lane_until}

        def begin(connection: Connection) -> tuple[str, bool]:
            runs.hold_beginnings(connection)
            if (other := long_jobs.open_job(connection, [KIND])) is not None:
                return other, False
            number = total if sample is None else min(sample, total)
            id_ = long_jobs.create(connection, KIND, parameters, by=by, now=now, total=number)
            row = long_jobs.get(connection, id_)
            assert row is not None  # noqa: S101  for the type checker: it has just been made
            runs.begin_reanalysis(connection, row.number, **kept)
            return id_, True

        return await self.database.write(begin)


def _free(connection: Connection, texts: Mapping[int, str], version: str) -> set[int]:
    """Those of which there is an answer of this version."""
    key = vault_of(connection).key
    keys = {number: key(cache_key(text, version)) for number, text in texts.items()}
    own = queue.keys_of(connection, [*keys])
    known = cached_answers.cached_answers(connection, set(keys.values())) if keys else {}
    return {number for number, key in keys.items() if own.get(number) == key or key in known}
