"""How the service is and what it spends, as rows and as sentences: no drawing, no calls."""

from collections.abc import Sequence
from datetime import datetime

from client.answers import Estimate, Health, Spending, SpendingDay
from dashboard import words
from dashboard.text import Row

PAUSED = "paused by an operator"
"""The reason that the service gives for it."""
BREAKERS = {
    "closed": "calls go out",
    "half_open": "one call tries whether the provider answers again",
    "open": "no call goes out, because too many failed",
}


def is_paused(health: Health) -> bool:
    """Whether somebody has paused analysis."""
    return any(PAUSED in reason for reason in health.reasons)


def health_facts(health: Health, newest: datetime | None) -> list[Row]:
    """What is known of the service; `newest` is when the last insight was made."""
    said = {
        "Analyzer": f"{health.analyzer}, {health.model}",
        "Provider": BREAKERS.get(health.circuit or "", "none is called"),
        "Workers": "run" if health.worker_running else "are being started again",
        "Worker restarts": words.count(health.worker_restarts),
        "Last one after": health.worker_last_death or "",
        "Database": "answers" if health.db_ok else "does not answer",
        "Newest insight": "" if newest is None else f"{words.moment(newest)} UTC",
        "Running since": f"{words.moment(health.started_at)} UTC",
        "Version": health.version or "",
    }
    return [{"what": what, "found": found or words.UNKNOWN} for what, found in said.items()]


def spending_rows(spending: Spending) -> list[Row]:
    """A row for each day, the newest first."""
    return [_day(each) for each in spending.days]


def _day(each: SpendingDay) -> Row:
    return {
        "day": each.date,
        "usd": each.usd,
        "insights": each.usd - each.summary_usd - each.batch_usd,
        "batches": each.batch_usd,
        "summaries": each.summary_usd,
        "reserved": each.reserved_usd,
        "calls": each.calls,
        "unpriced": each.unpriced_calls,
        "analysed": each.analysed,
        "cached": each.cached,
        "skipped": each.skipped,
        "tokens": each.prompt_tokens + each.completion_tokens,
        "saved": each.saved.cache_usd + each.saved.prefilter_usd + each.saved.packing_usd,
    }


def parts(spending: Spending) -> list[Row]:
    """What a chart stacks: dollars by day and what they were for, the oldest day first."""
    kinds = ("insights", "batches", "summaries") if spending.total.batch_usd else ("insights", "summaries")
    return [
        {"day": row["day"], "for": kind, "usd": row[kind]}
        for row in reversed(spending_rows(spending))
        for kind in kinds
    ]


def spent_share(spending: Spending) -> float | None:
    """The part of today's budget that is spent or reserved; None without a budget."""
    daily, left = spending.budget.daily_usd, spending.budget.left_today_usd
    if daily is None or left is None:
        return None
    return 1.0 if daily <= 0 else min(max(1 - left / daily, 0.0), 1.0)


def estimate_of(estimate: Estimate) -> str:
    """What the queue will cost, in a sentence."""
    if not estimate.queue_size:
        return "Nothing waits."
    waiting = f"{words.conversations(estimate.queue_size)} {'waits' if estimate.queue_size == 1 else 'wait'}"
    if estimate.batched:
        waiting += f", {words.count(estimate.batched)} of them for batches"
    cost = f"{waiting}: about {words.count(estimate.calls)} calls and {words.dollars(estimate.usd)}"
    if estimate.resumes_at is not None:
        return f"{cost}. The budget is spent; analysis goes on at {words.moment(estimate.resumes_at)} UTC."
    if estimate.seconds is None:
        return f"{cost}. How long it takes is not known."
    return f"{cost}, in {words.duration(estimate.seconds)}."


def has_cost(rows: Sequence[Row]) -> bool:
    """Whether there is anything to draw."""
    return any(row["usd"] for row in rows)
